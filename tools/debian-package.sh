#!/usr/bin/env bash
# Make a Debian package in dist/ of what `make install` installs, for `make deb`.
# The maintainer is DEBFULLNAME and DEBEMAIL, else the last commit's author.
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
maintainer=${DEBFULLNAME:+$DEBFULLNAME <${DEBEMAIL:-}>}
[[ -n "$maintainer" ]] || maintainer=$(git log -1 --format='%an <%ae>' 2>/dev/null) ||
    die "set DEBFULLNAME and DEBEMAIL: a package needs a maintainer"
prefix=${PREFIX:-/opt/ds01-infra}
# All files get the time of the last commit, so that the same sources make the same package.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y mlc_patched/version.py)
export SOURCE_DATE_EPOCH

mkdir -p build dist
root=$(mktemp -d build/deb.XXXXXX)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
DESTDIR=$here/$root PREFIX=$prefix BINDIR=/usr/bin SHAREDIR=/usr/share BYTECODE=no \
    SYSCONFDIR=/etc ZSHDIR=/usr/share/zsh/vendor-completions tools/install.sh install >&2
rm "$root/etc/ds01/mlc.ini.prefixes" # dpkg keeps the settings itself
# Modules in C have one in Python beside them, for every Python and architecture.
find "$root" -name '*.so' | while read -r module; do
    [[ -e "${module%%.cpython-*}.py" ]] || die "$module has no module in Python beside it"
    rm "$module"
done
# Policy 10.5: a link to another top-level directory is absolute.
find "$root/usr" -type l | while read -r link; do
    to=$(realpath -ms -- "${link%/*}/$(readlink -- "$link")")
    [[ "$to" == "$here/$root/usr/"* ]] || ln -sfn -- "${to#"$here/$root"}" "$link"
done
doc=$root/usr/share/doc/mlc-patched
install -D -m 644 LICENSE "$doc/copyright"
gzip -9n <CHANGELOG.md >"$doc/NEWS.gz"
gzip -9n >"$doc/changelog.gz" <<CHANGELOG
mlc-patched ($version) unstable; urgency=medium

  * What is new is in NEWS.gz.

 -- $maintainer  $(date -Rud "@$SOURCE_DATE_EPOCH")
CHANGELOG
install -D -m 644 /dev/stdin "$root/usr/share/lintian/overrides/mlc-patched" <<OVERRIDES
# DS01's scripts call the programs in /opt.
mlc-patched: dir-or-file-in-opt
# The packages that the program needs are private, and unchanged.
mlc-patched: script-not-executable [opt/*/site-packages/*]
mlc-patched: unusual-interpreter * [opt/*/site-packages/*]
OVERRIDES

mkdir "$root/DEBIAN"
echo /etc/ds01/mlc.ini >"$root/DEBIAN/conffiles"
(cd "$root" && find opt usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
cat >"$root/DEBIAN/control" <<CONTROL
Package: mlc-patched
Version: $version
Architecture: all
Maintainer: $maintainer
Installed-Size: $(du -sk --apparent-size --exclude=DEBIAN "$root" | cut -f 1)
Depends: python3, ${python##*/}
Recommends: docker.io | docker-ce
Suggests: bash-completion, git, nvidia-container-toolkit
Section: science
Priority: optional
Description: named machine-learning containers on a shared GPU server
 A drop-in replacement for AIME's mlc, with images that users build once and
 keep, and containers that are created from them in one step: mlc,
 image-create, container-deploy and the other documented commands, on PATH and
 in $prefix/scripts.
CONTROL
# Only an upgrade finds these files already there; otherwise they are from `make install`.
cat >"$root/DEBIAN/preinst" <<SCRIPT
#!/bin/sh
set -e
[ "\$1" = install ] && [ -e '$prefix/mlc-patched/links' ] || exit 0
echo "mlc-patched in $prefix was installed with make install; remove it first: make uninstall" >&2
exit 1
SCRIPT
cat >"$root/DEBIAN/postinst" <<SCRIPT
#!/bin/sh
set -e
[ "\$1" != configure ] || py3compile -p mlc-patched -V ${python##*/python} '$prefix'
SCRIPT
cat >"$root/DEBIAN/prerm" <<'SCRIPT'
#!/bin/sh
set -e
py3clean -p mlc-patched
SCRIPT
chmod 755 "$root"/DEBIAN/{preinst,postinst,prerm}
package=dist/mlc-patched_${version}_all.deb
dpkg-deb --root-owner-group -Zxz -z6 --build "$root" "$package" >&2
echo "$package"
