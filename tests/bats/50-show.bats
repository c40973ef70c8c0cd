#!/usr/bin/env bats
# After make install, as h.baker@hertie-school.lan: from image-create to image-retire.

teardown_file() {
    load helper
    sweep
}

@test "image-create, container-deploy, container-list, container-retire --save, image-retire" {
    load helper
    run -0 as_user image-create show --base "$BASE" -y
    says "ds01-$MLC_UID/show:latest is ready"
    attach="[{\"remoteUser\":\"$MLC_ACCOUNT\"}]"
    [ "$(inspect "ds01-$MLC_UID/show:latest" '{{index .Config.Labels "devcontainer.metadata"}}')" = "$attach" ]
    run -0 as_user container-deploy show --background
    says "directly from ds01-$MLC_UID/show:latest"
    [ "$(docker exec "$(tag show)" id -un)" = "$MLC_ACCOUNT" ]
    run -0 as_user container-list
    says "[show]" show "ds01-$MLC_UID/show:latest" Up
    run -0 as_user container-retire show --save kept -y
    says "ds01-$MLC_UID/show:kept"
    [ "$(inspect "ds01-$MLC_UID/show:kept" '{{index .Config.Labels "devcontainer.metadata"}}')" = \
        "$attach" ]
    run -0 as_user image-list
    says show
    run -0 as_user image-retire show show:kept -y
    [ -z "$(docker images -q "ds01-$MLC_UID/show")" ]
    [ -f "$MLC_HOME/dockerfiles/show.Dockerfile" ]
}
