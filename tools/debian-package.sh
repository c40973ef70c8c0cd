#!/usr/bin/env bash
# Make a Debian package in dist/ of what `make install` installs, for `make deb`.
# The administrator's settings are a conffile; nothing outside this tree is changed.
set -euo pipefail
umask 022

here=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
cd "$here"

die() {
    echo "debian-package: $*" >&2
    exit 1
}

command -v dpkg-deb >/dev/null || die "dpkg-deb is missing; install the package dpkg"
python=$(readlink -f .venv/bin/python) || die "there is no .venv: run make setup first"
[[ "$python" == /usr/bin/python3.* ]] ||
    die ".venv uses $python; a package needs Debian's own Python: rm -rf .venv, then make setup with /usr/bin/python3"

version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' mlc_patched/version.py)
architecture=$(dpkg --print-architecture)
# All files get the time of the last commit, so that the same sources make the same package.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y mlc_patched/version.py)
export SOURCE_DATE_EPOCH

mkdir -p build dist
root=$(mktemp -d build/deb.XXXXXX)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
DESTDIR=$here/$root PREFIX=${PREFIX:-/opt/ds01-infra} BINDIR=/usr/bin SHAREDIR=/usr/share \
    SYSCONFDIR=/etc ZSHDIR=/usr/share/zsh/vendor-completions tools/install.sh install >&2
rm "$root/etc/ds01/mlc.ini.prefixes" # dpkg keeps the settings itself
install -D -m 644 LICENSE "$root/usr/share/doc/mlc-patched/copyright"

mkdir "$root/DEBIAN"
echo /etc/ds01/mlc.ini >"$root/DEBIAN/conffiles"
(cd "$root" && find opt usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
cat >"$root/DEBIAN/control" <<CONTROL
Package: mlc-patched
Version: $version
Architecture: $architecture
Maintainer: The mlc-patched developers <root@localhost>
Installed-Size: $(du -sk --apparent-size --exclude=DEBIAN "$root" | cut -f 1)
Depends: bash, coreutils, ${python##*/}
Recommends: docker.io | docker-ce
Suggests: bash-completion, git, nvidia-container-toolkit
Section: science
Priority: optional
Description: named machine-learning containers on a shared GPU server
 A drop-in replacement for AIME's mlc, with images that users build once and keep, and
 containers that are created from them in one step: mlc, image-create, container-deploy
 and the other documented commands, in /opt/ds01-infra/scripts and on PATH.
CONTROL
package=dist/mlc-patched_${version}_$architecture.deb
dpkg-deb --root-owner-group -Zxz -z6 --build "$root" "$package" >&2
echo "$package"
