# Two commands for everyone: `make demo` and `make test`. Every target sets up what it needs in .venv, once.

PYTHON ?= python3
OUT ?= out/demo
PYTEST_ARGS ?=
BENCH_ARGS ?=
REPRODUCE_ARGS ?= --quick
SERVE_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo serve test bench reproduce check clean

help: ## Print the targets.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.installed-demo ## Interpolate between digits and write pictures and numbers to out/demo (OUT=folder).
	@$(BIN)/latentpath demo --out "$(OUT)"
	@echo "To choose, watch, steer and film paths in the browser: make serve"

serve: $(VENV)/.installed-serve ## Open the page: choose, watch, compare and film paths (SERVE_ARGS="--port 0").
	@$(BIN)/latentpath serve $(SERVE_ARGS)

test: $(VENV)/.installed-test ## Run the tests and the examples in the docstrings (PYTEST_ARGS="-k index").
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadgroup $(PYTEST_ARGS)

bench: $(VENV)/.installed-test ## Compare the solvers: hours, or minutes with BENCH_ARGS=--quick (BENCH_ARGS=--help).
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

reproduce: $(VENV)/.installed-reproduce ## The paper's figures and claims in minutes, or all of it with REPRODUCE_ARGS=.
	@$(BIN)/latentpath reproduce $(REPRODUCE_ARGS)

check: $(VENV)/.installed-check ## Check format, style, types and layering.
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy --strict src
	@$(BIN)/lint-imports
	@$(BIN)/python scripts/style.py

clean: ## Remove everything that these targets made.
	rm -rf $(VENV) out dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed-demo: EXTRAS := viz,data
$(VENV)/.installed-serve: EXTRAS := web
$(VENV)/.installed-reproduce: EXTRAS := reproduce
$(VENV)/.installed-test: EXTRAS := data,train,web,diffusers,flows,test
$(VENV)/.installed-check: EXTRAS := data,train,web,diffusers,flows,test,dev

$(VENV)/.installed-%: $(VENV)/.created pyproject.toml constraints.lock
	@echo "Installing latentpath[$(EXTRAS)] into $(VENV): minutes the first time, seconds after."
	@$(BIN)/python -m pip install --quiet --constraint constraints.lock --editable '.[$(EXTRAS)]'
	@touch $@

$(VENV)/.created:
	@command -v "$(PYTHON)" >/dev/null 2>&1 || { \
		echo "latentpath needs Python 3.11 or newer, and '$(PYTHON)' is not there: install it, or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "latentpath needs Python 3.11 or newer, and '$(PYTHON)' is $$("$(PYTHON)" -V 2>&1): name a newer one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "'$(PYTHON)' has no venv module (on Debian and Ubuntu: apt-get install python3-venv), or name another one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -m venv --clear $(VENV)
	@touch $@
