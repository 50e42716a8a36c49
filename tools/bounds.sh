#!/bin/sh
# Make the environment $2 with the lowest or newest ($1) versions that pyproject.toml
# allows, and all that the tests need, with the interpreter $3.
#
# The lowest are those of direct dependencies: what they need themselves is as new as
# they allow. PyTorch is that of constraints.txt in both: its older releases are built
# for CUDA alone where no index of CPU builds is at hand. Tools that only run the tests
# are new in both, and zoo, whose pins hold others back, is in neither.
set -eu

which=$1
venv=$2
wanted=${3:-}

sh "$(dirname "$0")/make_venv.sh" "$venv" $wanted
"$venv/bin/python" -m pip install --quiet "pip>=25.1" uv
torch=$(grep '^torch==' constraints.txt)
# where pip looks beside its index, uv looks too
UV_FIND_LINKS=${UV_FIND_LINKS:-$("$venv/bin/python" -m pip config get :env:.find-links 2>/dev/null || true)}
export UV_FIND_LINKS

case $which in
lowest)
    "$venv/bin/uv" pip install --python "$venv/bin/python" --resolution lowest-direct \
        "$torch" -e ".[all]"
    "$venv/bin/uv" pip freeze --python "$venv/bin/python" --exclude-editable \
        > "$venv/lowest.txt"
    "$venv/bin/uv" pip install --python "$venv/bin/python" -c "$venv/lowest.txt" \
        "$torch" -e ".[all]" --group test
    ;;
newest)
    "$venv/bin/uv" pip install --python "$venv/bin/python" --upgrade \
        "$torch" -e ".[all]" --group test
    ;;
*)
    echo "expected lowest or newest, not $which" >&2
    exit 2
    ;;
esac
"$venv/bin/uv" pip freeze --python "$venv/bin/python"
