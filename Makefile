# Everything that can be done with the project. `make help` lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The chapter for `make chapter` and `make store`, such as 04.
CHAPTER ?=
# More arguments: for pytest, such as ARGS="-k distiller", and for `make run`.
ARGS ?=
RUN_ARGS ?=
# Processes that train at the same time: one a core.
WORKERS ?= 1
UV := _build/uv/bin/uv
BUILD := $(CURDIR)/$(BIN)/jupyter-book build -W -n --keep-going --all

.DEFAULT_GOAL := help
.PHONY: help book run chapter store student instructor slides test test-jax test-colab test-gpu \
	mutants mutation in-colab gpu bench study models lint stamp screenshots pdf figures vendor lock clean

help: ## list these commands
	@echo "Usage: make COMMAND [PYTHON=python3.12] [CHAPTER=04] [KD_MODE=full]"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1	\2/p' $(MAKEFILE_LIST) | expand -t 14

book: $(VENV)/kdlib ## build the pages from the stored outputs, and say where they are
	$(BUILD) .
	@echo "Open file://$(CURDIR)/_build/html/index.html"

run: $(VENV)/kdlib ## run the chapters here (KD_MODE=smoke) and build the pages from that
	$(BIN)/python book/tools/execute.py run $(RUN_ARGS)
	cd _build/run/source && $(BUILD) --path-output .. .
	@echo "Open file://$(CURDIR)/_build/run/_build/html/index.html"

chapter: $(VENV)/kdlib ## run one chapter here, CHAPTER=04, into _build/run
	@test -n "$(CHAPTER)" || { echo "Name the chapter: make chapter CHAPTER=04"; exit 2; }
	$(BIN)/python book/tools/execute.py run --chapter "$(CHAPTER)"

store: $(VENV)/kdlib ## run in full mode and store the outputs: all, or CHAPTER=04
	$(BIN)/python book/tools/execute.py store --mode full $(if $(CHAPTER),--chapter $(CHAPTER))

student: $(VENV)/kdlib ## make notebooks and pages without solutions
	$(BIN)/python book/tools/classroom.py student
	cd _build/student/source && $(BUILD) --path-output .. .
	@echo "Open file://$(CURDIR)/_build/student/_build/html/index.html"

instructor: $(VENV)/kdlib ## make notebooks and pages with notes, and the key of the inventory
	$(BIN)/python book/tools/classroom.py instructor
	cd _build/instructor/source && $(BUILD) --path-output .. .
	@echo "Open file://$(CURDIR)/_build/instructor/_build/html/index.html"

slides: $(VENV)/kdlib ## make a deck of slides of each chapter, to show without a network
	$(BIN)/python book/tools/slides.py

# Two processes, each with whole files, so that what a file's tests share is made once.
test: $(VENV)/kdlib ## test everything: library, chapters in smoke mode, pages
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

test-jax: $(VENV)/kdlib ## test the library on Keras with JAX
	KERAS_BACKEND=jax $(BIN)/python -m pytest -m "not tensorflow" tests/kdlib tests/kdbook $(ARGS)

test-colab: .venv-colab/kdlib ## test the library with the versions that Colab has
	.venv-colab/bin/python -m pytest kdlib book/kdbook tests/kdlib tests/kdbook $(ARGS)

# In this order: a machine without a GPU is refused before anything is installed. All chapters run
# twice: for the record, with every teacher trained anew, and against the stored outputs.
test-gpu: ## run every chapter in full mode on a GPU, record it, and compare the outputs
	@$(PYTHON) book/tools/gpu.py driver
	$(MAKE) gpu
	$(BIN)/python book/tools/gpu.py keras
	$(BIN)/python book/tools/execute.py run --mode full --gpu
	KD_MODE=full $(BIN)/python -m pytest tests/notebooks/test_rerun.py $(ARGS)

mutants: $(VENV)/kdlib ## put each known fault into the library: does its test notice? ARGS="teacher"
	$(BIN)/python tests/mutants/run.py $(ARGS)

mutation: .venv-mutation/lock ## change the losses, scores and patches everywhere: hours. ARGS="--every 20"
	.venv-mutation/bin/python tests/mutants/general.py $(ARGS)

in-colab: ## inside Colab's own image: install as a chapter does, and run all chapters
	$(PYTHON) book/tools/in_colab.py

gpu: $(VENV)/kdlib ## add to the environment what TensorFlow needs to use an NVIDIA GPU
	$(BIN)/python -m pip install --quiet --constraint requirements/lock.txt "tensorflow[and-cuda]"

bench: $(VENV)/kdlib ## time a step of distillation beside other ways. ARGS="--record"
	$(BIN)/python -m kdbook.recorders bench $(ARGS)

study: $(VENV)/kdlib ## train what is left of the long comparison: hours. WORKERS=2
	set -e; for plan in patient-teacher patience-search patience same-view patience-why \
			patience-length few-labels patience-coarse patience-city; do \
		$(BIN)/python -m kdbook.study --plan $$plan --workers $(WORKERS); done

models: $(VENV)/kdlib ## write the networks that come with the library, from the study's record
	$(BIN)/python -m kdbook.study --ship

lint: $(VENV)/kdlib ## look for mistakes in code, chapters and workflows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python book/tools/stamp.py --check
	$(BIN)/python book/tools/prose.py --check
	$(BIN)/python -m pytest -q tests/project/test_repository.py tests/notebooks/test_static.py

stamp: $(VENV)/kdlib ## write badge, bootstrap cell and quiz into the chapters, numbers into pages
	$(BIN)/python book/tools/stamp.py
	$(BIN)/python book/tools/quiz.py
	$(BIN)/python book/tools/prose.py

screenshots: book ## make pictures of all pages at three widths, to look at (needs Chromium)
	$(BIN)/python book/tools/in_browser.py screenshots _build/html _build/screenshots

pdf: $(VENV)/kdlib ## make a PDF of the whole book (needs Chromium)
	$(BUILD) --builder singlehtml --path-output _build/pdf .
	$(BIN)/python book/tools/in_browser.py pdf _build/pdf/_build/singlehtml _build/soft-targets.pdf

figures: $(VENV)/kdlib ## make the data of the figures that move
	$(BIN)/python book/tools/figures.py

vendor: $(VENV)/kdlib ## fetch other projects' scripts for the pages anew (needs npm)
	$(BIN)/python book/tools/vendor.py

lock: $(UV) ## resolve requirements/direct.in anew into lock.txt
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --no-header \
		--no-emit-index-url --override requirements/override.txt \
		requirements/direct.in --output-file requirements/lock.txt

clean: ## remove what was built, and the environments
	rm -rf _build build dist $(VENV) .venv-colab .venv-mutation .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment is made anew when the lock changes, and only then. --no-deps, since the lock is
# complete, and one package in it declares a bound that is out of date (requirements/override.txt).
$(VENV)/lock: requirements/lock.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; \
		(3, 11) <= v < (3, 14) or sys.exit("Python 3.11, 3.12 or 3.13 is needed, $(PYTHON) is " \
		+ "%d.%d. Name another one: make PYTHON=python3.12 ..." % v)'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	touch $@

$(VENV)/kdlib: $(VENV)/lock pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation --editable .
	touch $@

.venv-mutation/lock: requirements/lock.txt requirements/mutation.txt
	$(PYTHON) -m venv --clear .venv-mutation
	.venv-mutation/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	.venv-mutation/bin/python -m pip install --quiet --disable-pip-version-check \
		-r requirements/mutation.txt --constraint $<
	touch $@

.venv-colab/kdlib: requirements/colab.txt pyproject.toml
	$(PYTHON) -m venv --clear .venv-colab
	.venv-colab/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	.venv-colab/bin/python -m pip freeze --exclude kdlib > .venv-colab/before.txt
	.venv-colab/bin/python -m pip install --quiet --disable-pip-version-check --editable .
	.venv-colab/bin/python -m pip freeze --exclude kdlib | diff .venv-colab/before.txt -
	.venv-colab/bin/python -m pip check
	touch $@

$(UV):
	$(PYTHON) -m venv --clear _build/uv
	_build/uv/bin/pip install --quiet --disable-pip-version-check uv
