#!/usr/bin/env bats
# shellcheck disable=SC2016 # another shell expands the text in single quotes
# Completion in the installed tree. The times are only shown; the benchmark compares them.

setup_file() {
    load helper
    make_image
    as_user container-create bats >/dev/null 2>&1
}

teardown_file() {
    load helper
    sweep
}

setup() {
    load helper
    completions=$MLC_ROOT/usr/local/share/bash-completion/completions
}

# Complete the last word in a bash of the user; the first line of the output is the time it took.
complete_words() {
    as_user bash -c '
        . "$1"
        shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
        read -ra spec < <(complete -p "$1")
        for ((i = 0; i < ${#spec[@]}; i++)); do
            [[ ${spec[i]} != -F ]] || function=${spec[i + 1]}
        done
        began=${EPOCHREALTIME/[.,]/}
        "$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        echo $((${EPOCHREALTIME/[.,]/} - began))
        printf "%s\n" "${COMPREPLY[@]}"
    ' - "$completions/$1" "$@"
}

offers() { # offers NAME WORDS…: NAME is among the completions of WORDS
    local name=$1
    shift
    run -0 complete_words "$@"
    echo "# $* -> $((lines[0] / 1000)) ms" >&3
    printf '%s\n' "${lines[@]:1}" | grep -qxF -- "$name"
}

@test "containers" {
    offers bats mlc open b
    offers bats mlc-remove ''
    offers bats container-retire b
}

@test "contexts, and the containers of the given engine" {
    offers default mlc open --context d
    offers default container-list --context ''
    offers bats mlc open --context default b
}

@test "projects and images" {
    offers bats container-deploy b
    offers "$IMAGE" container-deploy --image ds01
    offers bats image-retire b
}

@test "frameworks and versions" {
    offers Pytorch mlc create new P
    offers 2.7.1 mlc create new Pytorch 2
    offers Tensorflow container-deploy -f T
    offers 2.16.1 container-deploy -f Tensorflow -v 2
}

@test "flags and commands" {
    offers --background container-deploy --b
    offers config mlc co
}

@test "without an engine there are no completions and no errors" {
    run -0 complete_words mlc open b
    run -0 as_user env DOCKER_HOST=unix:///there/is/none bash -c "mlc complete containers; echo over" 2>&1
    [ "$output" = over ]
}

@test "zsh loads its scripts" {
    local script
    for script in "$MLC_ROOT"/usr/local/share/zsh/site-functions/_*; do
        zsh -n "$script"
    done
    run -0 as_user zsh -f -c '
        fpath=("$1" $fpath)
        autoload -Uz compinit && compinit -u -D
        print -l ${(k)_comps[(R)_*]}' - "$MLC_ROOT/usr/local/share/zsh/site-functions"
    says container-deploy mlc image-create
}
