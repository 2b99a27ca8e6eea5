# make quickstart   install, and run the whole idea on a CPU
# make test         install, then lint, types and all tests that need no GPU
# make clean        remove the environment and what runs have written

PYTHON ?= python3
VENV ?= .venv
PIP = $(VENV)/bin/pip install --quiet -c constraints.txt

.PHONY: quickstart test lint install clean

quickstart: install
	$(VENV)/bin/j1 quickstart --out runs/quickstart --resume

test: lint
	$(VENV)/bin/mypy
	$(VENV)/bin/pytest

lint: install
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt $(wildcard plugins/*/pyproject.toml)
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(PIP) torch==2.13.0
	$(PIP) -e '.[all,test]' $(addprefix -e ./,$(wildcard plugins/*))
	touch $@

clean:
	rm -rf $(VENV) runs
