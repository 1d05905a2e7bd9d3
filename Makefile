# Every command that a newcomer needs. Plain `make` lists them; each makes what it stands on.

PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python
PYTEST := pytest --numprocesses auto --dist loadfile
INSTALL := $(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

BACKENDS ?= torch tensorflow jax

# make train TASK=mnist MODEL=cnn ACTIVATION=mish EPOCHS=2 ARGS="--dropout 0.2"
TASK ?= digits
FLAGS = $(if $(TASK),--task $(TASK)) $(if $(MODEL),--model $(MODEL)) $(if $(ACTIVATION),--activation "$(ACTIVATION)") \
	$(if $(EPOCHS),--epochs $(EPOCHS)) $(ARGS)

# make tune TASK=cifar TUNER=hyperband WORKERS=2 ARGS="--search learning_rate activation"; SPACE= brings its own task
TUNE_FLAGS = $(if $(SPACE),--space $(SPACE)) $(if $(and $(SPACE),$(filter file,$(origin TASK))),,--task $(TASK)) \
	$(if $(MODEL),--model $(MODEL)) $(if $(ACTIVATION),--activation "$(ACTIVATION)") $(if $(EPOCHS),--epochs $(EPOCHS)) \
	$(if $(TUNER),--tuner $(TUNER)) $(if $(TRIALS),--trials $(TRIALS)) $(if $(WORKERS),--workers $(WORKERS)) $(ARGS)

# make study STUDY=cifar-lenet ARGS="--quick --seeds 2"; make report STUDY=cifar-lenet
STUDY ?= tweets-window
PORT ?= 7860

# make fuzz MINUTES=2 TARGETS="specs results_databases"
MINUTES ?= 10

.DEFAULT_GOAL := help
.PHONY: help install train study report tune test test-backends test-install chaos fuzz licenses audit docs demo demo-models test-demo bench-demo lint bench bench-gpu format clean bench-statistics

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "kact needs Python 3.11 or newer: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	@echo "Installing kact and what it stands on into $(VENV) (once, some minutes; pip says nothing meanwhile) ..."
	@$(INSTALL) --editable '.[dev]'
	@touch $@

$(VENV)/.backends: $(VENV)/.test
	@echo "Installing TensorFlow, JAX, OpenVINO and the exporters into $(VENV) (once) ..."
	@$(INSTALL) --editable '.[dev,tensorflow,jax,openvino,export]'
	@touch $@

$(VENV)/.test: $(VENV)/.installed
	@echo "Installing what the tests of studies, tuning and the page need into $(VENV) (once) ..."
	@$(INSTALL) --editable '.[dev,report,track,cluster,tuning,demo,browser]'
	@touch $@

$(VENV)/.bench: $(VENV)/.installed
	@$(INSTALL) --editable '.[dev,bench,tensorflow,jax]'
	@touch $@

$(VENV)/.audit: $(VENV)/.installed
	@$(INSTALL) --editable '.[dev,audit]'
	@touch $@

$(VENV)/.report: $(VENV)/.installed
	@$(INSTALL) --editable '.[dev,report]'
	@touch $@

$(VENV)/.tuning: $(VENV)/.installed
	@echo "Installing KerasTuner into $(VENV) (once) ..."
	@$(INSTALL) --editable '.[dev,tuning]'
	@touch $@

$(VENV)/.demo: $(VENV)/.installed
	@echo "Installing the page's packages into $(VENV) (once) ..."
	@$(INSTALL) --editable '.[dev,demo,browser]'
	@touch $@

$(VENV)/.docs: $(VENV)/.installed
	@$(INSTALL) --editable '.[dev,docs]'
	@touch $@

install: $(VENV)/.installed  ## make the virtual environment and install kact in it

train: $(VENV)/.installed  ## train: TASK=digits MODEL= ACTIVATION= EPOCHS= ARGS="--dropout 0.2"
	@$(RUN) -m kact.train $(FLAGS)

tune: $(VENV)/.tuning  ## search settings: TASK=digits MODEL= TUNER= TRIALS= EPOCHS= ACTIVATION= WORKERS= SPACE=
	@$(RUN) -m tuning $(TUNE_FLAGS)

study: $(VENV)/.report  ## run a study, or what is missing of it: STUDY=tweets-window ARGS="--quick"
	@$(RUN) -m kact study run $(STUDY) $(ARGS)

report: $(VENV)/.report  ## write what a study found as one page: STUDY=tweets-window
	@$(RUN) -m kact report $(STUDY) $(ARGS)

test: $(VENV)/.test  ## run all tests on the torch backend, offline
	@KERAS_BACKEND=torch $(RUN) -m $(PYTEST)

test-backends: $(VENV)/.backends  ## run the same tests on each of BACKENDS="torch tensorflow jax"
	@for backend in $(BACKENDS); do \
		echo "== $$backend"; KERAS_BACKEND=$$backend $(RUN) -m $(PYTEST) || exit 1; done

# make chaos SEED=1 ARGS="--only study"
SEED ?= 0
chaos: $(VENV)/.backends  ## break train, study, tune, export and report on purpose, and write the table: SEED=0 (20 minutes)
	@$(RUN) -W ignore -m tests.chaos --seed $(SEED) --page docs/reliability.md $(ARGS)

bench: $(VENV)/.bench  ## time kact against plain PyTorch, Lightning and stock Keras (10 minutes)
	@OMP_NUM_THREADS=1 KERAS_BACKEND=torch $(RUN) -W ignore -m benchmarks $(ARGS)

bench-gpu: $(VENV)/.bench  ## the same in short, where CUDA is
	@KERAS_BACKEND=torch $(RUN) -W ignore -m benchmarks --gpu $(ARGS)

demo: $(VENV)/.demo  ## start the page: PORT=7860 ARGS="--runs runs --results runs"
	@KERAS_BACKEND=torch $(RUN) -W ignore -m demo --port $(PORT) $(ARGS)

demo-models: $(VENV)/.installed  ## train the page's models anew: MODELS="cifar10-mish", all unless said
	@OMP_NUM_THREADS=1 KERAS_BACKEND=torch $(RUN) -m demo.training $(MODELS)

test-demo: $(VENV)/.demo  ## test the page, in a browser too (needs Chromium)
	@KERAS_BACKEND=torch KACT_BROWSER=required $(RUN) -m pytest --numprocesses 2 --dist loadfile tests/test_demo_*.py demo

test-install: $(VENV)/.installed  ## install in empty environments, at the lowest and the tested versions: ARGS=--short
	@$(RUN) -m tests.install $(ARGS)

bench-demo: $(VENV)/.demo  ## 50 users for a minute: failures, latencies, memory
	@KERAS_BACKEND=torch $(RUN) -W ignore -m benchmarks.demo $(ARGS)

bench-statistics: $(VENV)/.installed  ## count how often intervals hold the truth and comparisons cry wolf (minutes)
	@OMP_NUM_THREADS=1 $(RUN) -m benchmarks.statistics $(ARGS)

fuzz: $(VENV)/.test  ## feed everything that reads odd inputs: MINUTES=10 for each of TARGETS, all unless said
	@KERAS_BACKEND=torch OMP_NUM_THREADS=1 $(RUN) -m tests.fuzz --minutes $(MINUTES) $(TARGETS)

licenses: $(VENV)/.backends $(VENV)/.bench $(VENV)/.audit  ## write what kact stands on, with licences: docs/dependencies.md
	@$(RUN) -m docs.dependencies

audit: $(VENV)/.audit  ## look the pinned versions up in a list of known vulnerabilities (needs the network)
	@$(RUN) -m docs.audit

docs: $(VENV)/.docs  ## build the documentation as a site in build/docs, offline; a warning is an error
	@KERAS_BACKEND=torch $(RUN) -m sphinx --fail-on-warning --keep-going --quiet docs build/docs
	@echo "build/docs/index.html"

lint: $(VENV)/.installed  ## check style, types, and which way imports go
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy
	@$(VENV)/bin/lint-imports --no-logo

format: $(VENV)/.installed  ## mend the style where a machine can
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

clean:  ## remove the virtual environment and everything built; runs/ stays
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
