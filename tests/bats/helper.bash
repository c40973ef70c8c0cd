# shellcheck shell=bash
# Common to all files of tests here. tests/engine/test_bats.py sets the variables:
#   MLC_ROOT     DESTDIR of `make install`; a path with a blank and a quote
#   MLC_LOGIN, MLC_UID, MLC_GID, MLC_HOME   the LDAP user of the design document,
#   MLC_ACCOUNT                             and the name of the account inside a container
#   MLC_CATALOG, MLC_ARCH, DOCKER_HOST      the environment of the commands
# Names from bats: run, status, output, stderr, lines.

bats_require_minimum_version 1.5.0

SCRIPTS=$MLC_ROOT/opt/ds01-infra/scripts
BIN=$MLC_ROOT/usr/local/bin
IMAGE=ds01-$MLC_UID/bats
BASE=mlc-test/base:bookworm
export SCRIPTS BIN IMAGE BASE

common=(
    PATH="$BIN:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" LANG=C.UTF-8
    MLC_CATALOG="$MLC_CATALOG" MLC_ARCH="$MLC_ARCH" ${DOCKER_HOST:+DOCKER_HOST="$DOCKER_HOST"}
)

# Run a command as the user, with nothing inherited and no terminal.
as_user() {
    setsid -w setpriv --reuid="$MLC_UID" --regid="$MLC_GID" --init-groups \
        env -i HOME="$MLC_HOME" USER="$MLC_LOGIN" "${common[@]}" "$@" </dev/null
}

# Run a command through sudo as the user; test_bats.py permits it.
by_sudo() {
    as_user sudo -n env "${common[@]}" "$@"
}

tag() { # name of the user's container in Docker
    echo "$1._.$MLC_UID"
}

inspect() { # inspect NAME FORMAT
    docker inspect --format "$2" "$1"
}

is_gone() { # there is no container of this name
    ! docker container inspect "$(tag "$1")" >/dev/null 2>&1
}

says() { # the output contains each argument
    local words
    # shellcheck disable=SC2154  # bats sets it
    for words; do
        [[ "$output" == *"$words"* ]] || {
            echo "missing: $words" >&2
            echo "$output" >&2
            return 1
        }
    done
}

sweep() { # remove the user's containers and images
    docker ps -aq --filter "name=_\\.$MLC_UID\$" | xargs -r docker rm -f >/dev/null
    docker images --format '{{.Repository}}:{{.Tag}}' | grep -E "^ds01-$MLC_UID/|\._\.$MLC_UID\$" |
        xargs -r docker rmi >/dev/null
}

# Make an image of the project `bats` with the user's account in it, with the legacy flow.
make_image() {
    as_user mlc create set-up Pytorch 2.8.0 -s >/dev/null 2>&1
    docker tag "${BASE%:*}:$(tag set-up)" "$IMAGE"
    as_user mlc remove set-up -s >/dev/null 2>&1
}
