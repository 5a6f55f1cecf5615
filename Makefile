# What a contributor types; .ci/run types the same.

PYTHON ?= python3
BIN = .venv/bin

# pip reads no Pipfile.lock, so its packages are handed over as requirements with their hashes.
define REQUIREMENTS
import json, sys
lock = json.load(open("Pipfile.lock"))
for name, pin in {name: pin for part in sys.argv[1:] for name, pin in lock[part].items()}.items():
    marker = f" ; {pin['markers']}" if "markers" in pin else ""
    print(name + pin["version"] + marker, *(f"--hash={each}" for each in pin["hashes"]))
endef
export REQUIREMENTS

EXTRAS = kafka opower parquet postgresql prometheus_remote_write

# One line for each package: on a Raspberry Pi it takes a while.
SHELL = /bin/bash
.SHELLFLAGS = -o pipefail -c
PIP = $(BIN)/pip install --disable-pip-version-check --no-compile --no-deps
PROGRESS = | sed -un 's/^Collecting \([^ =]*\).*/    \1/p'

# Workers and the programs under test share what is compiled, also where Python is to leave none.
TESTS = env -u PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX=$(CURDIR)/.venv/bytecode \
    $(BIN)/pytest --ignore=tests/appliance -n auto --maxprocesses 4 --dist loadscope

.PHONY: demo test test-all lab check bench lock clean

demo: .venv/run
	@$(BIN)/energy-monitor demo $(ARGS)

# All but those marked slow; the last lines say how many those are.
test: .venv/ready
	@tests/install-servers
	@$(TESTS) --quick $(ARGS)

test-all: .venv/ready
	@tests/install-servers
	@$(TESTS) --durations=10 $(ARGS)

# The appliance on freshly bootstrapped Debians with real systemd; as root.
lab: .venv/ready
	@tests/install-servers
	@$(BIN)/pytest tests/appliance --durations=10 $(ARGS)

check: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m collector.cli.reference --check

bench: .venv/ready
	@$(BIN)/python -m tests.bench $(ARGS)

# The environment: packages exactly as locked, hashes checked, and this project on top. To run it,
# those of 'default' are enough.
.venv/run: Pipfile.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Python 3.11 or newer is needed; $(PYTHON) is older. Name another: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2> /dev/null || \
	    { echo "Python's venv is missing: sudo apt install python3-venv"; exit 1; }
	@echo "Setting up .venv, once …"
	@$(PYTHON) -m venv .venv
	@$(PYTHON) -c "$$REQUIREMENTS" default > .venv/run.txt
	@$(PIP) --require-hashes -r .venv/run.txt $(PROGRESS)
	@$(PIP) --no-build-isolation --editable . $(PROGRESS)
	@touch $@

.venv/ready: .venv/run
	@$(PYTHON) -c "$$REQUIREMENTS" default $(EXTRAS) develop > .venv/requirements.txt
	@$(PIP) --require-hashes -r .venv/requirements.txt $(PROGRESS)
	@touch $@

# Newest allowed versions into Pipfile.lock; it names no index, so that any mirror serves.
lock:
	$(PYTHON) -m pip install --quiet pipenv
	PIPENV_IGNORE_VIRTUALENVS=1 $(PYTHON) -m pipenv lock
	$(PYTHON) -c 'import json, pathlib; f = pathlib.Path("Pipfile.lock"); l = json.loads(f.read_text()); l["_meta"]["sources"] = []; f.write_text(json.dumps(l, indent=4) + "\n")'

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info demo-data
