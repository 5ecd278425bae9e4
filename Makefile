# Each target sets up all it needs in .venv; a second run starts at once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
DEMO := src/posedistill/assets/demo
# Tests at a time.
JOBS ?= 2
export OMP_NUM_THREADS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test test-web check distil docs clean

help:
	@echo "make demo    install the base package and find the people in the bundled photos"
	@echo "make distil  distil a tiny model from a teacher on drawn people, and watch it"
	@echo "make test    run the tests"
	@echo "make test-web  install Chromium (Debian) and run the tests of the web page in it"
	@echo "make docs    build the pages of docs/ into site/"
	@echo "make check   run the linters, the type checker, the import contracts and the tests"
	@echo "make clean   remove what the targets above have made"

demo: $(VENV)/base.stamp
	$(BIN)/posedistill predict $(DEMO) --out demo-output

test: $(VENV)/full.stamp
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal -m "not network and not browser"

check: $(VENV)/full.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict src tests benchmarks
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal -m "not network and not browser"

test-web: $(VENV)/web.stamp
	$(BIN)/python -m pytest -q -m browser tests/browser

# The variable silences a notice of the theme about a version that is to come.
docs: $(VENV)/docs.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "the pages begin at site/index.html"

distil: $(VENV)/full.stamp
	$(BIN)/python examples/distil_drawn.py

clean:
	rm -rf $(VENV) site demo-output distil-output .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(VENV)/created.stamp:
	@$(PYTHON) -c "import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))" || \
	  { echo "posedistill needs Python 3.10 to 3.13, $(PYTHON) is another; try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# The base package alone: no torch.
$(VENV)/base.stamp: pyproject.toml $(VENV)/created.stamp
	@echo "installing posedistill into $(VENV)"
	$(PIP) -e .
	@touch $@

$(VENV)/full.stamp: pyproject.toml constraints.txt $(VENV)/created.stamp
	@echo "installing posedistill with its training half and tools into $(VENV) (torch takes a while)"
	$(PIP) -c constraints.txt -e ".[train,evaluate,synth,dev]"
	@touch $@ $(VENV)/base.stamp

$(VENV)/docs.stamp: pyproject.toml $(VENV)/created.stamp
	$(PIP) -e ".[docs]"
	@touch $@

# The driver of the browser, and the browser where there is none.
$(VENV)/web.stamp: $(VENV)/full.stamp
	$(PIP) -c constraints.txt "playwright>=1.45"
	@command -v chromium >/dev/null || { \
	  echo "installing Chromium"; SUDO=; test "$$(id -u)" = 0 || SUDO=sudo; \
	  $$SUDO apt-get -qq update && $$SUDO apt-get -qq install -y --no-install-recommends chromium; }
	@touch $@
