#!/usr/bin/env bash
# Run the unit tests with Debian sid's Python (as root): tools/newest-python.sh [--prepare | PYTEST-ARGUMENT…]
#
# They run in a chroot of Debian sid as an ordinary user, without a Docker client and an engine, after
# `pip install -e .[test]`: as on a new contributor's machine. The chroot is kept in /var/cache.
# With --prepare it is only made.
set -euo pipefail

PATH="$PATH:/usr/sbin:/sbin"
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
readonly here
readonly python=python3.14
readonly root=/var/cache/mlc-patched/sid-$python
readonly home=/home/tester
readonly tree=$home/mlc-patched
readonly certificates=/etc/ssl/certs/ca-certificates.crt

((EUID == 0)) || {
    echo "newest-python: only root can use a chroot: sudo $0 $*" >&2
    exit 1
}
mkdir -p "${root%/*}"
exec 9>"$root.lock" # one run at a time
flock 9
"$here/debian-root.sh" sid "$root" "$python" "$python-venv" ca-certificates git
ln -sf "$python" "$root/usr/bin/python3"
grep -q '^tester:' "$root/etc/passwd" || chroot "$root" useradd --create-home tester
cp /etc/resolv.conf "$root/etc/resolv.conf"
[[ ! -e "$certificates" ]] || cp "$certificates" "$root$certificates"
rm -rf "${root:?}$tree"
mkdir "$root$tree"
git -C "$here/.." ls-files -z --cached --others --exclude-standard |
    tar -C "$here/.." --null --ignore-failed-read -T - -c | tar -C "$root$tree" -x
chroot "$root" chown -R tester: "$tree"

tests() { # runs in the chroot, as the ordinary user
    cd ~/mlc-patched
    if ! [[ ~/venv/ready -nt setup.cfg ]]; then
        "$python" -m venv --clear ~/venv
        ~/venv/bin/pip install -q -e '.[test]'
        touch ~/venv/ready
    fi
    [[ "${1-}" != --prepare ]] || return 0
    ~/venv/bin/python -m pytest tests/unit tests/contract --ignore tests/unit/faults --ignore tests/unit/fuzz -m 'not real_engine' -q "$@"
}

# shellcheck disable=SC2016  # expanded by the inner shell
exec unshare --mount --pid --fork --kill-child bash -euc '
    mount --bind /dev "$1/dev"
    mount --bind /dev/pts "$1/dev/pts"
    mount -t tmpfs tmpfs "$1/dev/shm"
    mount -t proc proc "$1/proc"
    exec chroot --userspec=tester "$@"' \
    bash "$root" env -i HOME="$home" USER=tester PATH=/usr/bin:/bin LANG=C.UTF-8 TMPDIR=/dev/shm python="$python" \
    PIP_CERT="$certificates" PIP_DISABLE_PIP_VERSION_CHECK=1 MLC_NO_SKIPS=1 MLC_TEST_EXAMPLES=20 \
    bash -euc "$(declare -f tests)"$'\ntests "$@"' bash "$@"
