#!/usr/bin/env bash
# Run the tests of what differs between versions of the engine on a newer one (as root): Docker 28 with
# containerd's image store, which refuses API versions below 1.44 as Docker 29 does.
#
#   tools/modern-tests.sh [JOBS]    JOBS tests at a time, on an engine each; 1 without it
#
# They are the contract suite, the image suites and the life of a container, without two that build on a second
# engine, tests marked any_engine, whose result does not depend on the engine's version, and those that repeat
# others with the classic builder, which reads an image for each line of a Dockerfile there; FULL=1 runs all.
# See tools/modern-engine.sh for the variables STORE, SUITE and MIN_API, which select another engine.
set -euo pipefail

cd "${BASH_SOURCE[0]%/*}/.."
readonly first=140 # the numbers of the engines, and of the users that the tests create
readonly jobs=${1:-1}
choice=(-m "real_engine and not any_engine" --ignore tests/engine/images/test_lock_elsewhere.py)
choice+=(-k "not [classic or test_retiring_leaves_no_image or test_an_image_from_flags")
[[ -z "${FULL:-}" ]] || choice=(-m real_engine)
export MIN_API=${MIN_API:-1.44} MLC_NO_SKIPS=1 MLC_TEST_SLOT=$first

[[ "$jobs" =~ ^[1-9]$ ]] || {
    echo "usage: tools/modern-tests.sh [JOBS]" >&2
    exit 2
}
started=()
trap 'for number in "${started[@]}"; do tools/modern-engine.sh down "$number" >/dev/null; done' EXIT
for ((number = first; number < first + jobs; number++)); do
    tools/modern-engine.sh up "$number"
    started+=("$number")
done
DOCKER_HOST=$(tools/modern-engine.sh address "$first")
export DOCKER_HOST
failed=0
tools/modern-engine.sh run .venv/bin/python -m pytest -q -n "$jobs" --dist worksteal \
    "${choice[@]}" tests/contract tests/engine/images || failed=1
tools/modern-engine.sh run .venv/bin/python -m pytest -q tests/products/test_life.py || failed=1
exit "$failed"
