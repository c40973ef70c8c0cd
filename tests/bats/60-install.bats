#!/usr/bin/env bats
# shellcheck disable=SC2016 # another shell expands the text in single quotes
# make install and make uninstall.

setup() {
    load helper
    source=$BATS_TEST_DIRNAME/../..
    root="$BATS_TEST_TMPDIR/a 'b' c"
    home=$root/opt/ds01-infra/mlc-patched
}

make_() { # run a target in the test's root
    make -s -C "$source" "$@" DESTDIR="$root"
}

installed() { # have what make install makes, which is done once for all tests
    mkdir "$root"
    cp -a "$MLC_ROOT/." "$root"
}

listing() {
    find "$root" -printf '%P %y %m %T@ %l\n' | LC_ALL=C sort
}

@test "installing twice changes nothing, and the installed Python imports the program" {
    installed
    run -0 env -C / "$home/current/.venv/bin/python" -c 'import mlc_patched.api, username_utils; import os; print(os.path.realpath(mlc_patched.__file__))'
    says "$(readlink -f "$home/current")/mlc_patched"
    [ -f "$home/current/docs/cluster.md" ]
    listing >"$BATS_TEST_TMPDIR/before"
    run -0 make_ install
    says "already"
    listing | diff "$BATS_TEST_TMPDIR/before" -
}

@test "a site's own scripts are replaced only with REPLACE=yes, and stay with KEEP=yes" {
    local scripts=$root/opt/ds01-infra/scripts
    mkdir -p "$scripts"/{user,docker}
    echo 'site wrapper' >"$scripts/docker/mlc-create-wrapper.sh"
    ln -s ../own "$scripts/user/container-create"
    listing >"$BATS_TEST_TMPDIR/before"
    run -2 make_ install
    says "$scripts/docker/mlc-create-wrapper.sh" "$scripts/user/container-create" REPLACE=yes KEEP=yes
    listing | diff "$BATS_TEST_TMPDIR/before" -
    run -0 make_ install KEEP=yes
    says docker/mlc-create-wrapper.sh user/container-create
    grep -q 'site wrapper' "$scripts/docker/mlc-create-wrapper.sh"
    [ "$(readlink "$scripts/user/container-create")" = ../own ]
    [ -x "$home/current/bin/docker/mlc-create-wrapper.sh" ]
    "$scripts/docker/mlc-patched.py" --version
    run -0 make_ install # an upgrade remembers the answer
    grep -q 'site wrapper' "$scripts/docker/mlc-create-wrapper.sh"
    echo 'site program' >"$scripts/user/image-list.new"
    mv "$scripts/user/image-list.new" "$scripts/user/image-list"
    run -2 make_ install # another one has come
    says user/image-list
    run -0 make_ install REPLACE=yes
    [ -L "$scripts/docker/mlc-create-wrapper.sh" ]
    [ "$(cat "$scripts/docker/mlc-create-wrapper.sh.before-mlc-patched")" = 'site wrapper' ]
    "$scripts/docker/mlc-create-wrapper.sh" | grep -q usage
    run -0 make_ install
    make_ uninstall
    [ "$(cat "$scripts/docker/mlc-create-wrapper.sh")" = 'site wrapper' ]
    [ "$(readlink "$scripts/user/container-create")" = ../own ]
    [ "$(cat "$scripts/user/image-list")" = 'site program' ]
}

@test "uninstall leaves other files, and restores replaced ones" {
    mkdir -p "$root"/opt/ds01-infra/scripts/user "$root/usr/local/bin" "$root/home/u/dockerfiles"
    echo own >"$root/opt/ds01-infra/scripts/user/own-script"
    echo former >"$root/opt/ds01-infra/scripts/user/image-create"
    echo aime >"$root/usr/local/bin/mlc"
    echo FROM >"$root/home/u/dockerfiles/x.Dockerfile"
    find "$root" -type f -exec md5sum {} + | LC_ALL=C sort >"$BATS_TEST_TMPDIR/before"
    make_ install REPLACE=yes
    "$root/usr/local/bin/mlc" --version
    make_ uninstall
    find "$root" -type f -exec md5sum {} + | LC_ALL=C sort | diff "$BATS_TEST_TMPDIR/before" -
    [ -z "$(find "$root" -type l)" ]
    run ! make_ uninstall
}

@test "an administrator's settings survive an upgrade and an uninstall" {
    installed
    cmp "$source/etc/mlc.ini" "$root/etc/ds01/mlc.ini"
    printf '[gpus]\nlargest = 1\n' >"$root/etc/ds01/mlc.ini"
    make_ install
    grep -q 'largest = 1' "$root/etc/ds01/mlc.ini"
    run -0 make_ uninstall
    says "kept"
    grep -q 'largest = 1' "$root/etc/ds01/mlc.ini"
}

@test "an older version is replaced completely" {
    local old
    installed
    old=$(readlink "$home/current")
    # Pretend that the installed version is another one: other name and content, one more command.
    mv "$home/$old" "$home/0.0.9-older"
    ln -sfn 0.0.9-older "$home/current"
    echo '#!/bin/sh' >"$home/0.0.9-older/bin/user/container-gone"
    touch "$home/0.0.9-older/mlc_patched/no_more.py"
    ln -s ../../mlc-patched/current/bin/user/container-gone "$root/opt/ds01-infra/scripts/user/container-gone"
    printf '%s\t%s\n' /opt/ds01-infra/scripts/user/container-gone \
        /opt/ds01-infra/mlc-patched/current/bin/user/container-gone >>"$home/links"
    make_ install
    [ "$(readlink "$home/current")" = "$old" ]
    [ ! -e "$home/current/mlc_patched/no_more.py" ]
    [ ! -L "$root/opt/ds01-infra/scripts/user/container-gone" ]
    "$root/usr/local/bin/container-list" -h
}

@test "an interrupted installation leaves the previous one complete" {
    local next="$BATS_TEST_TMPDIR/next" installing
    installed
    listing | grep -v '/\.staging\|mlc-patched d ' >"$BATS_TEST_TMPDIR/before"
    mkdir "$next"
    cp -r "$source"/{bin,docs,lib,mlc_patched,etc,tools,LICENSE,requirements.lock} "$next"
    ln -s "$(cd "$source" && pwd)/.venv" "$next/.venv"
    sed -i 's/^__version__ = .*/__version__ = "9.9"/' "$next/mlc_patched/version.py"
    DESTDIR=$root setsid "$next/tools/install.sh" install &
    installing=$!
    until compgen -G "$home/.staging.*/*/.venv/lib/*/site-packages" >/dev/null; do
        kill -0 "$installing" # or the installation failed
        sleep 0.02
    done
    kill -KILL -- "-$installing"
    wait "$installing" || true
    compgen -G "$home/.staging.*" >/dev/null
    listing | grep -v '/\.staging\|mlc-patched d ' | diff "$BATS_TEST_TMPDIR/before" -
    "$root/usr/local/bin/mlc" --version
    DESTDIR=$root "$next/tools/install.sh" install
    "$root/usr/local/bin/mlc" --version | grep 9.9
    run ! compgen -G "$home/.staging.*"
}

@test "another PREFIX and BINDIR" {
    make_ install PREFIX=/srv/ds01 BINDIR=/usr/bin
    [ ! -e "$root/opt" ]
    "$root/usr/bin/container-deploy" -h
    "$root/srv/ds01/scripts/docker/mlc-create-wrapper.sh" -h
    make_ uninstall PREFIX=/srv/ds01 BINDIR=/usr/bin
    [ -z "$(find "$root" ! -type d)" ]
}

@test "settings stay until the last PREFIX is uninstalled" {
    local settings=$root/etc/ds01/mlc.ini
    installed
    make_ install PREFIX=/srv/ds01 BINDIR=/srv/bin
    make_ install
    run -0 make_ uninstall
    says "kept $settings" /srv/ds01
    cmp "$source/etc/mlc.ini" "$settings"
    make_ install
    run -0 make_ uninstall PREFIX=/srv/ds01 BINDIR=/srv/bin
    says "kept $settings" /opt/ds01-infra
    make_ install PREFIX=/srv/ds01 BINDIR=/srv/bin
    rm -rf "${home:?}" # not by make uninstall
    make_ uninstall PREFIX=/srv/ds01 BINDIR=/srv/bin
    [ ! -e "$root/etc/ds01" ]
}

@test "settings that were there before, such as a package's, stay" {
    install -D -m 644 "$source/etc/mlc.ini" "$root/etc/ds01/mlc.ini"
    make_ install
    run -0 make_ uninstall
    says "kept $root/etc/ds01/mlc.ini"
    [ "$(ls -A "$root/etc/ds01")" = mlc.ini ]
}

@test "nothing outside DESTDIR is changed, and the tree does not contain DESTDIR's path" {
    # In a mount namespace where they are read-only, as other tests may write there at the same time.
    unshare -m bash -ec '
        for place in /opt /etc /usr /srv /home; do
            mount --bind "$place" "$place"
            mount -o remount,bind,ro "$place"
        done
        if touch /etc/mlc-test-probe 2>/dev/null; then exit 1; fi
        make -s -C "$1" install DESTDIR="$2"
    ' - "$source" "$root"
    run ! grep -rqF -- "$root" "$root"
}

@test "the manifest for doctor matches the tree" {
    (cd "$MLC_ROOT/opt/ds01-infra/mlc-patched/current" && sha256sum --quiet -c MANIFEST.sha256)
}

@test "groff accepts the manual pages" {
    command -v groff >/dev/null || skip "no groff"
    local page
    for page in "$MLC_ROOT"/usr/local/share/man/man1/*.1.gz; do
        run -0 bash -c 'gzip -dc "$1" | groff -man -Tutf8 -ww -z 2>&1' - "$page"
        [ -z "$output" ]
    done
}
