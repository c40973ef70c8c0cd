# Set up one user's account in an image. The set-up container of the legacy flow runs this script;
# joined into one RUN step, it is the account block of a Dockerfile. Environment variables or build
# arguments:
#   DS01_USER_ID, DS01_GROUP_ID, DS01_USERNAME   the account
#   DS01_TOOLS                                   programs to install if missing; default: sudo
# It is idempotent, and adds as little as possible to the image.
# shellcheck shell=sh disable=SC2016 # variables in single quotes are for .bashrc to expand
set -eu
uid="$DS01_USER_ID"
gid="$DS01_GROUP_ID"
name="$DS01_USERNAME"
fail() {
    echo "account set-up: $*" >&2
    exit 1
}
case "$uid" in '' | 0 | *[!0-9]*) fail "'$uid' is not the UID of a user" ;; esac
case "$gid" in '' | *[!0-9]*) fail "'$gid' is not a GID" ;; esac
case "$name" in '' | root | [!a-z_]* | *[!a-z0-9_-]*) fail "'$name' is not an account name" ;; esac
[ "$(id -u)" = 0 ] || fail "this step must run as root"
# With SHELL ["bash", "--login", "-c"] this shell has another PATH than the image.
given="$(sed -n 's/^\(.*\x00\)*PATH=\([^\x00]*\).*/\2/p' "/proc/$$/environ" || true)"
# An image's PATH may lack root's directories, where useradd and what apt-get runs are.
PATH="${given:-$PATH}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
for tool in bash awk getent groupadd groupmod pwconv useradd; do
    command -v "$tool" >/dev/null || fail "this image has no $tool; use a Debian or Ubuntu base"
done
if [ -L /home ] && [ ! -e /home ]; then
    fail "/home is a link to $(readlink /home), which does not exist; create it first"
fi
# Install missing programs, and clean up after apt. An image also works without the others, which
# people expect; the legacy flow, which names its tools, has them only if apt runs anyway.
missing=''
for tool in ${DS01_TOOLS:-sudo}; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
expected=''
if [ -z "${DS01_TOOLS:-}" ] || [ -n "$missing" ]; then
    [ -s /etc/ssl/certs/ca-certificates.crt ] || expected="$expected ca-certificates"
    command -v less >/dev/null || expected="$expected less"
    command -v ps >/dev/null || expected="$expected procps"
fi
if [ -n "$missing$expected" ] && command -v apt-get >/dev/null; then
    echo "account set-up: installing$missing$expected"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq || echo "apt-get update failed: can the image reach its package source?" >&2
    for packages in "$missing$expected" "$missing"; do
        # shellcheck disable=SC2086
        apt-get install -qq -y --no-install-recommends $packages >/dev/null && break
    done
    apt-get clean
    rm -rf /var/lib/apt/lists/*
fi
for tool in $missing; do
    command -v "$tool" >/dev/null || fail "this image lacks $tool, and apt-get could not install it"
done
# The group: a group with the GID gets the name; another group with the name is renamed.
if [ "$gid" != 0 ]; then
    holder="$(getent group "$gid" || true)"
    holder="${holder%%:*}"
    namesake="$(getent group "$name" || true)"
    namesake="${namesake#*:*:}"
    namesake="${namesake%%:*}"
    if [ -n "$namesake" ] && [ "$namesake" != "$gid" ]; then groupmod -n "was-$namesake" "$name"; fi
    if [ -z "$holder" ]; then
        groupadd -g "$gid" "$name"
    elif [ "$holder" != "$name" ]; then groupmod -n "$name" "$holder"; fi
fi
# Containers are created with these two groups, so they must exist in the image.
for group in sudo video; do getent group "$group" >/dev/null || groupadd -r "$group"; done
# The user: accounts with the UID or the name are replaced; their files and groups stay. userdel
# fails if /etc/passwd has two rows with one name; pwconv updates /etc/shadow.
others="$(awk -F: -v name="$name" -v uid="$uid" '$1 != name && $3 != uid' /etc/passwd)"
printf '%s\n' "$others" >/etc/passwd
pwconv
useradd --no-log-init -M -u "$uid" -g "$gid" -d "/home/$name" -s /bin/bash "$name"
# The home, with a place for pip install --user; everything in it belongs to the user.
home="/home/$name"
if [ ! -e "$home" ]; then
    mkdir -p "$home"
    if [ -d /etc/skel ]; then cp -r /etc/skel/. "$home"; fi
    chmod 0755 "$home"
fi
mkdir -p "$home/.local/bin"
touch "$home/.bashrc"
if ! grep -q '^# mlc: prompt and PATH' "$home/.bashrc"; then printf '%s\n' \
    '' '# mlc: prompt and PATH' \
    'case ":$PATH:" in *":$HOME/.local/bin:"*) ;; *) PATH="$HOME/.local/bin:$PATH" ;; esac' \
    'PS1='\''[${MLC_CONTAINER_NAME:-'"$name"'}] \u@\h:\w\$ '\' \
    >>"$home/.bashrc"; fi
find "$home" -xdev ! -uid "$uid" -exec chown -h "$uid:$gid" {} +
# Files of the image in the workspace, over which containers mount a directory of the host.
mkdir -p /workspace
find /workspace -xdev ! -uid "$uid" -exec chown -h "$uid:$gid" {} +
# The image's PATH, without an account's own part of it, which its shells add.
path=''
rest="$PATH:"
while [ -n "$rest" ]; do
    entry="${rest%%:*}"
    rest="${rest#*:}"
    case "$entry" in
    /home/*/.local/bin | *[!A-Za-z0-9_./+@~-]*) ;;
    /*) case ":$path:" in *":$entry:"*) ;; *) path="$path:$entry" ;; esac ;;
    esac
done
path="${path#:}"
# /etc/profile gives login shells another PATH; this is the first file it reads after that.
mkdir -p /etc/profile.d
printf '%s\n' \
    '# mlc: the PATH of the image' \
    "PATH=\"$path\"" \
    'grep -qs "[.]local/bin" "$HOME/.profile" || PATH="$HOME/.local/bin:$PATH"' \
    'export PATH' \
    >/etc/profile.d/00-mlc-path.sh
# Python: the user can run the one that python3 is, and install into it if it is a virtual
# environment; everywhere else pip installs into ~/.local. One that uv made has no pip.
python="$(command -v python3 || true)"
if [ -n "$python" ]; then
    for file in "$python" "$(readlink -f "$python")"; do
        while [ -n "${file%/*}" ]; do
            file="${file%/*}"
            case "$(stat -c %A "$file")" in *[xt]) ;; *) chmod o+x "$file" ;; esac
        done
    done
    bin="${python%/*}"
    if [ -e "${bin%/*}/pyvenv.cfg" ]; then
        if [ ! -e "$bin/pip" ]; then
            printf '%s\n' \
                '#!/bin/sh' \
                "python=$python" \
                'if command -v uv >/dev/null && ! $python -c "import pip" 2>/dev/null; then' \
                'UV_PYTHON=$python exec uv pip "$@"; fi' \
                'exec $python -m pip "$@"' \
                >"$bin/pip"
            chmod 0755 "$bin/pip"
            [ -e "$bin/pip3" ] || ln -s pip "$bin/pip3"
        fi
        # Directories only: a changed file would be in the image twice.
        find "${bin%/*}/" -xdev -type d ! -uid "$uid" -exec chown "$uid:$gid" {} +
    fi
fi
# Sudo without a password, for the same programs as without sudo; the file is checked.
mkdir -p /etc/sudoers.d
rm -f /etc/sudoers.d/ds01-user
(
    umask 0227
    printf '%s\n' \
        "$name ALL=(ALL:ALL) NOPASSWD: ALL" \
        "Defaults:$name secure_path=\"$path\"" \
        "Defaults:$name env_keep += \"PIP_* UV_* CONDA_* VIRTUAL_ENV SSL_CERT_FILE REQUESTS_CA_BUNDLE CURL_CA_BUNDLE *_proxy *_PROXY\"" \
        >/etc/sudoers.d/ds01-user
)
visudo -c -q -f /etc/sudoers.d/ds01-user || fail "the sudoers file is not valid"
# With a high UID, as of LDAP, these are sparse files of hundreds of gigabytes; a commit writes
# them out in full.
for log in /var/log/lastlog /var/log/faillog /var/log/tallylog; do
    if [ -s "$log" ]; then : >"$log"; fi
done
[ "$(id -u "$name"):$(id -g "$name")" = "$uid:$gid" ] || fail "the account is $(id "$name")"
echo "account set-up: $(id "$name")"
