#!/usr/bin/env bats
# Calls of DS01's wrapper scripts, and our own wrapper, in the installed tree.

setup_file() {
    load helper
    make_image
}

teardown() {
    docker ps -aq --filter "name=_\\.$MLC_UID\$" | xargs -r docker rm -f >/dev/null
}

teardown_file() {
    load helper
    sweep
}

setup() {
    load helper
    place="$MLC_HOME/w 'x' \"y\""
    as_user mkdir -p "$place"
}

call() { # like DS01's scripts, under sudo
    by_sudo python3 "$SCRIPTS/docker/mlc-patched.py" "$@"
}

@test "the call of DS01's scripts" {
    run -0 call create thesis custom latest -s -w "$place" -d "$place" --image "$IMAGE" \
        -g=device=GPU-a,GPU-b --shm-size=1g --cgroup-parent=mlc-test.slice \
        --ds01-label ds01.user="$MLC_LOGIN" --ds01-label "ds01.note=a,b=c d"
    [ "$(inspect "$(tag thesis)" '{{(index .HostConfig.DeviceRequests 0).DeviceIDs}}')" = "[GPU-a GPU-b]" ]
    [ "$(inspect "$(tag thesis)" '{{index .Config.Labels "ds01.note"}}')" = "a,b=c d" ]
    [ "$(inspect "$(tag thesis)" '{{.HostConfig.ShmSize}} {{.HostConfig.CgroupParent}}')" = "1073741824 mlc-test.slice" ]
    docker update --cpus 2 "$(tag thesis)" >/dev/null
    docker stop "$(tag thesis)" >/dev/null
    run -0 call remove thesis -f -s
    is_gone thesis
    docker image inspect "$IMAGE" >/dev/null
}

@test "docker ps shows a started container" {
    call create thesis custom latest -s -w "$place" --image "$IMAGE" -g=none
    run -0 by_sudo mlc-start thesis -s
    [ "$(docker ps --filter "name=^/$(tag thesis)\$" --format '{{.Names}}')" = "$(tag thesis)" ]
}

@test "the last lines of the output say what failed" {
    run -1 call create thesis custom latest -s -w /there/is/none --image "$IMAGE"
    [[ "${lines[-1]}" == *"/there/is/none"* ]]
    run -2 call create thesis custom latest -s --ds01-label nonsense --image "$IMAGE"
    is_gone thesis
}

@test "our wrapper: as the user and through sudo, with limits" {
    local caller
    for caller in as_user by_sudo; do
        run -0 "$caller" "$SCRIPTS/docker/mlc-create-wrapper.sh" "thesis-$caller" -w="$place" \
            --image="$IMAGE" --num-gpus=1 --cpus=1.5 --memory=256m --pids-limit=200
        [ "$(inspect "$(tag "thesis-$caller")" '{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}')" = \
            "1500000000 268435456 200" ]
        [ "$(inspect "$(tag "thesis-$caller")" '{{(index .HostConfig.Binds 0)}}')" = "$place:/workspace" ]
    done
}

@test "our wrapper: from the catalog, and a failure leaves neither container nor image" {
    run -0 as_user "$SCRIPTS/docker/mlc-create-wrapper.sh" thesis Pytorch 2.8.0 --cpu-only
    [ "$(inspect "$(tag thesis)" '{{.Config.Image}}')" = "${BASE%:*}:$(tag thesis)" ]
    run -0 as_user mlc remove thesis -s
    run -1 as_user "$SCRIPTS/docker/mlc-create-wrapper.sh" thesis Pytorch 2.8.0 --memory=1k
    is_gone thesis
    run ! docker image inspect "${BASE%:*}:$(tag thesis)"
}

@test "our wrapper: a dry run prints the command, quoted" {
    run -0 as_user "$SCRIPTS/docker/mlc-create-wrapper.sh" thesis -w="$place" --image="$IMAGE" --dry-run
    local -a words
    eval "words=($output)"
    [[ "${words[*]}" == *"--workspace_dir=$place"* ]]
    is_gone thesis
}

@test "container-create with our wrapper as the site's" {
    run -0 as_user env DS01_MLC_WRAPPER="$SCRIPTS/docker/mlc-create-wrapper.sh" \
        container-create bats -w "$place" --cpus 1 --gpus none
    [ "$(inspect "$(tag bats)" '{{.HostConfig.NanoCpus}}')" = 1000000000 ]
}
