# Set up one user's account in an image: the script of the set-up container of the legacy flow,
# and, joined into one RUN step, the account block of a Dockerfile. It reads, from the
# environment or from build arguments:
#   DS01_USER_ID, DS01_GROUP_ID, DS01_USERNAME   the account
#   DS01_TOOLS                                   programs to have; default: sudo
# It may run again on its own result, and leaves an image as small as it can.
# shellcheck shell=sh disable=SC2016 # what .bashrc is to expand stands in single quotes
set -eu
uid="$DS01_USER_ID"
gid="$DS01_GROUP_ID"
name="$DS01_USERNAME"
fail() {
    echo "account set-up: $*" >&2
    exit 1
}
case "$uid" in '' | 0 | *[!0-9]*) fail "'$uid' is no UID for a user" ;; esac
case "$gid" in '' | *[!0-9]*) fail "'$gid' is no GID" ;; esac
case "$name" in '' | root | [!a-z_]* | *[!a-z0-9_-]*) fail "'$name' is no account name" ;; esac
[ "$(id -u)" = 0 ] || fail "this step must run as root"
for tool in bash awk getent groupadd groupmod pwconv useradd; do
    command -v "$tool" >/dev/null || fail "this image has no $tool; it takes a Debian or Ubuntu base"
done
# Programs that are missing, and nothing that apt leaves behind.
missing=''
for tool in ${DS01_TOOLS:-sudo}; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
if [ -n "$missing" ]; then
    command -v apt-get >/dev/null || fail "this image lacks$missing, and has no apt-get to install it"
    case "$missing" in *git*) missing="$missing ca-certificates" ;; esac
    echo "account set-up: installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq || fail "apt-get update failed: has the image access to its package source?"
    # shellcheck disable=SC2086
    apt-get install -qq -y --no-install-recommends $missing >/dev/null || fail "apt-get could not install$missing"
    apt-get clean
    rm -rf /var/lib/apt/lists/*
fi
# The group: whoever holds the GID gives it up but keeps its files; a namesake steps aside.
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
# Containers are created with these two groups, so an image must know them.
for group in sudo video; do getent group "$group" >/dev/null || groupadd -r "$group"; done
# The user: every account with the UID or the name is replaced; its files and groups stay. Not by
# userdel, which gives up where /etc/passwd has two rows of one name; pwconv sees to /etc/shadow.
others="$(awk -F: -v name="$name" -v uid="$uid" '$1 != name && $3 != uid' /etc/passwd)"
printf '%s\n' "$others" >/etc/passwd
pwconv
useradd --no-log-init -M -u "$uid" -g "$gid" -d "/home/$name" -s /bin/bash "$name"
# The home, with a place for pip install --user, and everything in it the user's own.
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
# Sudo without a password, by a file that is checked before anything relies on it.
mkdir -p /etc/sudoers.d
rm -f /etc/sudoers.d/ds01-user
(
    umask 0227
    printf '%s ALL=(ALL:ALL) NOPASSWD: ALL\n' "$name" >/etc/sudoers.d/ds01-user
)
visudo -c -q -f /etc/sudoers.d/ds01-user || fail "the sudoers file is not valid"
# A UID of LDAP's makes these sparse files of hundreds of gigabytes; a commit writes them out.
for log in /var/log/lastlog /var/log/faillog /var/log/tallylog; do
    if [ -s "$log" ]; then : >"$log"; fi
done
[ "$(id -u "$name"):$(id -g "$name")" = "$uid:$gid" ] || fail "the account came out as $(id "$name")"
echo "account set-up: $(id "$name")"
