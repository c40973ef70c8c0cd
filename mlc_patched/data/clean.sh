# Take out of a container what an image of it should not hold: caches, and what is in logs.
# container-retire --save runs it as root inside, with the user's home as $1.
# shellcheck shell=sh
set -eu
if command -v apt-get >/dev/null; then
    apt-get clean || true
    rm -rf /var/lib/apt/lists/*
fi
rm -rf /var/cache/apt/*.bin /var/cache/debconf/*-old /var/lib/dpkg/*-old
# Logs are emptied, not removed: programs expect some of them to be there.
if [ -d /var/log ]; then
    find /var/log -xdev -type f \( -name '*.gz' -o -name '*.[0-9]' -o -name '*.old' \) -exec rm -f {} +
    find /var/log -xdev -type f -size +0 -exec sh -c 'for log; do : >"$log"; done' sh {} +
fi
rm -rf /root/.cache/pip "${1:-/nonexistent}/.cache/pip"
