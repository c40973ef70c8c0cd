#!/usr/bin/env bash
# Make the base images of the tests and the demo if they are missing, and print their names.
#
#   tools/base-images.sh         mlc-test/bare:bookworm  Debian and nothing else
#                                mlc-test/base:bookworm  bare, with sudo, git, Python and pip
#   tools/base-images.sh sparse  also mlc-test/sparse:bookworm, where useradd fills lastlog
#
# bare is Debian's image from the registry, or made with debootstrap (as root) if there is no registry.
set -euo pipefail

PATH="$PATH:/usr/sbin:/sbin"
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
readonly here
readonly bare=mlc-test/bare:bookworm
readonly base=mlc-test/base:bookworm
readonly sparse=mlc-test/sparse:bookworm
readonly cache=/var/cache/mlc-patched
readonly search_path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin # of images that Docker builds
readonly root_tar=$cache/bookworm-small.tar

say() {
    echo "base-images: $*" >&2
}

die() {
    say "$*"
    exit 1
}

is_there() {
    docker image inspect "$1" >/dev/null 2>&1
}

# What debian:bookworm-slim leaves out, and time zones, character sets and Perl's modules.
make_slim() { # make_slim ROOT
    local path
    for path in share/{doc,groff,info,linda,lintian,locale,man,perl,zoneinfo} 'lib/*/'{gconv,perl}; do
        echo "path-exclude /usr/$path/*"
        # shellcheck disable=SC2086  # a pattern
        find "$1/usr"/$path -mindepth 1 ! -type d ! -name copyright -delete 2>/dev/null || true
        # shellcheck disable=SC2086
        find "$1/usr"/$path -mindepth 1 -type d -empty -delete 2>/dev/null || true
    done >"$1/etc/dpkg/dpkg.cfg.d/slim"
    echo "path-include /usr/share/doc/*/copyright" >>"$1/etc/dpkg/dpkg.cfg.d/slim"
}

make_root_tar() {
    local root
    ((EUID == 0)) || die "only root can make $bare with debootstrap: sudo $0"
    root=$(mktemp -d "$cache/root.XXXXXX")
    # shellcheck disable=SC2064  # the current value
    trap "rm -rf --one-file-system '$root'" EXIT
    "$here/debian-root.sh" bookworm "$root/bookworm"
    cd "$root/bookworm"
    make_slim "$root/bookworm"
    rm -rf var/cache/apt/* var/lib/apt/lists/* var/log/{bootstrap,dpkg,alternatives}.log etc/{hostname,resolv.conf}
    tar --one-file-system --numeric-owner -cf "$root/tar" .
    cd /
    mv "$root/tar" "$root_tar"
    rm -rf --one-file-system "$root"
    trap - EXIT
}

make_bare() {
    local pulled=debian:bookworm-slim
    say "making $bare"
    if timeout 60 docker pull -q "$pulled" >/dev/null 2>&1; then
        docker tag "$pulled" "$bare"
        return
    fi
    say "$pulled cannot be pulled: making it here"
    mkdir -p "$cache"
    [[ -e "$root_tar" ]] || make_root_tar
    docker import -c 'CMD ["bash"]' "$root_tar" "$bare" >/dev/null
}

# The client's default builder: buildx if installed, else the classic one.
build() { # build NAME DIRECTORY
    say "building $1"
    env -u DOCKER_BUILDKIT docker build --network host -t "$1" "$2" >"$2.log" 2>&1 || {
        cat "$2.log" >&2
        die "building $1 failed"
    }
}

# containerd's image store compares all files of an image for each line of a Dockerfile that the classic
# builder builds, and their content if their times are whole seconds, as in layers that Docker makes.
readonly with_fractions='
import sys, tarfile
old = tarfile.open(fileobj=sys.stdin.buffer, mode="r|")
new = tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.PAX_FORMAT)
for member in old:
    member.mtime = int(member.mtime) + 0.5
    new.addfile(member, old.extractfile(member) if member.isreg() else None)
new.close()
'

give_times_fractions() { # give_times_fractions IMAGE
    local container image
    image=$(docker image inspect -f '{{.Id}}' "$1")
    container=$(docker create "$1")
    docker export "$container" | python3 -c "$with_fractions" |
        docker import -c 'CMD ["bash"]' -c "ENV PATH=$search_path" - "$1" >/dev/null
    docker rm "$container" >/dev/null
    docker rmi "$image" >/dev/null
}

make_base() {
    cat >"$1/Dockerfile" <<-DOCKERFILE
		FROM $bare
		RUN apt-get update -qq \\
		    && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \\
		        ca-certificates git less procps python3 python3-pip python3-venv sudo \\
		    && apt-get clean && rm -rf /var/lib/apt/lists/*
	DOCKERFILE
    build "$base" "$1"
    give_times_fractions "$base"
}

# Ubuntu 20.04 and 22.04 give every new account a record in lastlog (292 bytes per UID) and faillog
# (32 bytes), Debian 12 does not. A directory server's UID makes these files huge sparse files, which
# a commit or build writes out. This useradd adds the records even with --no-log-init: the test is
# that the set-up step empties the files, whatever useradd did.
make_sparse() {
    cat >"$1/useradd" <<-'USERADD'
		#!/bin/sh
		useradd.debian "$@" || exit
		uid=$(tail -n 1 /etc/passwd | cut -d: -f3)
		dd if=/dev/zero of=/var/log/lastlog bs=292 count=1 seek="$uid" conv=notrunc status=none
		dd if=/dev/zero of=/var/log/faillog bs=32 count=1 seek="$uid" conv=notrunc status=none
	USERADD
    chmod 755 "$1/useradd"
    cat >"$1/Dockerfile" <<-DOCKERFILE
		FROM $base
		RUN mv /usr/sbin/useradd /usr/sbin/useradd.debian
		COPY useradd /usr/sbin/useradd
	DOCKERFILE
    build "$sparse" "$1"
}

# For a second engine, as tests that run in parallel have.
copy_from_default() { # copy_from_default IMAGE
    local -r default=unix:///var/run/docker.sock
    [[ "${DOCKER_HOST:-$default}" != "$default" ]] || return 1
    docker -H "$default" image inspect "$1" >/dev/null 2>&1 || return 1
    say "copying $1 from the engine on $default"
    docker -H "$default" save "$1" | docker load -q >/dev/null
}

need() { # need IMAGE MAKER
    local context
    if ! is_there "$1" && ! copy_from_default "$1"; then
        context=$(mktemp -d "$work/XXXXXX")
        "$2" "$context"
    fi
    echo "$1"
}

[[ $# -eq 0 || "$*" == sparse ]] || die "usage: tools/base-images.sh [sparse]"
docker version >/dev/null 2>&1 || die "no Docker Engine answers: tools/engine.sh up starts one"
exec 9<"${BASH_SOURCE[0]}" # one at a time
flock 9
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
( # a subshell, because the functions set a trap
    need "$bare" make_bare
    need "$base" make_base
    [[ $# -eq 0 ]] || need "$sparse" make_sparse
)
