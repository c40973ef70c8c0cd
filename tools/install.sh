#!/usr/bin/env bash
# Install or uninstall the program, for `make install` and `make uninstall`.
#
#   [DESTDIR=] [PREFIX=/opt/ds01-infra] [BINDIR=/usr/local/bin] [REPLACE=yes | KEEP=yes]
#       tools/install.sh install|uninstall
#
# The whole program is one directory, PREFIX/mlc-patched/ID, which is made under another name and
# renamed; the link `current` beside it is switched by one rename. Everything else is symbolic links
# through `current`: scripts/{user,docker,lib} as in the design document, commands in BINDIR, manual
# pages and completion. So nobody sees half an update, and other files in scripts/ stay. A file in
# the place of a link is kept as FILE.before-mlc-patched; in scripts/, where it may be the site's own
# program, only with REPLACE=yes. With KEEP=yes it stays, now and in later installations. Where the
# Debian package is, nothing is installed or uninstalled; the package refuses to replace ours, too.
set -euo pipefail
umask 022

here=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
readonly here
readonly destdir=${DESTDIR:-} prefix=${PREFIX:-/opt/ds01-infra} bindir=${BINDIR:-/usr/local/bin}
readonly share=${SHAREDIR:-${bindir%/*}/share} sysconfdir=${SYSCONFDIR:-/etc}
readonly zsh=${ZSHDIR:-$share/zsh/site-functions}
readonly home=$destdir$prefix/mlc-patched
readonly settings=$destdir$sysconfdir/ds01/mlc.ini
# The installations that share the settings; only if one of them made the file.
readonly sharing=$settings.prefixes
readonly kept=.before-mlc-patched
readonly replace=${REPLACE:-no} keep=${KEEP:-no}

die() {
    echo "install: $*" >&2
    exit 1
}

# Print the target of a link in the directory FROM to PATH. With DESTDIR it must be valid there and
# in /, so it is relative; in / itself it is absolute, as BINDIR may be reached through a link.
relative() { # relative FROM PATH
    if [[ -z "$destdir" && "$1/" != "$prefix"/* ]]; then
        echo "$2"
        return
    fi
    realpath -m -s --relative-to="$1" "$2"
}

# Print the files of the program, sorted.
sources() {
    (cd "$here" && find bin lib mlc_patched docs etc/mlc.ini LICENSE -type f \
        ! -name '*.pyc' ! -path '*.egg-info/*' | LC_ALL=C sort)
}

stage() { # stage DIRECTORY: build the whole program there
    local python version
    python=$(readlink -f "$here/.venv/bin/python")
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    mkdir -p "$1"
    sources | tar -C "$here" -T - -c | tar -C "$1" --no-same-owner -x # rights: see the end
    # A virtual environment is little more than these three files; Python's own tool would write
    # its current path, in DESTDIR, into it.
    mkdir -p "$1/.venv/bin" "$1/.venv/lib/python$version"
    ln -s "$python" "$1/.venv/bin/python"
    ln -s python "$1/.venv/bin/python3"
    printf '%s\n' "home = ${python%/*}" 'include-system-site-packages = false' >"$1/.venv/pyvenv.cfg"
    "$here/.venv/bin/python" "$here/tools/private-packages.py" "$1/.venv/lib/python$version/site-packages"
    # This Python imports the program, too: see docs/api.md.
    printf '%s\n' ../../../.. ../../../../lib >"$1/.venv/lib/python$version/site-packages/mlc-patched.pth"
    "$here/.venv/bin/python" "$here/tools/completions.py" "$1/share/completion"
    "$here/.venv/bin/python" "$here/tools/manpages.py" "$1/share/man/man1"
    gzip -9n "$1"/share/man/man1/*
    # Users cannot write bytecode here. A package does without: dpkg's scripts compile.
    [[ "${BYTECODE:-yes}" != yes ]] ||
        "$1/.venv/bin/python" -m compileall -q -j 0 --invalidation-mode unchecked-hash \
            -s "$1" -p "$prefix/mlc-patched/current" "$1/mlc_patched" "$1/lib" "$1/.venv/lib"
    (cd "$1" && find . -type f ! -name '*.pyc' ! -path './.venv/*' -printf '%P\n' | LC_ALL=C sort |
        xargs -d '\n' sha256sum) >"$1.manifest"
    mv "$1.manifest" "$1/MANIFEST.sha256"
    chmod -R u=rwX,go=rX "$1"
}

# Print the name of this version: the same sources and packages have the same name.
identity() {
    local number
    number=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$here/mlc_patched/version.py")
    (
        cd "$here"
        sources | xargs -d '\n' sha256sum
        sha256sum tools/install.sh tools/completions.py tools/manpages.py tools/commands.py
        sources | while read -r file; do [[ ! -x "$file" ]] || echo "$file"; done
        echo "$prefix"
        readlink -f .venv/bin/python
        .venv/bin/python -c 'import importlib.metadata as m
print(sorted((d.name, d.version) for d in m.distributions()))'
    ) | sha256sum | sed "s/^\(............\).*/$number-\1/"
}

# Print PLACE<tab>TARGET of every link, without DESTDIR.
links() {
    local current=$prefix/mlc-patched/current release=$1 file name
    for file in "$release"/bin/user/* "$release"/bin/docker/* "$release"/lib/*; do
        [[ -f "$file" ]] || continue
        name=${file#"$release"/}
        printf '%s\t%s\n' "$prefix/scripts/${name#bin/}" "$current/$name"
    done
    for file in "$release"/bin/mlc "$release"/bin/mlc-*; do
        printf '%s\t%s\n' "$bindir/${file##*/}" "$current/bin/${file##*/}"
    done
    for file in "$release"/bin/user/*; do
        printf '%s\t%s\n' "$bindir/${file##*/}" "$prefix/scripts/user/${file##*/}"
    done
    for file in "$release"/share/man/man1/*; do
        printf '%s\t%s\n' "$share/man/man1/${file##*/}" "$current/share/man/man1/${file##*/}"
    done
    for file in "$release"/share/completion/bash/*; do
        printf '%s\t%s\n' "$share/bash-completion/completions/${file##*/}" \
            "$current/share/completion/bash/${file##*/}"
    done
    for file in "$release"/share/completion/zsh/*; do
        printf '%s\t%s\n' "$zsh/${file##*/}" \
            "$current/share/completion/zsh/${file##*/}"
    done
}

is_ours() { # is_ours PLACE: our link, of this or an earlier version
    [[ -L "$destdir$1" && "$(readlink -- "$destdir$1")" == *mlc-patched/current/* ]]
}

# Print the files in scripts/ in the place of our links, without DESTDIR.
foreign() {
    local place
    links "$here" | cut -f 1 | LC_ALL=C sort | while read -r place; do
        if [[ "$place" != "$prefix/scripts/"* ]] || is_ours "$place"; then
            continue
        fi
        [[ ! -e "$destdir$place" && ! -L "$destdir$place" ]] || echo "$place"
    done
}

# Print the files of the site in scripts/ that stay; stop if nobody has decided that.
staying() {
    local found new
    found=$(foreign)
    [[ -n "$found" && "$replace" != yes ]] || return 0
    if [[ "$keep" != yes ]]; then
        new=$(comm -23 <(echo "$found") <(cat "$home/kept" 2>/dev/null))
        [[ -z "$new" ]] || die "these files do not belong to mlc-patched, and other programs may need them:
$(while read -r place; do echo "  $destdir$place"; done <<<"$new")
Nothing was installed. To use ours in their place, and keep them as FILE$kept: make install REPLACE=yes
To keep using them, with ours only in $prefix/mlc-patched/current/bin: make install KEEP=yes"
    fi
    echo "$found"
}

put_link() { # put_link PLACE TARGET
    local place=$destdir$1 target
    target=$(relative "${1%/*}" "$2")
    [[ ! -L "$place" || "$(readlink -- "$place")" != "$target" ]] || return 0
    [[ -d "${place%/*}" ]] || mkdir -p "${place%/*}"
    if [[ -e "$place" || -L "$place" ]] && ! is_ours "$1" && [[ "$(readlink -- "$place" || true)" != "$2" ]]; then
        [[ -f "$place" || -L "$place" ]] || die "$place is in the way, and is not a file"
        # A copy of an earlier installation that says something else gets a number.
        cmp -s -- "$place" "$place$kept" || cp -a --backup=numbered -T -- "$place" "$place$kept"
    fi
    ln -s -- "$target" "$place.new.$$"
    mv -T -- "$place.new.$$" "$place"
}

take_link() { # take_link PLACE TARGET: only our own link; restores what it replaced
    local place=$destdir$1
    [[ -L "$place" && "$(readlink -- "$place")" == "$(relative "${1%/*}" "$2")" ]] || return 0
    if [[ -e "$place$kept" || -L "$place$kept" ]]; then
        mv -T -- "$place$kept" "$place"
    else
        rm -- "$place"
        rmdir -p --ignore-fail-on-non-empty -- "${place%/*}" 2>/dev/null || true
    fi
}

use_settings() {
    mkdir -p "${settings%/*}"
    exec 8<"${settings%/*}" # an installation with another PREFIX may be at it
    flock 8
    if [[ ! -e "$settings" ]]; then
        install -m 644 "$here/etc/mlc.ini" "$settings"
        echo "$prefix" >"$sharing"
    elif [[ -e "$sharing" ]] && ! grep -qxF -- "$prefix" "$sharing"; then
        echo "$prefix" >>"$sharing"
    fi
    exec 8<&-
}

leave_settings() {
    local other others=''
    [[ -d "${settings%/*}" ]] || return 0
    exec 8<"${settings%/*}"
    flock 8
    if [[ -e "$sharing" ]]; then
        while read -r other; do
            [[ "$other" == "$prefix" || ! -e "$destdir$other/mlc-patched/current" ]] || others+=$other$'\n'
        done <"$sharing"
        if [[ -n "$others" ]]; then
            printf %s "$others" >"$sharing"
            echo "kept $settings, which is used by: ${others//$'\n'/ }"
        else
            rm "$sharing"
            if cmp -s "$settings" "$home/current/etc/mlc.ini"; then
                rm "$settings"
                rmdir --ignore-fail-on-non-empty "${settings%/*}"
            else
                echo "kept $settings, which has been changed"
            fi
        fi
    elif [[ -e "$settings" ]]; then
        echo "kept $settings, which this installation did not make"
    fi
    exec 8<&-
}

# Stop if a path belongs to the Debian package: it has the same files, so each deletes the other's.
refuse_package() { # refuse_package PATH…
    local owners
    owners=$(dpkg-query --admindir="$destdir/var/lib/dpkg" -S "$@" 2>/dev/null || true)
    [[ $'\n'"$owners" != *$'\n'mlc-patched:* ]] ||
        die "mlc-patched is installed from the Debian package; remove it first: apt remove mlc-patched"
}

install_all() {
    local id release staging former='' before wanted stay place target
    refuse_package "$prefix/mlc-patched/links" "$bindir/mlc"
    [[ -x "$here/.venv/bin/python" ]] || die "there is no .venv: run make setup first"
    stay=$(staying) || exit 1
    mkdir -p "$home"
    exec 9<"$home"
    flock 9
    rm -rf "$home"/.staging.* # left by a killed installation
    id=$(identity)
    release=$home/$id
    if [[ -d "$release" && "$(readlink "$home/current" || true)" == "$id" ]]; then
        echo "$id is already installed in $home"
    else
        staging=$(mktemp -d "$home/.staging.XXXXXX")
        # shellcheck disable=SC2064  # the current value
        trap "rm -rf '${staging//\'/\'\\\'\'}'" EXIT
        stage "$staging/$id"
        rm -rf "$release" # left over, and not current
        mv -T "$staging/$id" "$release"
        former=$(readlink "$home/current" || true)
        ln -s "$id" "$staging/current"
        mv -T "$staging/current" "$home/current"
        echo "installed $id in $home"
    fi
    wanted=$(links "$release" | while IFS=$'\t' read -r place target; do
        [[ $'\n'"$stay"$'\n' == *$'\n'"$place"$'\n'* ]] || printf '%s\t%s\n' "$place" "$target"
    done | LC_ALL=C sort)
    before=$(cat "$home/links" 2>/dev/null || true)
    if [[ "$wanted" != "$before" ]]; then
        LC_ALL=C sort -u <<<"$before${before:+$'\n'}$wanted" >"$home/links" # before the first link is made
    fi
    while IFS=$'\t' read -r place target; do put_link "$place" "$target"; done <<<"$wanted"
    if [[ -n "$before" && "$wanted" != "$before" ]]; then # commands that no longer exist
        while IFS=$'\t' read -r place target; do
            take_link "$place" "$target"
        done < <(LC_ALL=C comm -23 - <(echo "$wanted") <<<"$before")
    fi
    [[ "$wanted" == "$before" ]] || echo "$wanted" >"$home/links"
    rm -f "$home/kept"
    if [[ -n "$stay" ]]; then
        echo "$stay" >"$home/kept"
        echo "kept, as they do not belong to mlc-patched:"
        echo "$stay"
    fi
    use_settings
    if [[ -z "$destdir" ]]; then
        [[ ":$PATH:" == *":$bindir:"* ]] || echo "warning: $bindir is not on your PATH"
        echo "Next: mlc doctor"
    fi
    # Running commands continue in the previous version; older versions are removed.
    for release in "$home"/*/; do
        release=${release%/}
        case "${release##*/}" in
        current | "$id") ;;
        "$former") ;;
        *) [[ -z "$former" ]] || rm -rf "$release" ;;
        esac
    done
}

uninstall_all() {
    local place target
    refuse_package "$prefix/mlc-patched/links"
    [[ -e "$home/links" ]] || die "nothing is installed in $home"
    leave_settings
    while IFS=$'\t' read -r place target; do take_link "$place" "$target"; done <"$home/links"
    rm -rf "$home"
    rmdir --ignore-fail-on-non-empty "$destdir$prefix" 2>/dev/null || true
    echo "removed $home"
}

[[ "$prefix" == /* && "$bindir" == /* ]] || die "PREFIX and BINDIR must be absolute paths"
case "${1-}" in
install) install_all ;;
uninstall) uninstall_all ;;
*) die "usage: tools/install.sh install|uninstall" ;;
esac
