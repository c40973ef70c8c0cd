# Delete caches and empty logs in a container before an image is made of it.
# container-retire --save runs this as root in the container, with the user's home as $1.
# shellcheck shell=sh
set -eu
if command -v apt-get >/dev/null; then
    apt-get clean || true
    rm -rf /var/lib/apt/lists/*
fi
rm -rf /var/cache/apt/*.bin /var/cache/debconf/*-old /var/lib/dpkg/*-old
# Logs are emptied, not removed: some programs expect them to exist.
if [ -d /var/log ]; then
    find /var/log -xdev -type f \( -name '*.gz' -o -name '*.[0-9]' -o -name '*.old' \) -exec rm -f {} +
    find /var/log -xdev -type f -size +0 -exec sh -c 'for log; do : >"$log"; done' sh {} +
fi
rm -rf /root/.cache/pip "${1:-/nonexistent}/.cache/pip"
