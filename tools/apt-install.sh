#!/usr/bin/env bash
# Install Debian or Ubuntu packages: tools/apt-install.sh [--not-started] PACKAGE…
# With --not-started their services are not started (unless a policy exists already).
# Callers first check whether anything is missing.
set -euo pipefail

die() {
    echo "apt-install: $*" >&2
    exit 1
}

readonly policy=/usr/sbin/policy-rc.d
not_started=
if [[ "${1:-}" == --not-started ]]; then
    not_started=yes
    shift
fi
command -v apt-get >/dev/null || die "missing: $*; there is no apt-get, so install it another way"
((EUID == 0)) || die "missing: $*; only root can install it: sudo $0 $*"
echo "apt-install: installing $*" >&2
if [[ -n "$not_started" && ! -e "$policy" ]]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
exec 7>/run/lock/mlc-patched-apt # apt itself does not wait for another one
flock 7
if ! output=$( (apt-get update -qq && apt-get install -qq -y --no-install-recommends "$@") 2>&1 </dev/null 7>&-); then
    echo "$output" >&2
    die "apt-get could not install $*"
fi
