#!/usr/bin/env bats
# The Debian package, in a root file system made with debootstrap.

setup_file() {
    load helper
    python=$(readlink -f "$BATS_TEST_DIRNAME/../../.venv/bin/python")
    [[ $python == /usr/bin/python3.* ]] || skip ".venv uses $python, a package needs Debian's own"
    root=$(mktemp -d /var/tmp/mlc-test-root.XXXXXX)
    export root
    container=$(docker create "$BASE")
    docker export "$container" | tar -C "$root" -x
    docker rm "$container" >/dev/null
    rm -f "$root"/etc/dpkg/dpkg.cfg.d/* # a slim image installs no documentation
    package=$(make -s --no-print-directory -C "$BATS_TEST_DIRNAME/../.." deb 2>/dev/null | tail -n 1)
    cp "$BATS_TEST_DIRNAME/../../$package" "$root/tmp/mlc.deb"
    # The version before: other version number and settings, and a command that was dropped.
    dpkg-deb -R "$root/tmp/mlc.deb" "$root/tmp/old"
    sed -i 's/^Version: .*/Version: 0.1.0/' "$root/tmp/old/DEBIAN/control"
    rm -f "$root/tmp/old/DEBIAN/preinst"
    sed -i '1s/.*/# Settings of an older version./' "$root/tmp/old/etc/ds01/mlc.ini"
    echo '#!/bin/sh' >"$root/tmp/old/usr/bin/mlc-gone"
    dpkg-deb -Zgzip -z1 --root-owner-group -b "$root/tmp/old" "$root/tmp/old.deb" >/dev/null
    rm -rf "$root/tmp/old"
}

teardown_file() {
    rm -rf --one-file-system "${root:?}"
}

setup() {
    load helper
}

chroot_() {
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 chroot "$root" "$@"
}

make_() { # run a target of the checkout in the root
    make -s -C "$BATS_TEST_DIRNAME/../.." "$@" DESTDIR="$root"
}

files() {
    (cd "$root" && find . ! -path './var/*' ! -path './tmp/*' ! -path './proc/*' ! -type d | LC_ALL=C sort)
}

@test "it can be installed, removed and purged without a trace" {
    files >"$BATS_FILE_TMPDIR/before"
    run -0 chroot_ dpkg -i /tmp/mlc.deb
    run -0 chroot_ dpkg --verify mlc-patched
    [ -z "$output" ]
    run -0 chroot_ mlc --version
    run -0 chroot_ container-deploy -h
    run -0 chroot_ /opt/ds01-infra/scripts/docker/mlc-create-wrapper.sh -h
    run -0 chroot_ mlc config
    says built-in
    run -0 chroot_ dpkg -r mlc-patched
    [ -f "$root/etc/ds01/mlc.ini" ]
    run -0 chroot_ dpkg -P mlc-patched
    files | diff "$BATS_FILE_TMPDIR/before" -
    [ ! -e "$root/opt/ds01-infra" ]
    [ ! -e "$root/etc/ds01" ]
}

@test "upgrade and removal keep an administrator's settings; a purge does not" {
    files >"$BATS_FILE_TMPDIR/before"
    run -0 chroot_ dpkg -i /tmp/old.deb
    # 0.1.0 called legacy_flow old_flow.
    sed -i 's/^#largest = all/largest = 2/; s/^#legacy_flow = yes/old_flow = build/' "$root/etc/ds01/mlc.ini"
    run -0 chroot_ dpkg -i --force-confdef --force-confold /tmp/mlc.deb
    run -0 chroot_ mlc config
    says "/etc/ds01/mlc.ini, line"
    [[ "$output" =~ images.legacy_flow\ +build ]]
    run -0 chroot_ mlc --version
    says "mlc-patched $(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$BATS_TEST_DIRNAME/../../mlc_patched/version.py")"
    [ ! -e "$root/usr/bin/mlc-gone" ]
    [ "$(find "$root/opt/ds01-infra/mlc-patched" -maxdepth 1 -type d | wc -l)" -eq 2 ]
    run -0 chroot_ dpkg -r mlc-patched
    grep -q '^largest = 2' "$root/etc/ds01/mlc.ini"
    run -0 chroot_ dpkg -P mlc-patched
    files | diff "$BATS_FILE_TMPDIR/before" -
}

@test "unchanged settings are updated" {
    run -0 chroot_ dpkg -i /tmp/old.deb
    grep -q 'older version' "$root/etc/ds01/mlc.ini"
    run -0 chroot_ dpkg -i /tmp/mlc.deb
    cmp "$BATS_TEST_DIRNAME/../../etc/mlc.ini" "$root/etc/ds01/mlc.ini"
    run -0 chroot_ dpkg -P mlc-patched
}

@test "it and make install refuse each other, and change nothing" {
    files >"$BATS_FILE_TMPDIR/before"
    for package in old mlc; do # neither may be damaged
        run -0 chroot_ dpkg -i --force-confnew "/tmp/$package.deb"
        files >"$BATS_TEST_TMPDIR/packaged"
        for arguments in install uninstall "install PREFIX=/srv/ds01 BINDIR=/usr/bin"; do
            # shellcheck disable=SC2086  # words
            run -2 make_ $arguments
            says "apt remove mlc-patched"
        done
        files | diff "$BATS_TEST_TMPDIR/packaged" -
        run -0 chroot_ dpkg --verify mlc-patched
        [ -z "$output" ]
    done
    run -0 make_ install PREFIX=/srv/ds01 BINDIR=/usr/local/bin # beside it
    run -0 make_ uninstall PREFIX=/srv/ds01 BINDIR=/usr/local/bin
    files | diff "$BATS_TEST_TMPDIR/packaged" -
    echo '# changed' >>"$root/etc/ds01/mlc.ini"
    run -0 chroot_ dpkg -r mlc-patched

    run -0 make_ install # now it may
    files >"$BATS_TEST_TMPDIR/installed"
    run -1 chroot_ dpkg -i --force-confold /tmp/mlc.deb
    says /opt/ds01-infra "make uninstall"
    run -0 chroot_ dpkg -l mlc-patched
    says "c  mlc-patched" # Conf-files, as before
    files | diff "$BATS_TEST_TMPDIR/installed" -
    run -0 chroot_ /usr/local/bin/mlc --version
    run -0 make_ install
    says already
    run -0 make_ uninstall
    run -0 chroot_ dpkg -i --force-confold /tmp/mlc.deb
    grep -qx '# changed' "$root/etc/ds01/mlc.ini"
    run -0 chroot_ dpkg -P mlc-patched
    files | diff "$BATS_FILE_TMPDIR/before" -
}
