# make demo    sets everything up, then draws, trains and predicts on all four kinds, small and offline
# make test    sets everything up, then runs the tests
# make test-web the page of `phosphene serve`, in a browser that is on this machine
# make gallery pictures of what every converter draws, in gallery/
# make docs    the site of the documentation, in build/site
# make sbom    a software bill of materials of all that is installed, in sbom.json
# make check   format, lint and types
#
# All of it lives in $(VENV). The first run installs; later runs need no network until pyproject.toml changes.

PYTHON ?= python3
VENV ?= .venv
OUT ?= demo

BIN := $(VENV)/bin
# Named by content, not by time: a fresh checkout of the same pyproject.toml does not install again.
INSTALLED := $(VENV)/.installed-$(shell cksum < pyproject.toml | tr ' ' '-')
TYPES := build/types/phosphene

.PHONY: demo gallery test test-slow test-web sbom docs check format install types clean

demo: install
	$(BIN)/phosphene demo --out $(OUT)

gallery: install
	$(BIN)/phosphene list --gallery gallery $(if $(PHOSPHENE_DATA),--data "$(PHOSPHENE_DATA)")

# Two processes, each file of tests in one of them: what a file shares is made once. A process that crashes ends the run
# by the name of its test: one that takes its place may wait for ever.
IN_TWO := -n 2 --dist loadfile --max-worker-restart 0

test: install
	$(BIN)/python -m pytest $(IN_TWO)

test-slow: install
	$(BIN)/python -m pytest -m slow $(IN_TWO)

test-web: install
	$(BIN)/python -m pytest -m web

sbom: install
	$(BIN)/python benchmarks/supply.py sbom --out sbom.json

docs: install types
	$(BIN)/python -m mkdocs build --strict

check: install types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	MYPYPATH=build/types $(BIN)/mypy -p phosphene.converters -p phosphene.datasets -p phosphene.pipeline

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

install: $(INSTALLED)

$(INSTALLED):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "phosphene needs Python 3.11 or newer, got " \
		+ sys.version.split()[0] + "; name one: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	rm -f $(VENV)/.installed-*
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25' # pip 23 tries versions for many minutes
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

# mypy does not follow the finder of an editable install; these links show it the names that Python sees.
types:
	@mkdir -p $(TYPES)
	@ln -sfn "$(CURDIR)/pipeline/front/__init__.pyi" $(TYPES)/__init__.pyi
	@for package in converters datasets pipeline; do ln -sfn "$(CURDIR)/$$package" $(TYPES)/$$package; done

clean:
	rm -rf $(VENV) build dist phosphene.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
