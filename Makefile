# What a contributor types; .ci/run types the same.

PYTHON ?= python3
BIN = .venv/bin

# pip reads no Pipfile.lock, so its packages are handed over as requirements with their hashes:
# those of the sections that are named, or after a colon some of one.
define REQUIREMENTS
import json, sys
lock = json.load(open("Pipfile.lock"))
for section, _, some in (each.partition(":") for each in sys.argv[1:]):
    for name in some.split(",") if some else lock[section]:
        pin = lock[section][name]
        marker = f" ; {pin['markers']}" if "markers" in pin else ""
        print(name + pin["version"] + marker, *(f"--hash={each}" for each in pin["hashes"]))
endef
export REQUIREMENTS

EXTRAS = apprise holidays kafka opower parquet postgresql prometheus_remote_write

# The project as a wheel that only points here: the command, the entry points, and a .pth file.
# setuptools makes the same of 'pip install --editable', and takes two seconds longer.
define WHEEL
import pathlib, re, sys, tomllib, zipfile
project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]
version = re.search(r'__version__ = "(.+)"', pathlib.Path("collector/__init__.py").read_text())[1]
groups = {"console_scripts": project["scripts"], **project["entry-points"]}
name, info = f"energy_monitor-{version}", f"energy_monitor-{version}.dist-info"
file = pathlib.Path(sys.argv[1], f"{name}-py3-none-any.whl")
with zipfile.ZipFile(file, "w") as wheel:
    wheel.writestr("energy_monitor.pth", f"{pathlib.Path.cwd()}\n")
    wheel.writestr(f"{info}/METADATA", "".join(f"{line}\n" for line in (
        "Metadata-Version: 2.1", "Name: energy-monitor", f"Version: {version}",
        *(f"Requires-Dist: {each}" for each in project["dependencies"]),
        *(f"Provides-Extra: {extra}" for extra in project["optional-dependencies"]),
        *(f'Requires-Dist: {each}; extra == "{extra}"'
            for extra, wanted in project["optional-dependencies"].items() for each in wanted))))
    wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: make\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(f"{info}/entry_points.txt", "".join(
        f"[{group}]\n" + "".join(f"{each} = {place}\n" for each, place in entries.items())
        for group, entries in groups.items()))
    wheel.writestr(f"{info}/RECORD", "")
print(file)
endef
export WHEEL

# One line for each package: on a Raspberry Pi it takes a while.
SHELL = /bin/bash
.SHELLFLAGS = -o pipefail -c
INSTALL = install --disable-pip-version-check --no-compile --no-deps
PROGRESS = | sed -un 's/^Collecting \([^ =]*\).*/    \1/p'

# Workers and the programs under test share what is compiled, also where Python is to leave none.
TESTS = env -u PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX=$(CURDIR)/.venv/bytecode \
    $(BIN)/pytest --ignore=tests/appliance -n auto --maxprocesses 4 --dist loadscope

# All that 'make demo' imports; tests/test_make.py proves it.
DEMO = click,jinja2,markupsafe,pyserial,pyyaml,waitress

.PHONY: demo packages test test-all lab check bench lock clean

# With Grafana it also needs what sets up InfluxDB.
demo: .venv/$(if $(findstring --grafana,$(ARGS)),run,demo)
	@$(BIN)/energy-monitor demo $(ARGS)

# What every command needs.
packages: .venv/run

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

# The environment: packages exactly as locked, hashes checked, and this project on top. The first
# figure of the demo waits for no other package than its own, and for no copy of pip where the
# Python at hand has one that installs elsewhere (22.3 and newer).
.venv/demo: Pipfile.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Python 3.11 or newer is needed; $(PYTHON) is older. Name another: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2> /dev/null || \
	    { echo "Python's venv is missing: sudo apt install python3-venv"; exit 1; }
	@echo "Setting up .venv, once …"
	@$(PYTHON) -m venv --without-pip .venv
	@$(PYTHON) -c "$$REQUIREMENTS" default:$(DEMO) > .venv/demo.txt
	@if $(PYTHON) -c 'import pip; assert [*map(int, pip.__version__.split(".")[:2])] >= [22, 3]' 2> /dev/null; \
	    then pip="$(PYTHON) -m pip --python $(BIN)/python"; \
	    else $(BIN)/python -m ensurepip > /dev/null && pip="$(BIN)/python -m pip"; fi && \
	    wheel=$$($(PYTHON) -c "$$WHEEL" .venv) && \
	    echo "$$wheel --hash=sha256:$$(sha256sum < "$$wheel" | cut -d' ' -f1)" >> .venv/demo.txt && \
	    $$pip $(INSTALL) --force-reinstall --require-hashes -r .venv/demo.txt $(PROGRESS)
	@touch $@

.venv/run: .venv/demo
	@test -e $(BIN)/pip || $(BIN)/python -m ensurepip --upgrade > /dev/null
	@$(PYTHON) -c "$$REQUIREMENTS" default > .venv/run.txt
	@$(BIN)/python -m pip $(INSTALL) --require-hashes -r .venv/run.txt $(PROGRESS)
	@touch $@

.venv/ready: .venv/run
	@$(PYTHON) -c "$$REQUIREMENTS" default $(EXTRAS) develop > .venv/requirements.txt
	@$(BIN)/python -m pip $(INSTALL) --require-hashes -r .venv/requirements.txt $(PROGRESS)
	@touch $@

# Newest allowed versions into Pipfile.lock; it names no index, so that any mirror serves.
lock:
	$(PYTHON) -m pip install --quiet pipenv
	PIPENV_IGNORE_VIRTUALENVS=1 $(PYTHON) -m pipenv lock
	$(PYTHON) -c 'import json, pathlib; f = pathlib.Path("Pipfile.lock"); l = json.loads(f.read_text()); l["_meta"]["sources"] = []; f.write_text(json.dumps(l, indent=4) + "\n")'

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build *.egg-info demo-data
