# The commands of this project. Nothing but make and python3 has to be there: the set-up fetches the rest into .venv.
PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
# uv reads pyproject.toml here, but no settings of this machine: an index or a folder of its own must not reach the locks.
LOCK = env -u UV_DEFAULT_INDEX -u UV_INDEX -u UV_FIND_LINKS XDG_CONFIG_HOME=/nonexistent XDG_CONFIG_DIRS=/nonexistent \
	$$(ls -t .voicebus/bin/uv-* | head -n 1) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header $(ARGS)
# XTTS is tested with the torch without CUDA, which no index that every machine asks has: torch-cpu.lock is kept by hand.
LOCK_XTTS = $(subst --universal --python-version 3.11,--python-version 3.11 --python-platform x86_64-manylinux_2_28,$(LOCK))
OF_CUDA := triton cuda-toolkit cuda-bindings nvidia-cudnn-cu13 nvidia-cusparselt-cu13 nvidia-nccl-cu13 nvidia-nvshmem-cu13

.DEFAULT_GOAL := help
.PHONY: help demo test test-xtts page-test chaos overload fuzz compose-test bench bench-full extra setup lint types lock clean

help: ## show this list
	@echo "voicebus: WAV in, transcript, reply and speech out, over NATS"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

demo: .setup-demo ## ask the shipped spoken question and hear the answer
	@$(BIN)/voicebus demo

test: .setup-test ## run the tests; ARGS="-k edge" goes to pytest
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

test-xtts: ## run the tests of XTTS in .venv-xtts, which has torch
	@$(PYTHON) -m deploy.xtts_env
	@.venv-xtts/bin/python -m pytest tests/xtts $(ARGS)

page-test: .setup-page ## play the page in Chromium (a minute); ARGS="pictures" keeps what was seen, to be looked at
	@$(BIN)/python -m tests.browser $(ARGS)

chaos: .setup-test ## kill workers and the broker under load (7 minutes); ARGS="--short --seed 7" is a minute
	@$(BIN)/python -m tests.chaos $(ARGS)

overload: .setup-test ## ask ten times what workers can do, and flood from one origin (3 minutes)
	@$(BIN)/python -m tests.overload $(ARGS)

fuzz: .setup-test ## ten thousand hostile inputs; ARGS="5000 42" tries 5,000 with the seed 42
	@$(BIN)/python -m tests.fuzz $(ARGS)

bench: .setup-test ## measure voicebus beside its peers, and write docs/performance.md (25 minutes, nothing else running)
	@$(BIN)/python -m benchmarks $(ARGS)

bench-full: .setup-test ## that, and how cost grows (an hour more)
	@$(BIN)/python -m benchmarks --full $(ARGS)

compose-test: .setup-test ## build the CPU images, run docker-compose.yml, kill parts of it; as root on Debian, or with Docker
	@$(BIN)/python -m tests.compose

extra: .setup-test ## install an optional part into .venv; NAME=talk (nkeys, traces, xtts, ...: the extras of pyproject.toml)
	@$$(ls -t .voicebus/bin/uv-* | head -n 1) pip install --quiet --python $(BIN)/python --editable ".[$(NAME)]"

setup: .setup-test ## make .venv with everything in it, and stop

lint: .setup-test ## check the style
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: .setup-test ## check the types
	@$(BIN)/mypy

lock: .setup-test ## write requirements/*.lock anew from pyproject.toml; ARGS=--upgrade takes newer versions
	@$(LOCK) pyproject.toml --extra embedded --extra openai --extra traces --group test --group bench -o requirements/test.lock
	@$(LOCK) pyproject.toml --extra embedded -c requirements/test.lock -o requirements/demo.lock
	@$(LOCK) --group page -c requirements/test.lock -o requirements/page.lock
	@echo setuptools | $(LOCK) - -o requirements/build.lock
	@printf '%s\n' $(OF_CUDA) > .voicebus/of-cuda; sed -n 's/+cpu.*//p' requirements/torch-cpu.lock > .voicebus/torch
	@$(LOCK_XTTS) pyproject.toml --extra xtts --extra broker --group pytest -c requirements/test.lock -c .voicebus/torch \
		--no-emit-package torch --excludes .voicebus/of-cuda -o requirements/xtts.lock && sed -i '/^$$/,$$d' requirements/xtts.lock
	@for wanted in requirements/bench-*.in; do $(LOCK) $$wanted -o $${wanted%.in}.lock || exit 1; done
	@set -e; for image in edge: stt:stt,stt-weights stt-cuda:stt,stt-weights,stt-cuda llm:llm llm-embedded:llm,llm-embedded tts:tts; do \
		$(LOCK) pyproject.toml --extra uvloop --extra traces $$(echo $${image#*:} | tr , '\n' | sed 's/./--extra &/') -c requirements/test.lock \
			-o requirements/image-$${image%%:*}.lock; \
	done
	@$(subst --universal,--python-platform x86_64-manylinux_2_28,$(LOCK)) pyproject.toml --extra tts --extra xtts --extra traces \
		-c requirements/test.lock -o requirements/image-xtts.lock # torch with CUDA is for this platform alone
	@echo "requirements/*.lock are written; make test installs and tries them"

clean: ## remove .venv, its installer and the caches (the data of the broker stays)
	rm -rf .venv .venv-xtts .voicebus/bin benchmarks/.venvs benchmarks/.models .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: .setup-demo .setup-test .setup-page
.setup-demo .setup-test .setup-page: .setup-%:
	@command -v $(PYTHON) >/dev/null || { echo "voicebus needs Python 3.11 or newer, and there is no $(PYTHON) here: install it (Debian: apt install python3)." >&2; exit 1; }
	@$(PYTHON) -m deploy.bootstrap $*
