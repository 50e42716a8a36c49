# `make demo` and `make test` do all set-up themselves, in a virtual environment of
# their own; they need Python 3.11 or newer and make. Choose the interpreter with
# `make demo PYTHON=python3.12`; start afresh with `make clean`.

VENV := .venv
BIN := $(VENV)/bin
# Environments of their own, for what is at odds with the pinned versions.
ENGINES := .venv-engines
LOWEST := .venv-lowest
NEWEST := .venv-newest
PIP := $(BIN)/python -m pip --disable-pip-version-check
PYTHON ?=
PYTEST_ARGS ?=
GPU_ARGS ?=
SAMPLE ?= nuclei

# Packages may be large and lines slow.
PIP_DEFAULT_TIMEOUT ?= 120
PIP_RETRIES ?= 10
export PIP_DEFAULT_TIMEOUT PIP_RETRIES

# A process that dies (the software renderer may crash) ends the run: else the others
# would wait for it. What measures time runs by itself, after all others; either may
# have nothing to do where PYTEST_ARGS chooses (exit code 5).
PYTEST = $(BIN)/python -m pytest
OR_NONE = || test $$? -eq 5

# What napari's viewer needs of a Debian or Ubuntu system, and what stands in for a
# screen.
QT_LIBRARIES := libdbus-1-3 libegl1 libfontconfig1 libgl1 libglib2.0-0 \
	libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 \
	libxcb-render-util0 libxcb-shape0 libxcb-xkb1 libxkbcommon-x11-0
NO_SCREEN := xauth xvfb

# The environment is the one made here, whatever the shell has set.
unexport PYTHONHOME PYTHONPATH

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help app demo test gpu bench-smoke docs screenshots architecture \
	lint format constraints engines bounds-lowest bounds-newest release clean

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' Makefile

app: $(VENV)/.app ## open napari with the plugin and a movie: SAMPLE=nuclei, calcium, lattice
	@sh tools/apt_install.sh $(QT_LIBRARIES)
	$(BIN)/python tools/app.py $(SAMPLE)

demo: $(VENV)/.demo ## denoise a simulated movie, with pictures and numbers in ./demo
	$(BIN)/napari-udvd demo --overwrite

test: $(VENV)/.test ## run the tests; more options in PYTEST_ARGS="-k stack -x"
	@sh tools/apt_install.sh $(NO_SCREEN) $(QT_LIBRARIES)
	$(PYTEST) --alone=later --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --max-worker-restart 0 $(PYTEST_ARGS) $(OR_NONE)
	$(PYTEST) --alone=now $(PYTEST_ARGS) $(OR_NONE)

# Nothing is installed: a machine with a card has its own PyTorch for it.
gpu: ## measure a CUDA device in eight minutes, results in ./gpu; options in GPU_ARGS
	$(or $(PYTHON),python3) benchmarks/gpu.py $(GPU_ARGS)

bench-smoke: $(VENV)/.test ## run every benchmark small, in minutes: does each still work?
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.smoke

docs: $(VENV)/.docs ## write the documentation to ./site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

screenshots: $(VENV)/.app ## take those of the documentation again, from the running plugin
	@sh tools/apt_install.sh $(NO_SCREEN) $(QT_LIBRARIES)
	xvfb-run -a -s "-screen 0 1600x1200x24" \
		$(BIN)/python tools/screenshots.py docs/images

architecture: $(VENV)/.dev ## write the structure of the code into docs/architecture.md, and draw it
	$(BIN)/python tools/architecture.py

lint: $(VENV)/.dev ## check style, types and which module may import which
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.dev ## put the code into the project's style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

constraints: $(VENV)/.dev ## write the versions that .venv has to constraints.txt
	$(PIP) install --quiet -c constraints.txt -e ".[all,zoo]" --group dev --group docs
	$(BIN)/python tools/freeze.py constraints.txt

engines: $(ENGINES)/.installed ## check engines/ with the tools of the engines: Snakemake, nf-core, ...
	$(ENGINES)/bin/python -m pytest tests/engines tests/zoo $(PYTEST_ARGS)

# Which tests: PYTEST_ARGS="-k stack"; by default all.
bounds-lowest: ## run the tests with the lowest versions that pyproject.toml allows
	@sh tools/apt_install.sh $(NO_SCREEN) $(QT_LIBRARIES)
	sh tools/bounds.sh lowest $(LOWEST) $(PYTHON)
	$(LOWEST)/bin/python -m pytest $(PYTEST_ARGS)

bounds-newest: ## run the tests with the newest versions that there are
	@sh tools/apt_install.sh $(NO_SCREEN) $(QT_LIBRARIES)
	sh tools/bounds.sh newest $(NEWEST) $(PYTHON)
	$(NEWEST)/bin/python -m pytest $(PYTEST_ARGS)

release: $(VENV)/.dev ## build what is published into ./dist, and check what is in it
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/python tools/check_dist.py dist

clean: ## remove the environment, caches and what the demo wrote
	rm -rf $(VENV) $(ENGINES) $(LOWEST) $(NEWEST) demo dist gpu site .coverage .hypothesis .import_linter_cache \
		.mypy_cache .pytest_cache .ruff_cache
	find benchmarks src tests tools -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# Tools of engines pin what they like; PyTorch alone is that of constraints.txt.
$(ENGINES)/.installed: pyproject.toml constraints.txt
	@sh tools/make_venv.sh $(ENGINES) $(PYTHON)
	$(ENGINES)/bin/python -m pip install --quiet "pip>=25.1"
	$(ENGINES)/bin/python -m pip install --quiet "$$(grep '^torch==' constraints.txt)" \
		-e ".[all,zoo]" --group engines
	@touch $@

# Stamp files: an environment is installed again only when its inputs change.
$(VENV)/bin/python:
	@sh tools/make_venv.sh $(VENV) $(PYTHON)

# Groups of packages (`--group`) are known to pip from 25.1 on; an environment begins
# with the pip that its Python came with.
$(VENV)/.pip: | $(VENV)/bin/python
	$(PIP) install --quiet "pip>=25.1"
	@touch $@

# Torch goes first and alone, by its exact version: that is how pip takes a CPU build
# that a machine keeps for it (a wheel in PIP_FIND_LINKS, another PIP_EXTRA_INDEX_URL)
# rather than the registry's, which on Linux brings gigabytes of CUDA along.
$(VENV)/.torch: constraints.txt | $(VENV)/bin/python
	$(PIP) install "$$(grep '^torch==' constraints.txt)"
	@touch $@

$(VENV)/.demo: pyproject.toml constraints.txt $(VENV)/.torch
	@echo "Installing napari-udvd (a minute, the first time)"
	$(PIP) install --quiet -c constraints.txt -e .
	@touch $@

$(VENV)/.app: pyproject.toml constraints.txt $(VENV)/.torch
	@echo "Installing napari-udvd with napari (minutes, the first time)"
	$(PIP) install --quiet -c constraints.txt -e ".[all]"
	@touch $@

$(VENV)/.docs: pyproject.toml constraints.txt $(VENV)/.torch $(VENV)/.pip
	@echo "Installing what writes the documentation (a minute, the first time)"
	$(PIP) install --quiet -c constraints.txt -e . --group docs
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt $(VENV)/.torch $(VENV)/.pip
	@echo "Installing napari-udvd with what its tests need (minutes, the first time)"
	$(PIP) install --quiet -c constraints.txt -e ".[all,zoo]" --group test
	@touch $@ $(VENV)/.app

$(VENV)/.dev: pyproject.toml constraints.txt $(VENV)/.torch $(VENV)/.pip
	@echo "Installing napari-udvd with the developers' tools (minutes, the first time)"
	$(PIP) install --quiet -c constraints.txt -e ".[all,zoo]" --group dev
	@touch $@ $(VENV)/.test $(VENV)/.app
