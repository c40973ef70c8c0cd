#!/usr/bin/env bash
# Have programs of a newer Debian suite beside this machine's own, with nothing installed (as root).
#
#   tools/debian-programs.sh SUITE DIRECTORY PACKAGE… -- PROGRAM…
#
# DIRECTORY gets the suite's root file system with the packages, and DIRECTORY/engine, when it is complete,
# the programs. They run outside of the root file system, as bind mounts name paths of the host: so each gets
# the loader and the libraries of that root. A program that the suite lacks is left out.
set -euo pipefail

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
readonly here

die() {
    echo "debian-programs: $*" >&2
    exit 1
}

[[ $# -ge 5 && " $* " == *" -- "* ]] || die "usage: tools/debian-programs.sh SUITE DIRECTORY PACKAGE… -- PROGRAM…"
((EUID == 0)) || die "only root can make a root file system: sudo $0 $*"
readonly suite=$1 root=$2
readonly bin=$root/engine
shift 2
packages=()
while [[ "$1" != -- ]]; do
    packages+=("$1")
    shift
done
shift

fit_program() { # fit_program NAME
    local file
    file=$(find "$root"/usr/{bin,sbin,lib/podman,libexec/{podman,docker/cli-plugins}} -name "$1" -print -quit 2>/dev/null || true)
    [[ -n "$file" ]] || return 0
    cp -L "$file" "$bin.new/$1"
    patchelf --print-interpreter "$bin.new/$1" >/dev/null 2>&1 || return 0 # statically linked
    patchelf --set-interpreter "$root/lib64/ld-linux-x86-64.so.2" --force-rpath \
        --set-rpath "$root/usr/lib/x86_64-linux-gnu" "$bin.new/$1"
}

[[ ! -d "$bin" ]] || exit 0
mkdir -p "${root%/*}"
exec 8>"$root.lock"
flock 8
[[ ! -d "$bin" ]] || exit 0
"$here/debian-root.sh" "$suite" "$root" "${packages[@]}"
command -v patchelf >/dev/null || "$here/apt-install.sh" patchelf
rm -rf "$bin.new"
mkdir -p "$bin.new"
for name; do
    fit_program "$name"
done
mv "$bin.new" "$bin"
