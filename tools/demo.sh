#!/usr/bin/env bash
# Show the main job on this machine, as an ordinary user made for it: the legacy flow, the labelled
# image, the container made from it, and how long both took. Everything it makes is removed at the
# end; nothing else is changed.
set -euo pipefail
cd "${BASH_SOURCE[0]%/*}/.."

# shellcheck source=tools/demo-user.sh
source tools/demo-user.sh

# Run a command as the user, and set `seconds` to the time it took.
timed() {
    local begin=$EPOCHREALTIME
    as_user "$@"
    seconds=$(((${EPOCHREALTIME//[.,]/} - ${begin//[.,]/}) / 1000))
    seconds=$(printf '%d.%03d' $((seconds / 1000)) $((seconds % 1000)))
}

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
# Others may be using the engine: whatever is made of the user's image has its label.
users_images=(docker images -aq --filter "label=aime.mlc.DS01_USER_ID=$uid")
before=$("${users_images[@]}" | sort)
timed mlc create fast --image "ds01-$uid/demo:latest" -g none -s
fast=$seconds
if [[ $("${users_images[@]}" | sort) != "$before" ]]; then
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
