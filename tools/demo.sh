#!/usr/bin/env bash
# Show the main job on this machine, as an ordinary user made for it: the legacy flow, the labelled
# image, the container made from it, and how long both took. Everything it makes is removed at the
# end; nothing else is changed.
set -euo pipefail
cd "${BASH_SOURCE[0]%/*}/.."

# Like most catalog images, this one has neither sudo nor git.
base=mlc-test/bare:bookworm
login=mlc-demo-$$
parent=$(mktemp -d /var/tmp/mlc-demo.XXXXXX)
home=$parent/$login
tree=$PWD

say() { printf '\n\033[1m%s\033[0m\n' "$*" | if [[ -t 1 && -z ${NO_COLOR:-} ]]; then cat; else sed 's/\x1b\[[0-9]*m//g'; fi; }

cleanup() {
    local status=$? name
    say "Cleaning up: the demo's containers, images and user"
    for name in fast old; do
        docker rm -f "$name._.$uid" >/dev/null 2>&1 || true
    done
    docker rmi "ds01-$uid/demo:latest" "${base%:*}:old._.$uid" >/dev/null 2>&1 || true
    userdel "$login" 2>/dev/null || true
    rm -rf "$parent"
    ((status == 0)) || echo "The demo failed (exit status $status)." >&2
}

# Print a command, and run it as the user, with a clean environment and no terminal.
as_user() {
    printf '$ %s\n' "$*"
    (cd "$home" && setpriv --reuid="$uid" --regid="$gid" --init-groups env -i \
        HOME="$home" PATH="$tree/bin:$tree/bin/user:/usr/local/bin:/usr/bin:/bin" LANG=C.UTF-8 \
        MLC_CATALOG="$parent/ml_images.repo" MLC_ARCH=CUDA_ADA "$@")
}

# The same, and set `seconds` to the time it took.
timed() {
    local begin=$EPOCHREALTIME
    as_user "$@"
    seconds=$(((${EPOCHREALTIME//[.,]/} - ${begin//[.,]/}) / 1000))
    seconds=$(printf '%d.%03d' $((seconds / 1000)) $((seconds % 1000)))
}

if ((EUID != 0)); then
    echo "make demo creates a user and may install an engine: run it as root." >&2
    exit 1
fi
uid=4200
while getent passwd "$uid" >/dev/null || docker ps -a --format '{{.Names}}' | grep -q "\._\.$uid\$"; do
    uid=$((uid + 1))
done
trap cleanup EXIT
useradd --badname --no-log-init -m -d "$home" -u "$uid" -U -G docker -s /bin/bash "$login"
gid=$(id -g "$login")
chmod 755 "$parent"
echo "Pytorch, 2.8.0, [CUDA_ADA], $base" >"$parent/ml_images.repo"
if ! setpriv --reuid="$uid" --regid="$gid" --clear-groups "$tree/bin/mlc" --version >/dev/null 2>&1; then
    cp -a bin lib mlc_patched .venv "$parent/"
    chmod -R a+rX "$parent"
    tree=$parent
fi

say "$login (UID $uid) creates a container from a catalog image: the legacy flow, with set-up and commit"
timed mlc create old Pytorch 2.8.0 -g none -s
old=$seconds

say "The same user builds an image, once: it contains the account, and its labels say so"
as_user image-create demo --base "$base" -y 2>"$parent/build.log" || {
    cat "$parent/build.log" >&2
    exit 1
}
docker image inspect --format '{{range $k, $v := .Config.Labels}}{{$k}}={{$v}}{{println}}{{end}}' \
    "ds01-$uid/demo:latest" | grep -E 'HAS_USER_SETUP|USER_ID|GROUP_ID|USERNAME'

say "A container from the labelled image: one engine call, no set-up, no commit, no new image"
before=$(docker images -aq | sort)
timed mlc create fast --image "ds01-$uid/demo:latest" -g none -s
fast=$seconds
if [[ $(docker images -aq | sort) != "$before" ]]; then
    echo "The create made new images." >&2
    exit 1
fi

say "Inside, the account is the user's, and files written there belong to the user outside"
as_user mlc start fast 'id; echo hello >/workspace/written-inside; sudo -n id -un'
as_user stat -c '%n: owner %U (%u), group %g' "$home/workspace/written-inside"
[[ $(stat -c %u "$home/workspace/written-inside") == "$uid" ]]
as_user mlc list
as_user mlc stop fast -s
as_user mlc remove fast -s
as_user mlc remove old -s
docker image inspect "ds01-$uid/demo:latest" >/dev/null && echo "The labelled image is still there."

say "How long each create took, on this machine, just now"
printf 'legacy flow, catalog image: %s s\nlabelled image:          %s s\n' "$old" "$fast"
echo "(The legacy flow runs for every container, and takes longer for larger images: minutes for 18 GB.)"
