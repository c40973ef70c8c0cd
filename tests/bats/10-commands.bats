#!/usr/bin/env bats
# shellcheck disable=SC2016 # another shell expands the text in single quotes
# Every command of the installed tree: it exists, starts, has help, and refuses invalid input.

setup() {
    load helper
}

@test "the tree has the files that the design document lists" {
    local path
    for path in user/{image-create,image-update,image-list,image-retire} \
        user/{container-deploy,container-create,container-list,container-retire} \
        docker/{mlc-patched.py,mlc-create-wrapper.sh} lib/{username_utils.py,username-utils.sh}; do
        [ -f "$SCRIPTS/$path" ]
    done
    for path in "$SCRIPTS"/{user,docker}/*; do [ -x "$path" ]; done
}

@test "every command has help with examples, as the LDAP user" {
    local command
    for command in "$BIN"/* "$SCRIPTS"/user/* "$SCRIPTS"/docker/*; do
        run -0 as_user "$command" -h
        [[ "$output" == *usage:* && "$output" == *examples:* ]]
    done
}

@test "every command has help through sudo" {
    local command
    for command in "$BIN"/* "$SCRIPTS"/docker/*; do
        run -0 by_sudo "$command" --help
    done
}

@test "every mlc-* program runs the command of its name" {
    local shim
    for shim in "$BIN"/mlc-*; do
        [[ ${shim##*/} != mlc-patch ]] || continue
        run -0 as_user "$shim" -h
        says "usage: mlc ${shim##*/mlc-}"
    done
}

@test "an unknown flag is named, with exit code 2" {
    local command
    for command in mlc-list image-create container-deploy container-list container-retire; do
        run -2 as_user "$command" --no-such-flag
        says --no-such-flag
    done
    run -2 as_user "$SCRIPTS/docker/mlc-create-wrapper.sh" x --no-such-flag
}

@test "arguments with blanks and quotes and empty ones are passed on" {
    run -1 as_user "$BIN/mlc-open" "it's \"a b\""
    says 'a b"'
    run -1 as_user "$BIN/mlc-create" "" Pytorch 2.8.0 -s
    run -2 as_user "$BIN/container-create" "it's \"a b\"" --image "$BASE"
    says "is not a valid container name"
}

@test "commands run through a link, in a directory with a blank, with a broken environment" {
    local place="$BATS_TEST_TMPDIR/a b'c"
    mkdir -p "$place"
    chmod -R a+rX "$BATS_TEST_TMPDIR" "$BATS_RUN_TMPDIR"
    ln -s "$SCRIPTS/user/container-list" "$place/my list"
    cd "$place"
    run -0 as_user env PYTHONPATH=/nonexistent PYTHONHOME=/nonexistent "./my list"
    run -0 as_user bash -c 'cd / && exec "$0"' "$place/my list"
}

@test "root without sudo is refused" {
    local command
    for command in "image-create x --base $BASE -y" container-create container-deploy container-list container-retire; do
        # shellcheck disable=SC2086  # a command line
        run -1 env -i PATH=/usr/bin:/bin "$BIN/"$command
        says root
    done
}

@test "the libraries can be loaded by path" {
    run -0 as_user bash -c '. "$1" && get_user_slice_name students "$2"' - \
        "$SCRIPTS/lib/username-utils.sh" h.baker@hertie-school.lan
    [ "$output" = ds01-students-h-baker-at-hertie-school-lan.slice ]
    run -0 as_user python3 -c '
import importlib.util, sys
spec = importlib.util.spec_from_file_location("username_utils", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print(module.sanitize_username_for_container(sys.argv[2]))' \
        "$SCRIPTS/lib/username_utils.py" h.baker@hertie-school.lan
    [ "$output" = h-baker-at-hertie-school-lan ]
    # The program itself uses this very file.
    [ "$(find "$MLC_ROOT" -name username_utils.py -type f | wc -l)" -eq 1 ]
}

@test "settings are read, and a wrong one is reported with its line" {
    local settings=$BATS_TEST_TMPDIR/mlc.ini
    chmod a+rx "$BATS_TEST_TMPDIR" "$BATS_RUN_TMPDIR"
    printf '[gpus]\nlargest = 1\n' >"$settings"
    run -0 as_user env DS01_SETTINGS="$settings" mlc config
    says "gpus.largest" "$settings, line 2"
    printf '[gpus]\nlargest = few\n' >"$settings"
    run -1 as_user env DS01_SETTINGS="$settings" mlc config
    says "$settings, line 2" "all, or a number from 0"
}
