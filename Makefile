# make demo    environment, install, audit of the embedded family
# make test    environment with the test extras, the whole suite, a process a core
# make check   ruff and mypy
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

.PHONY: demo test check format clean

demo: $(VENV)/installed
	$(BIN)/unmirage demo

test: $(VENV)/installed-test
	$(BIN)/python -m pytest -n auto --dist loadfile

check: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) dist unmirage-demo unmirage-report

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "unmirage needs Python 3.11 or newer: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing unmirage into $(VENV) (a minute on a fresh machine)"
	$(PIP) -e .
	@touch $@

$(VENV)/installed-test: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing unmirage and its test tools into $(VENV) (a minute on a fresh machine)"
	$(PIP) -e '.[test]'
	@touch $@ $(VENV)/installed
