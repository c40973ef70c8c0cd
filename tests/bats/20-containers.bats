#!/usr/bin/env bats
# shellcheck disable=SC2016 # another shell expands the text in single quotes
# The documented workflow on the real engine, as h.baker@hertie-school.lan.

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
}

@test "deploy in the background, list and retire, with a workspace with blanks and quotes" {
    local place="$MLC_HOME/it's \"my\" work"
    as_user mkdir -p "$place"
    run -0 as_user container-deploy bats --background -w "$place" --cpu-only
    says "[bats] running" "mlc open bats" "VS Code" "/workspace is $place"
    [ "$(inspect "$(tag bats)" '{{.State.Running}} {{.Config.User}}')" = "true $MLC_UID:$MLC_GID" ]
    as_user docker exec "$(tag bats)" sh -c 'id -un; touch /workspace/made; sudo -n id -u' >"$BATS_TEST_TMPDIR/said"
    [ "$(paste -sd' ' "$BATS_TEST_TMPDIR/said")" = "$MLC_ACCOUNT 0" ]
    [ "$(stat -c %u "$place/made")" = "$MLC_UID" ]
    run -0 as_user container-list
    says "[bats]" "$IMAGE" "it's \"my\" work"
    run -2 as_user container-retire bats
    run -0 as_user container-retire bats -y
    is_gone bats
    docker image inspect "$IMAGE" >/dev/null
}

@test "deploy through sudo creates the user's container, and no files of root in the home" {
    run -0 by_sudo container-create bats
    [ "$(inspect "$(tag bats)" '{{index .Config.Labels "aime.mlc"}}')" = "$MLC_LOGIN" ]
    [ -z "$(find "$MLC_HOME" -user root)" ]
    run -0 by_sudo container-retire bats -y
}

@test "without a name and a terminal it lists the projects" {
    run -2 as_user container-deploy
    says "Which project" "$IMAGE"
    run -1 as_user container-deploy absent
    says "image-create absent" "$IMAGE"
}

@test "a name is derived from an image and printed" {
    run -0 as_user container-create --image "$BASE"
    says "is named base"
    [ "$(inspect "$(tag base)" '{{index .Config.Labels "aime.mlc.DS01_USER_SETUP"}}')" = commit ]
    run -0 as_user container-retire base -y
    says "and with it the image"
}

@test "save: the container is removed once the image is the user's" {
    as_user container-deploy work --project bats --background >/dev/null
    as_user docker exec "$(tag work)" sh -c 'echo kept >~/notes'
    run -0 as_user container-retire work --save "v1" -y
    says "saved as $IMAGE:v1" notes
    is_gone work
    [ "$(docker run --rm --network none "$IMAGE:v1" sh -c 'id -u; cat ~/notes' | paste -sd' ')" = "$MLC_UID kept" ]
    run -0 as_user container-create again --image "$IMAGE:v1"
    says "directly from"
}

@test "on a terminal: choose a project, get a shell, and leave it" {
    command -v script >/dev/null || skip "no script(1)"
    chmod a+rx "$BATS_RUN_TMPDIR" "$BATS_TEST_TMPDIR"
    run as_user bash -c "(sleep 1; printf '1\n'; sleep 4; printf 'echo I am \$(id -un)\nexit\n'; sleep 4) |
        script -qec container-deploy /dev/null"
    says "Your projects:" "1) bats" "I am $MLC_ACCOUNT" "stopped. Open it again"
    [ "$(inspect "$(tag bats)" '{{.State.Running}}')" = false ]
}
