#!/bin/sh
# Install those of the named Debian packages that are missing, where that is possible.
# Where it is not, say so and go on: whoever asked finds out whether it can do without.
set -eu

[ "$(uname -s)" = Linux ] || exit 0
if ! command -v apt-get >/dev/null; then
    echo "No apt-get here. If something is missing, install what Debian calls: $*"
    exit 0
fi

missing=
for package in "$@"; do
    # Since 2024 some are named with t64 at the end.
    dpkg-query -W -f '${db:Status-Status}\n' "$package" "${package}t64" 2>/dev/null |
        grep -qx installed || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=
elif sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    echo "Not installed, and no right to install it here:$missing"
    echo "An administrator can: apt-get install$missing"
    exit 0
fi

echo "Installing system packages:$missing"
apt="$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120"
$apt update || echo "apt-get update failed; going on with the lists that are there"
$apt install -y --no-install-recommends $missing >/dev/null ||
    echo "apt-get could not install all of:$missing"
