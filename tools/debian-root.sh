#!/usr/bin/env bash
# Make the root file system of a Debian suite with debootstrap (as root), unless it is there already.
#
#   tools/debian-root.sh SUITE DIRECTORY [PACKAGE…]
#
# It comes from the mirror this machine is set up with. DIRECTORY appears only when it is complete;
# beside it, DIRECTORY.log is debootstrap's log.
set -euo pipefail

PATH="$PATH:/usr/sbin:/sbin"
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
readonly here

die() {
    echo "debian-root: $*" >&2
    exit 1
}

debian_mirror() { # this machine's; on other systems, debootstrap's default
    local id
    id=$(sed -n 's/^ID=//p' /etc/os-release)
    [[ "$id" == debian ]] || return 0
    cat /etc/apt/sources.list /etc/apt/sources.list.d/debian.* 2>/dev/null |
        awk '$1 == "URIs:" { print $2; exit }
             $1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /:\/\//) { print $i; exit } }'
}

remove_root() { # an interrupted debootstrap leaves /proc mounted
    umount "$1/proc" "$1/sys" 2>/dev/null || true
    rm -rf --one-file-system "$1"
}

[[ $# -ge 2 ]] || die "usage: tools/debian-root.sh SUITE DIRECTORY [PACKAGE…]"
suite=$1 target=$2
shift 2
[[ ! -d "$target" ]] || exit 0
((EUID == 0)) || die "only root can make a root file system: sudo $0 $suite $target"
command -v debootstrap >/dev/null || "$here/apt-install.sh" debootstrap debian-archive-keyring
include=$(
    IFS=,
    echo "$*"
)
mkdir -p "$(dirname "$target")"
root=$(mktemp -d "$target.XXXXXX")
# shellcheck disable=SC2064  # the current value
trap "remove_root '$root'" EXIT
chmod 755 "$root"
echo "debian-root: making Debian $suite with debootstrap: about half a minute" >&2
# shellcheck disable=SC2046  # no mirror, no argument
debootstrap --variant=minbase ${include:+"--include=$include"} "$suite" "$root" $(debian_mirror) \
    >"$target.log" 2>&1 || die "debootstrap failed: $(tail -n 5 "$target.log")"
mv "$root" "$target"
trap - EXIT
