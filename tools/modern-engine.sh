#!/usr/bin/env bash
# Have a newer Docker Engine beside this machine's own, with nothing installed in its place (as root).
#
#   tools/modern-engine.sh get  [SUITE]           fetch a newer Debian's engine, client and buildx, once
#   tools/modern-engine.sh up   NUMBER [STORE] [SUITE]   start one, with the images the tests need
#   tools/modern-engine.sh down NUMBER            stop it, and remove everything it stored
#   tools/modern-engine.sh address NUMBER         print its DOCKER_HOST
#   tools/modern-engine.sh run  COMMAND…          run a command with the newer client and buildx as `docker`
#
# SUITE is sid (Docker 28.5) or trixie (26.1); STORE, which holds the images, is containerd or classic.
# Their defaults are sid and containerd, or the variables SUITE and STORE.
# The NUMBER is that of tools/engine.sh, which starts the engine.
#
# Variables:
#   MIN_API=1.44  refuse clients that are limited to an older API, as Docker 29 does
#   NO_HOOK=1     an engine without NVIDIA's hook refuses --gpus; CDI devices can be described in cdi/ beside its socket
#   MLC_DOCKERD_OPTIONS  as for tools/engine.sh
set -euo pipefail

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
readonly here
readonly cache=${MLC_ENGINE_CACHE:-/var/cache/mlc-patched/engines}
readonly programs=(dockerd containerd containerd-shim-runc-v2 runc docker docker-proxy docker-init ctr docker-buildx)
readonly plugin=plugins/docker/cli-plugins/docker-buildx

say() {
    echo "modern-engine: $*" >&2
}

die() {
    say "$*"
    exit 1
}

usage() {
    say "usage: tools/modern-engine.sh get [SUITE] | up NUMBER [STORE] [SUITE] | down NUMBER | address NUMBER | run COMMAND…"
    exit 2
}

set_suite() {
    suite=$1
    [[ "$suite" == sid || "$suite" == trixie ]] || die "the suite is sid or trixie, not $suite"
    root=$cache/$suite
    bin=$root/engine
}

get() {
    "$here/debian-programs.sh" "$suite" "$root" docker.io docker-cli docker-buildx containerd runc -- "${programs[@]}"
    [[ -e "$bin/$plugin" ]] || {
        mkdir -p "$bin/${plugin%/*}"
        ln -sf "$bin/docker-buildx" "$bin/$plugin"
    }
}

address() {
    "$here/engine.sh" address "$1"
}

up() { # up NUMBER STORE
    local -r state=/run/mlc-patched-engine$1
    local is_containerd=true wanted
    case "$2" in
    containerd) ;;
    classic) is_containerd=false ;;
    *) die "the store is containerd or classic, not $2" ;;
    esac
    get
    wanted="$suite $2 ${MIN_API:-} ${NO_HOOK:+no hook}"
    if [[ -e "$state/modern" ]]; then
        [[ "$(<"$state/modern")" == "$wanted" ]] ||
            die "engine $1 is another one ($(<"$state/modern")): tools/modern-engine.sh down $1"
    elif "$here/engine.sh" status "$1" >/dev/null 2>&1; then
        die "engine $1 is another one, of this machine's own version: tools/engine.sh down $1"
    fi
    mkdir -p "$state/cdi"
    echo "$wanted" >"$state/modern"
    echo "{\"features\": {\"cdi\": true, \"containerd-snapshotter\": $is_containerd}}" >"$state/daemon.json"
    PATH="$bin:$PATH" DOCKER_MIN_API_VERSION="${MIN_API:-}" MLC_NO_GPU_HOOK="${NO_HOOK:-}" \
        MLC_DOCKERD_OPTIONS="--config-file $state/daemon.json --cdi-spec-dir $state/cdi ${MLC_DOCKERD_OPTIONS:-}" \
        "$here/engine.sh" up "$1"
    PATH="$bin:$PATH" DOCKER_HOST=$(address "$1") "$here/base-images.sh" >/dev/null
}

down() {
    [[ -e /run/mlc-patched-engine$1/modern ]] || die "engine $1 is none of tools/modern-engine.sh's"
    "$here/engine.sh" down "$1"
}

# The client is put in the places where users look for it, in a mount namespace that only the command sees.
run() {
    get
    # shellcheck disable=SC2016  # expanded by the inner shell
    CLIENT="$bin/docker" PLUGINS="$bin/plugins" exec unshare --mount --propagation slave bash -ec '
        for each in /usr/local/bin/docker /usr/bin/docker; do
            [[ ! -e "$each" ]] || mount --bind "$CLIENT" "$each"
        done
        mount -t overlay -o "lowerdir=$PLUGINS:/usr/libexec" overlay /usr/libexec
        exec "$@"' - "$@"
}

((EUID == 0)) || die "only root can use another engine: sudo $0 $*"
case "${1:-}" in
get)
    set_suite "${2:-${SUITE:-sid}}"
    get
    ;;
up)
    [[ $# -ge 2 && "$2" != 0 ]] || usage
    set_suite "${4:-${SUITE:-sid}}"
    up "$2" "${3:-${STORE:-containerd}}"
    ;;
down | address)
    [[ $# -eq 2 && "$2" != 0 ]] || usage
    "$@"
    ;;
run)
    [[ $# -ge 2 ]] || usage
    set_suite "${SUITE:-sid}"
    "$@"
    ;;
*) usage ;;
esac
