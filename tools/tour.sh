#!/usr/bin/env bash
# Show a student's first day and a doctoral candidate's week, typed on a terminal by a program, as an
# ordinary user made for it, on a real engine: make tour. Everything it makes is removed at the end.
set -euo pipefail
cd "${BASH_SOURCE[0]%/*}/.."
# shellcheck source=tools/demo-user.sh
source tools/demo-user.sh

cd "$home"
"$tree/.venv/bin/python" "$OLDPWD/tools/tour.py" "${user[@]}"
