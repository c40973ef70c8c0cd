#!/usr/bin/env bash
# Print the path of a Python, 3.10 or newer and able to make virtual environments, that every user of
# this machine can run: mlc has many users, and root's own Python (such as pyenv's under /root) would
# work for root only. As root, installs Debian's if there is none.
set -euo pipefail

readonly about='import sys, ensurepip, venv
sys.version_info >= (3, 10) or sys.exit(1)
print(sys.executable)
print(sys.base_prefix)'

for_everyone() { # other users can search every directory of the path
    local path
    path=$(realpath "$1")
    while [[ "$path" != / ]]; do
        (($(stat -c '0%a' "$path") & 1)) || return 1
        path=$(dirname "$path")
    done
}

find_python() {
    local name
    local -a answer
    for name in python3 /usr/bin/python3 /usr/local/bin/python3 python3.{14,13,12,11,10}; do
        mapfile -t answer < <("$name" -c "$about" 2>/dev/null)
        if [[ ${#answer[@]} -eq 2 ]] && for_everyone "${answer[0]}" && for_everyone "${answer[1]}"; then
            echo "${answer[0]}"
            return
        fi
    done
    return 1
}

find_python && exit
"${BASH_SOURCE[0]%/*}/apt-install.sh" python3 python3-venv
find_python && exit
echo "python: no Python 3.10 or newer that every user may run; install one with its venv module" >&2
exit 1
