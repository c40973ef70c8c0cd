#!/usr/bin/env bash
# Install Debian or Ubuntu packages: tools/apt-install.sh PACKAGE…
# Its callers look first whether anything is missing.
set -euo pipefail

die() {
    echo "apt-install: $*" >&2
    exit 1
}

command -v apt-get >/dev/null || die "missing: $*; there is no apt-get here, install it by other means"
((EUID == 0)) || die "missing: $*; only root can install it: sudo $0 $*"
echo "apt-install: installing $*" >&2
export DEBIAN_FRONTEND=noninteractive
if ! output=$( (apt-get update -qq && apt-get install -qq -y --no-install-recommends "$@") 2>&1 </dev/null); then
    echo "$output" >&2
    die "apt-get could not install $*"
fi
