#!/usr/bin/env bash
# Create a container with limits, without starting it (docs/contracts.md, "Wrapper scripts").
# After a failure mlc leaves neither a container nor an image.
set -euo pipefail

usage() {
    cat <<'USAGE'
usage: mlc-create-wrapper.sh NAME [FRAMEWORK [VERSION]] [-w=DIR] [-d=DIR] [-m=DIR]
           [--image=IMAGE] [--num-gpus=N | --gpus=GPUS | --cpu-only] [--shm-size=SIZE]
           [--cgroup-parent=SLICE] [--cpus=N] [--memory=SIZE] [--pids-limit=N] [--dry-run]

Create the container NAME, from a framework of the catalog or from an image, without asking.
Without VERSION, the newest one is used; torch and tf are names of frameworks, too. Without a flag
for GPUs, the container gets one, or what the setting gpus.wrapper says. Values may also be
separate arguments: -w DIR. --prefer-full and --show-limits are accepted and have no effect.

examples:
  mlc-create-wrapper.sh thesis Pytorch 2.8.0 -w="$HOME/my thesis" --num-gpus=1
  mlc-create-wrapper.sh thesis --image=ds01-1001/thesis --cpus=8 --memory=64g --pids-limit=4096
USAGE
}

refuse() { # refuse WORD WHY: the word is quoted and cut, as it may contain control characters
    local word
    printf -v word '%q' "${1:0:60}"
    echo "mlc-create-wrapper.sh: $word $2 See: mlc-create-wrapper.sh --help" >&2
    exit 2
}

add() { # add FLAG VALUE: under the name of mlc's flag
    case "$1" in
    -w | --workspace) flags+=(--workspace_dir="$2") ;;
    -d | --data) flags+=(--data_dir="$2") ;;
    -m | --models) flags+=(--models_dir="$2") ;;
    -g | --gpu | --gpus | --num-gpus) flags+=(--num_gpus="$2") ;;
    --image | --shm-size | --cgroup-parent | --cpus | --memory | --pids-limit) flags+=("$1=$2") ;;
    *) refuse "$1" "is not a known flag." ;;
    esac
}

(($# > 0)) || {
    usage
    exit
}
self=$(readlink -f -- "${BASH_SOURCE[0]}")
words=() flags=() dry_run=''
while (($# > 0)); do
    case "$1" in
    -h | --help)
        usage
        exit
        ;;
    --dry-run) dry_run=1 ;;
    --cpu-only) flags+=("$1") ;;
    --prefer-full | --show-limits) ;; # of DS01's wrapper: which GPU, and what to print
    -*=*) add "${1%%=*}" "${1#*=}" ;;
    -*)
        add "$1" "${2-}"
        (($# > 1)) || refuse "$1" "needs a value."
        shift
        ;;
    *) words+=("$1") ;;
    esac
    shift
done
((${#words[@]} >= 1)) || refuse NAME "is missing."
((${#words[@]} <= 3)) || refuse "${words[3]}" "is one argument too many."

if ((${#words[@]} > 1)); then
    case "${words[1],,}" in
    torch) words[1]=Pytorch ;;
    tf) words[1]=Tensorflow ;;
    esac
    ((${#words[@]} > 2)) || words+=(latest)
fi
# The number of GPUs is then that of the setting gpus.wrapper, unless a flag or MLC_GPUS gives it.
export MLC_WRAPPER=1
command=("${self%/*/*}/mlc" create "${words[@]}" -s "${flags[@]}")
if [[ -n "$dry_run" ]]; then
    printf '%q ' "${command[@]}"
    echo
    exit
fi
exec "${command[@]}"
