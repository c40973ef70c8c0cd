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
for tool in bash awk getent groupadd groupmod pwconv useradd; do
    command -v "$tool" >/dev/null || fail "this image has no $tool; use a Debian or Ubuntu base"
done
# Install missing programs, and clean up after apt.
missing=''
for tool in ${DS01_TOOLS:-sudo}; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
if [ -n "$missing" ]; then
    command -v apt-get >/dev/null || fail "this image lacks$missing and has no apt-get to install it"
    case "$missing" in *git*) missing="$missing ca-certificates" ;; esac
    echo "account set-up: installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq || fail "apt-get update failed: can the image reach its package source?"
    # shellcheck disable=SC2086
    apt-get install -qq -y --no-install-recommends $missing >/dev/null || fail "apt-get could not install$missing"
    apt-get clean
    rm -rf /var/lib/apt/lists/*
fi
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
# Sudo without a password; the file is checked.
mkdir -p /etc/sudoers.d
rm -f /etc/sudoers.d/ds01-user
(
    umask 0227
    printf '%s ALL=(ALL:ALL) NOPASSWD: ALL\n' "$name" >/etc/sudoers.d/ds01-user
)
visudo -c -q -f /etc/sudoers.d/ds01-user || fail "the sudoers file is not valid"
# With a high UID, as of LDAP, these are sparse files of hundreds of gigabytes; a commit writes
# them out in full.
for log in /var/log/lastlog /var/log/faillog /var/log/tallylog; do
    if [ -s "$log" ]; then : >"$log"; fi
done
[ "$(id -u "$name"):$(id -g "$name")" = "$uid:$gid" ] || fail "the account is $(id "$name")"
echo "account set-up: $(id "$name")"
