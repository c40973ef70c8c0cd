#!/usr/bin/env bash
# Sourced by demo.sh and tour.sh: an ordinary user made for it, `as_user` to run a command as that user,
# and everything that the user made removed at the end.

# Like most catalog images, this one has neither sudo nor git.
base=mlc-test/bare:bookworm
login=mlc-demo-$$
parent=$(mktemp -d /var/tmp/mlc-demo.XXXXXX)
home=$parent/$login
tree=$PWD

say() { printf '\n\033[1m%s\033[0m\n' "$*" | if [[ -t 1 && -z ${NO_COLOR:-} ]]; then cat; else sed 's/\x1b\[[0-9]*m//g'; fi; }

remove_user() {
    local status=$?
    say "Cleaning up: the containers, images and user made for this"
    docker ps -aq --filter "name=\._\.$uid\$" | xargs -r docker rm -f >/dev/null 2>&1 || true
    docker images --format '{{.Repository}}:{{.Tag}}' "ds01-$uid/*" | xargs -r docker rmi >/dev/null 2>&1 || true
    docker images --format '{{.Repository}}:{{.Tag}}' "${base%:*}" | grep "\._\.$uid\$" |
        xargs -r docker rmi >/dev/null 2>&1 || true
    userdel "$login" 2>/dev/null || true
    rm -rf "$parent"
    ((status == 0)) || echo "Failed (exit status $status)." >&2
}

# Set `user`: the words before a command that run it as the user, in a clean environment.
set_user() {
    local trusted=/etc/ssl/certs/ca-certificates.crt
    user=(setpriv --reuid="$uid" --regid="$gid" --init-groups env -i
        HOME="$home" PATH="$tree/bin:$tree/bin/user:/usr/local/bin:/usr/bin:/bin" LANG=C.UTF-8
        MLC_CATALOG="$parent/ml_images.repo" MLC_ARCH=CUDA_ADA)
    [[ ! -e $trusted ]] || user+=(DS01_CA_CERTIFICATE="$trusted")
}

# Print a command, and run it as the user, without a terminal.
as_user() {
    printf '$ %s\n' "$*"
    (cd "$home" && "${user[@]}" "$@")
}

if ((EUID != 0)); then
    echo "This creates a user and may install an engine: run it as root." >&2
    exit 1
fi
uid=4200
while getent passwd "$uid" >/dev/null || docker ps -a --format '{{.Names}}' | grep -q "\._\.$uid\$"; do
    uid=$((uid + 1))
done
trap remove_user EXIT
useradd --badname --no-log-init -m -d "$home" -u "$uid" -U -G docker -s /bin/bash "$login"
gid=$(id -g "$login")
chmod 755 "$parent"
echo "Pytorch, 2.8.0, [CUDA_ADA], $base" >"$parent/ml_images.repo"
if ! setpriv --reuid="$uid" --regid="$gid" --clear-groups "$tree/bin/mlc" --version >/dev/null 2>&1; then
    cp -a bin lib mlc_patched .venv "$parent/"
    chmod -R a+rX "$parent"
    tree=$parent
fi
set_user
