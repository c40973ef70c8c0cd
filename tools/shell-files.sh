#!/usr/bin/env bash
# Print the shell files of this project, for shellcheck and shfmt.
# Not the .sh in mlc_patched/data without a #! line: they are text for Dockerfiles, which shfmt would
# wrap.
set -euo pipefail
shopt -s globstar nullglob

is_shell() {
    [[ "$1" == *.sh && "$1" != mlc_patched/data/* || "$1" == *.ba[ts][sh] ]] ||
        head -n 1 "$1" | grep -qaE '^#!.*[/ ](ba)?sh( |$)'
}

cd "${BASH_SOURCE[0]%/*}/.."
for file in bin/** lib/** tools/** .ci/* tests/bats/** tests/hosts/** mlc_patched/data/**; do
    if [[ -f "$file" ]] && is_shell "$file"; then
        echo "$file"
    fi
done
