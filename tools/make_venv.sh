#!/bin/sh
# Make the virtual environment $1 with the interpreter $2, or with the first Python
# that is new enough.
set -eu

venv=$1
wanted=${2:-}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

python=
for candidate in ${wanted:-python3 python3.13 python3.12 python3.11 python}; do
    if new_enough "$candidate"; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    found=$("${wanted:-python3}" --version 2>&1) || found="no ${wanted:-python3}"
    echo "napari-udvd needs Python 3.11 or newer, and here is: $found." >&2
    echo "Install one, or name the one to use: make PYTHON=/path/to/python3.12" >&2
    exit 1
fi

# Debian and Ubuntu keep what fills a virtual environment in a package of its own.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    sh "$(dirname "$0")/apt_install.sh" "python$version-venv"
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "$python cannot make virtual environments (no 'venv' with 'ensurepip')." >&2
    echo "Install its venv package, or name another: make PYTHON=/path/to/python" >&2
    exit 1
fi

"$python" -m venv --clear "$venv"
