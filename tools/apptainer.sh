#!/usr/bin/env bash
# Run Apptainer of Debian sid as an ordinary user, with nothing installed on this machine (as root).
#
#   tools/apptainer.sh get                    make its root file system in /var/cache, once
#   tools/apptainer.sh run DIRECTORY COMMAND… run a command in DIRECTORY as its owner, whose home it is
#
# DIRECTORY has the same path there. The command runs in that root file system, but not in a chroot: the
# kernel refuses namespaces of ordinary users in one (unshare(2), EPERM).
set -euo pipefail

PATH="$PATH:/usr/sbin:/sbin"
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
readonly here
readonly root=/var/cache/mlc-patched/sid-apptainer

usage() {
    echo "apptainer: usage: tools/apptainer.sh get | run DIRECTORY COMMAND…" >&2
    exit 2
}

get() {
    mkdir -p "${root%/*}"
    exec 9>"$root.lock"
    flock 9
    "$here/debian-root.sh" sid "$root" apptainer squashfs-tools squashfuse fuse-overlayfs fuse3 mount
    echo "127.0.0.1 localhost" >"$root/etc/hosts"
    exec 9>&-
}

run() { # run DIRECTORY COMMAND…
    local ids
    get
    ids=$(stat -c '--reuid=%u --regid=%g' "$1")
    # shellcheck disable=SC2016,SC2086  # expanded by the inner shell; two words
    exec unshare --mount --pid --fork --kill-child bash -euc '
        root=$1 directory=$2
        mount --bind "$root" "$root"
        mount -t tmpfs tmpfs "$root/dev"
        for each in null zero full random urandom tty; do
            touch "$root/dev/$each"
            mount --bind "/dev/$each" "$root/dev/$each"
        done
        mknod -m 666 "$root/dev/fuse" c 10 229
        mkdir "$root/dev/shm" "$root/dev/pts"
        mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
        mount -t proc proc "$root/proc"
        mount --rbind /sys "$root/sys"
        mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
        { cat "$root/etc/passwd"; echo "cluster:x:${3#*=}:${4#*=}::$directory:/bin/bash"; } >"$root/tmp/passwd"
        mount --bind "$root/tmp/passwd" "$root/etc/passwd"
        mkdir -p "$root$directory"
        mount --bind "$directory" "$root$directory"
        cd "$root"
        pivot_root . .
        umount -l .
        cd "$directory"
        exec setpriv "$3" "$4" --clear-groups env -i HOME="$directory" PATH=/usr/bin:/bin LANG=C.UTF-8 "${@:5}"' \
        bash "$root" "$1" $ids "${@:2}"
}

((EUID == 0)) || {
    echo "apptainer: only root can do this: sudo $0 $*" >&2
    exit 1
}
case "${1:-}" in
get) [[ $# -eq 1 ]] || usage && get ;;
run) [[ $# -ge 3 ]] || usage && run "${@:2}" ;;
*) usage ;;
esac
