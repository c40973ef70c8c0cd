#!/usr/bin/env bash
# Provide a real Docker Engine on this machine, for the tests and the demo.
#
#   tools/engine.sh up      use the running engine, or install and start one (as root)
#   tools/engine.sh status  show the running engine; exit code 1 if there is none
#   tools/engine.sh down    stop the engine, if `up` started it
#   tools/engine.sh address print its DOCKER_HOST
#
# A number selects an additional, separate engine (as root): tools/engine.sh up 1. Tests that run in
# parallel have one each. It stores its images in memory if that is enough, which is faster.
#
# MLC_DOCKERD_OPTIONS: further options for dockerd, separated by blanks. MLC_NO_GPU_HOOK=1: start an
# engine that refuses GPU requests, as one without NVIDIA's toolkit does.
#
# On a host that lacks CAP_SYS_RESOURCE or a GPU, `up` starts dockerd with substitutes for them
# (see install_fit_runtime and install_gpu_hook). A server needs neither.
set -euo pipefail

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
readonly here
readonly slot=${2:-0}
readonly own=${slot#0}
readonly state=/run/mlc-patched-engine$own
readonly started=$state.started
readonly bridge=mlcbr$own
readonly pidfile=/run/mlc-patched-dockerd$own.pid
readonly log=/var/log/mlc-patched-dockerd$own.log
readonly equipment=/var/lib/mlc-patched/engine # not in the checkout: dockerd may outlive it
readonly data=$equipment-$own                  # of an additional engine
readonly memory_for_data=12                    # GiB that must be available; an engine of the tests stores 2
readonly cap_sys_resource=24                   # linux/capability.h

say() {
    echo "engine: $*"
}

die() {
    echo "engine: $*" >&2
    exit 1
}

server_version() {
    DOCKER_HOST=$(address) timeout 10 docker version --format '{{.Server.Version}}' 2>/dev/null
}

address() {
    if [[ -n "$own" ]]; then
        echo "unix://$state/docker.sock"
    else
        echo "${DOCKER_HOST:-unix:///var/run/docker.sock}"
    fi
}

has_capability() {
    local bits
    bits=$(awk '/^CapBnd:/ { print $2 }' /proc/self/status)
    ((16#$bits >> $1 & 1))
}

runs_systemd() {
    [[ -d /run/systemd/system ]]
}

is_process() { # is_process PID NAME
    [[ -n "$1" && "$(cat "/proc/$1/comm" 2>/dev/null)" == "$2" ]]
}

install_engine() {
    local -a how=()
    # Without systemd the package would start dockerd with its init script, without our options.
    runs_systemd || how=(--not-started)
    "$here/apt-install.sh" "${how[@]}" docker.io iptables
}

# From 23.0 on the client needs a plugin for BuildKit, which some releases package separately.
install_buildx() {
    ! docker buildx version >/dev/null 2>&1 || return 0
    [[ -z "$(apt-cache search --names-only '^docker-buildx$' 2>/dev/null)" ]] ||
        "$here/apt-install.sh" docker-buildx
}

install_missing() {
    if ! command -v dockerd >/dev/null; then
        install_engine
        install_buildx
    fi
    command -v docker >/dev/null || "$here/apt-install.sh" docker-cli
    command -v iptables >/dev/null || "$here/apt-install.sh" iptables
    if ! getent group docker >/dev/null; then
        say "creating the group docker, whose members may use the socket"
        groupadd --system docker
    fi
}

# Without CAP_SYS_RESOURCE runc can neither start privileged containers nor raise the memlock limit.
install_fit_runtime() {
    say "this host lacks CAP_SYS_RESOURCE: with tools/fit-runtime, containers get the capabilities and limits it has"
    [[ -x /usr/bin/python3 ]] || "$here/apt-install.sh" python3
    mkdir -p "$equipment"
    # Renamed, as several engines may start at the same time.
    /usr/bin/python3 -IS "$here/fit_runtime.py" >"$equipment/fit.sed.$$"
    install -m 755 "$here/fit-runtime" "$equipment/fit-runtime.$$"
    mv "$equipment/fit.sed.$$" "$equipment/fit.sed"
    mv "$equipment/fit-runtime.$$" "$equipment/fit-runtime"
}

# The engine accepts `--gpus` only if NVIDIA's hook was on its PATH when it started.
install_gpu_hook() {
    say "no GPU here: GPU requests are accepted, but containers get no GPU"
    mkdir -p "$equipment/bin"
    printf '#!/bin/sh\n# Replaces the real hook on a host without a GPU.\nexit 0\n' \
        >"$equipment/bin/nvidia-container-runtime-hook"
    chmod 755 "$equipment/bin/nvidia-container-runtime-hook"
}

# dockerd does not start if the PID in an old PID file belongs to another process by now.
remove_stale_pidfiles() {
    local containerd_pidfile=/var/run/docker/containerd/containerd.pid
    is_process "$(cat "$pidfile" 2>/dev/null)" dockerd || rm -f "$pidfile"
    is_process "$(cat "$containerd_pidfile" 2>/dev/null)" containerd || rm -f "$containerd_pidfile"
}

# dockerd outlives this script: it must not keep the lock, or a pipe that a CI system reads to its end.
close_inherited_files() {
    local file fd
    for file in "/proc/$BASHPID/fd"/*; do
        fd=${file##*/}
        if ((fd > 2 && fd != 255)); then # bash reads this script from 255
            exec {fd}>&-
        fi
    done
}

start_dockerd() {
    local path="$PATH"
    # By default a pull that breaks off is tried for more than a minute.
    local -a options=(--pidfile "$pidfile" --max-download-attempts 1) more
    if [[ -n "$own" ]]; then
        make_bridge
        mkdir -p "$state"
        make_data_directory
        options+=(--host "$(address)" --data-root "$data" --exec-root "$state/exec"
        --bridge "$bridge" --iptables=false)
    fi
    say "starting dockerd in the background; log: $log"
    if ! has_capability "$cap_sys_resource"; then
        install_fit_runtime
        options+=(--add-runtime "fit=$equipment/fit-runtime" --default-runtime fit)
    fi
    if [[ -z "${MLC_NO_GPU_HOOK:-}" ]] && ! command -v nvidia-container-runtime-hook >/dev/null; then
        install_gpu_hook
        path="$equipment/bin:$path"
    fi
    read -ra more <<<"${MLC_DOCKERD_OPTIONS:-}"
    options+=("${more[@]}")
    remove_stale_pidfiles
    (
        cd /
        close_inherited_files
        # Most of an engine's programs live for a moment: they need no garbage collection.
        PATH="$path" GOGC="${GOGC:-800}" exec setsid nohup dockerd "${options[@]}" </dev/null >"$log" 2>&1
    ) &
    echo dockerd >"$started"
}

# Engines in one network namespace need a bridge each; docker0 belongs to the first one.
make_bridge() {
    ip link show "$bridge" >/dev/null 2>&1 || ip link add "$bridge" type bridge
    ip address replace "172.30.$((100 + slot)).1/24" dev "$bridge"
    ip link set "$bridge" up
}

make_data_directory() {
    local available
    available=$(awk '/^MemAvailable:/ { print int($2 / 1024 ^ 2) }' /proc/meminfo)
    mkdir -p "$data"
    if ((available >= memory_for_data)) && [[ -z "$(ls -A "$data")" ]] && ! mountpoint -q "$data"; then
        mount -t tmpfs -o size=8g,mode=711 tmpfs "$data"
    fi
}

start_engine() {
    if [[ -z "$own" ]] && runs_systemd && has_capability "$cap_sys_resource"; then
        say "starting the service docker"
        systemctl start docker
        echo systemd >"$started"
    else
        start_dockerd
    fi
}

wait_until_it_answers() {
    local deadline=$((SECONDS + 60))
    until server_version >/dev/null; do
        if ((SECONDS >= deadline)) || { [[ -n "${1:-}" ]] && ! kill -0 "$1" 2>/dev/null; }; then
            [[ ! -e "$log" ]] || tail -n 20 "$log" >&2
            die "the engine does not answer at $(address)"
        fi
        sleep 0.2
    done
}

up() {
    local version
    if version=$(server_version); then
        say "Docker Engine $version answers at $(address)"
        return
    fi
    [[ -n "$own" || -z "${DOCKER_HOST:-}" ]] || die "no engine answers at DOCKER_HOST=$DOCKER_HOST: correct or unset it"
    ((EUID == 0)) || die "no engine answers at $(address), and only root can start one: sudo $0 up"
    exec 9>"$state.lock"
    flock 9
    if ! server_version >/dev/null; then
        install_missing
        start_engine
        wait_until_it_answers "${!:-}"
    fi
    say "Docker Engine $(server_version) answers at $(address)"
}

status() {
    local version
    version=$(server_version) || die "no engine answers at $(address): start one with tools/engine.sh up"
    say "Docker Engine $version answers at $(address)"
    if [[ -e "$started" ]]; then
        say "tools/engine.sh started it"
    else
        say "tools/engine.sh did not start it"
    fi
}

stop_dockerd() {
    local pid
    pid=$(cat "$pidfile" 2>/dev/null || true)
    is_process "$pid" dockerd || return 0
    kill "$pid"
    for ((try = 0; try < 150; try++)); do
        is_process "$pid" dockerd || return 0
        sleep 0.2
    done
    die "dockerd (process $pid) did not stop within 30 s"
}

# dockerd leaves the namespace of its host network mounted, and its data directory if it was killed.
unmount() { # unmount DIRECTORY: it, and what is below it
    local mount
    while read -r mount; do
        umount "$mount"
    done < <(awk -v top="$1" '$5 == top || index($5, top "/") == 1 { print $5 }' /proc/self/mountinfo | sort -r)
}

down() {
    ((EUID == 0)) || die "only root can stop the engine: sudo $0 down"
    case "$(cat "$started" 2>/dev/null)" in
    dockerd) stop_dockerd ;;
    systemd) systemctl stop docker.socket docker ;;
    *)
        say "nothing to stop: tools/engine.sh started no engine"
        return
        ;;
    esac
    rm -f "$started"
    if [[ -n "$own" ]]; then
        ip link delete "$bridge"
        unmount "$state"
        unmount "$data"
        rm -rf --one-file-system "$data" "$state"
    fi
    say "stopped"
}

# The number is part of the bridge's address.
if ! [[ "$slot" =~ ^(0|[1-9][0-9]{0,2})$ ]] || ((slot > 155)); then
    die "the number of an engine is 0 to 155, not $slot"
fi
case "${1:-}" in
up | status | down | address) "$1" ;;
*) die "usage: tools/engine.sh up|status|down|address [NUMBER]" ;;
esac
