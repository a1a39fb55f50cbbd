# What a developer and CI run. `make` alone lists it. POSIX sh and GNU make >= 3.81.

VENV := .venv
PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test check answers truth worlds bench format lint types lock clean $(VENV)

help: ## this list
	@grep -E '^[.a-z]+:.*## ' Makefile | sed -E 's/^([.a-z]+):.*## /\1|/' | \
	  while IFS='|' read -r target sentence; do printf '  make %-8s %s\n' "$$target" "$$sentence"; done

# Ctrl-C reaches the demo, which stops by itself; this shell and make only wait for it.
demo: $(INSTALLED) ## simulated exchanges through the whole service; Ctrl-C ends it
	@trap : INT; $(VENV)/bin/treadmill demo $(ARGS) || [ $$? -eq 130 ]

test: $(INSTALLED) ## every test; ARGS="-k cascade" narrows it
	@$(PY) -m pytest $(ARGS)

check: lint types test ## all that CI asks

answers: $(INSTALLED) ## recorded messages against their answer key; ARGS="--shared FOLDER"
	@$(PY) -m tests.answers $(ARGS)

truth: $(INSTALLED) ## ground truths, measured anew: streams/TRUTH.md; ARGS="13 15" for rows
	@$(PY) -m tests.truth $(ARGS)

worlds: $(INSTALLED) ## markets whose truth is known: how well each number recovers it; ARGS="--seeds 3"
	@$(PY) -m tests.worlds $(ARGS)

bench: $(INSTALLED) ## measured costs, as a table
	@$(PY) -m tests.benchmarks $(ARGS)

format: $(INSTALLED) ## rewrite the sources as the formatter wants them
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix --quiet .

lint: $(INSTALLED) ## rules and formatting
	@$(PY) -m ruff check --quiet .
	@$(PY) -m ruff format --check --quiet . || { \
	  echo "formatting differs: make format"; exit 1; }

types: $(INSTALLED) ## mypy, strict
	@$(PY) -m mypy

lock: ## rewrite requirements.lock from pyproject.toml; ARGS=--upgrade moves the pins
	@command -v uv >/dev/null || { echo "uv is missing: pip install uv"; exit 1; }
	@uv pip compile pyproject.toml --extra dev --universal --generate-hashes --python-version 3.11 \
	  --no-header --quiet $(ARGS) -o requirements.lock

clean: ## forget everything that was built or cached
	@rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV): $(INSTALLED) ## the environment with everything, hash-checked; the others need it and make it

# numba supports the Pythons named here; the first that has venv and pip makes the environment.
$(INSTALLED): requirements.lock pyproject.toml
	@set -e; python=; seen=; \
	for candidate in python3 python3.14 python3.13 python3.12 python3.11; do \
	  "$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' \
	    2>/dev/null || continue; \
	  seen=$$candidate; \
	  "$$candidate" -c 'import ensurepip, venv' 2>/dev/null || continue; \
	  python=$$candidate; break; \
	done; \
	if [ -z "$$seen" ]; then \
	  echo "no Python 3.11 to 3.14 found: install one, on Debian or Ubuntu apt-get install python3 python3-venv" >&2; \
	  exit 1; \
	elif [ -z "$$python" ]; then \
	  echo "$$seen lacks the venv module: on Debian or Ubuntu apt-get install python3-venv" >&2; exit 1; \
	fi; \
	echo "environment: $$("$$python" -V) in $(VENV)"; \
	rm -rf $(VENV); "$$python" -m venv $(VENV); \
	pip="$(PY) -m pip --disable-pip-version-check --no-input"; \
	echo "environment: installing $$(grep -c '^[a-z].*==' requirements.lock) locked packages, a minute or two"; \
	$$pip install --quiet --progress-bar off --require-hashes -r requirements.lock; \
	$$pip install --quiet --no-deps --no-build-isolation -e .; \
	echo "environment: compiling the kernels for this machine, some two minutes"; \
	$(PY) -m service.kernels; \
	touch $@; echo "environment: ready"
