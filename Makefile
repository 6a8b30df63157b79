# Everything runs in .venv, which `make setup` makes; any target makes it first.
PYTHON ?= python3
BIN := .venv/bin
# What is heard: a checkpoint of yours, else a downloaded one, else the demo voice that this repository brings.
DEMO_VOICE := checkpoints/demo-voice
DOWNLOADED := $(patsubst %/REVISION,%,$(wildcard checkpoints/openaudio-s1-mini/REVISION))
CHECKPOINT ?= $(or $(S1_CHECKPOINT),$(DOWNLOADED),$(DEMO_VOICE))
# What is put under load: it reads every script. A development checkpoint is made of random weights and makes noise.
DEV_CHECKPOINT := checkpoints/dev-tiny
LOAD_CHECKPOINT = $(if $(filter $(DEMO_VOICE),$(CHECKPOINT)),$(DEV_CHECKPOINT),$(CHECKPOINT))
# What the benchmark takes for the full size; a development checkpoint of it (3.6 GB) is made if it is not there.
DEV_FULL := checkpoints/dev-full
FULL_CHECKPOINT ?= $(or $(DOWNLOADED),$(DEV_FULL))
BENCH_FLAGS ?=
LOAD_FLAGS ?=
SIEGE_FLAGS ?=
CAPACITY_FLAGS ?=
PROFILE_FLAGS ?=
SERVE_FLAGS ?=
UP_FLAGS ?=
PYTEST_FLAGS ?=

# Processes side by side, of about the same length: tests with real servers and of protocols wait most of their time.
# Each writes its output when it has ended. One thread each, so that none waits for another one's core.
TEST_LANES := test-servers test-triton test-rollout test-jobs test-browser test-gateway test-rest test-engine
# Tests with servers of their own; the others of tests/triton share theirs.
OWN_SERVERS := $(addprefix tests/triton/,releases test_container.py test_kubernetes_root.py test_listening.py test_siege.py test_unread_bytes.py)
# Tests of the gateway that compute more than they wait: browsers, a real server, hundreds of callers.
BUSY_GATEWAY := $(addprefix tests/gateway/,test_docs.py test_openapi.py test_page.py test_page_for_all.py test_real.py test_servers.py test_storm.py)
# Tests that compute and never wait; they leave the cores to those that do.
ENGINE_TESTS := $(addprefix tests/unit/,codec fake_cuda kernels lm training)
# Schemathesis is slow to import, and only test_openapi.py needs it.
PYTEST := $(BIN)/python -m pytest -p no:schemathesis

.DEFAULT_GOAL := help
.PHONY: help setup demo serve up test $(TEST_LANES) check siege rollout docs lint bench bench-quick load load-jobs capacity gpu-carry profile

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: .venv/.installed ## make .venv and install everything into it

# --no-deps: what these three declare cannot be installed beside tritonclient, and none of it is used.
.venv/.installed: pyproject.toml constraints.txt requirements-no-deps.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -e ".[server,client,gateway,dev]" -c constraints.txt
	$(BIN)/python -m pip install --no-deps -r requirements-no-deps.txt
	touch $@

$(DEV_CHECKPOINT)/DEVELOPMENT_CHECKPOINT.txt: | .venv/.installed
	$(BIN)/python scripts/make_dev_checkpoint.py tiny $(DEV_CHECKPOINT)

# Only the development checkpoint can be made; any other folder has to be there.
ifeq ($(LOAD_CHECKPOINT),$(DEV_CHECKPOINT))
LOAD_CHECKPOINT_FILES := $(DEV_CHECKPOINT)/DEVELOPMENT_CHECKPOINT.txt
endif

demo: setup ## speak a sentence to out/demo.wav through a real Triton
	$(BIN)/python scripts/demo.py --checkpoint "$(CHECKPOINT)"

serve: setup ## serve on ports 8000 (HTTP), 8001 (gRPC), 8002 (metrics); CHECKPOINT=DIR
	$(BIN)/python scripts/serve.py --checkpoint "$(CHECKPOINT)" $(SERVE_FLAGS)

up: setup ## a server and the gateway before it on port 8080, with a line to try for each protocol; CHECKPOINT=DIR
	$(BIN)/python scripts/up.py --checkpoint "$(CHECKPOINT)" $(UP_FLAGS)

test: setup ## run all tests; tests that cannot run here say why
	OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1 $(MAKE) --jobs $(words $(TEST_LANES)) --keep-going --output-sync=target $(TEST_LANES)

test-servers: setup
	$(PYTEST) $(OWN_SERVERS) $(PYTEST_FLAGS)

test-triton: setup
	$(PYTEST) tests/triton $(addprefix --ignore=,$(OWN_SERVERS)) $(PYTEST_FLAGS)

test-rollout: setup
	$(PYTEST) tests/rollout tests/unit/perf $(PYTEST_FLAGS)

test-jobs: setup
	$(PYTEST) tests/gateway/jobs $(PYTEST_FLAGS)

test-browser: setup
	$(BIN)/python -m pytest $(BUSY_GATEWAY) $(PYTEST_FLAGS)

test-gateway: setup
	$(PYTEST) tests/gateway $(addprefix --ignore=,tests/gateway/jobs $(BUSY_GATEWAY)) $(PYTEST_FLAGS)

test-rest: setup
	nice -n 5 $(PYTEST) $(addprefix --ignore=,tests/triton tests/gateway tests/rollout tests/unit/perf $(ENGINE_TESTS)) $(PYTEST_FLAGS)

test-engine: setup
	nice -n 5 $(PYTEST) $(ENGINE_TESTS) $(PYTEST_FLAGS)

# One thread in each worker: more of them would wait for each other's cores.
check: setup lint ## lint, then the unit tests but the slow ones, in parallel: the inner loop
	OMP_NUM_THREADS=1 $(PYTEST) tests/unit -n auto --dist loadgroup -q -m "not slow" $(PYTEST_FLAGS)

docs: setup ## write what is made: tables of docs/ from the request options and the records, tensors of config.pbtxt, the chart's README
	$(BIN)/python scripts/make_docs.py
	$(BIN)/python scripts/make_chart_pages.py
	$(BIN)/python -m perf docs

lint: setup ## ruff, mypy, which package may import which, stale tables and prose of docs/
	$(BIN)/python scripts/make_docs.py --check
	$(BIN)/python scripts/make_chart_pages.py --check
	$(BIN)/python -m perf docs --check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m scripts.lint_prose

$(DEV_FULL)/DEVELOPMENT_CHECKPOINT.txt: | .venv/.installed
	$(BIN)/python scripts/make_dev_checkpoint.py full $(DEV_FULL)

ifeq ($(FULL_CHECKPOINT),$(DEV_FULL))
FULL_CHECKPOINT_FILES := $(DEV_FULL)/DEVELOPMENT_CHECKPOINT.txt
endif

# FLAGS of the next targets are the options of the command that each runs; `.venv/bin/python -m perf --help` lists all.
PERF := $(BIN)/python -m perf

bench: setup $(FULL_CHECKPOINT_FILES) ## measure a server, tiny and full size; FULL_CHECKPOINT=DIR, records in perf/results
	$(PERF) bench --full "$(FULL_CHECKPOINT)" $(BENCH_FLAGS)
	$(PERF) report

bench-quick: setup ## the same in a few minutes; a little of the full size if it is there
	$(PERF) bench --quick $(if $(wildcard $(FULL_CHECKPOINT)/config.json),--full "$(FULL_CHECKPOINT)") $(BENCH_FLAGS)

load: setup $(LOAD_CHECKPOINT_FILES) ## load, burst and 10 minutes' soak of a server, then load-jobs; CHECKPOINT=DIR, LOAD_FLAGS="--soak-minutes 1"
	$(PERF) load --checkpoint "$(LOAD_CHECKPOINT)" $(LOAD_FLAGS)
	$(MAKE) load-jobs

load-jobs: setup ## 1000 jobs while workers, servers, Redis, S3 and receivers fail; a small one is in make test; JOBS=N, STORM_OUT=FILE keeps the figures
	STORM_JOBS=$(or $(JOBS),1000) $(BIN)/python -m pytest tests/gateway/jobs/test_storm.py -q -s --timeout 3600

capacity: setup ## how many GPUs carry 50 000 voice notes in 5 minutes; CAPACITY_FLAGS="--users 1000 ...", see docs/capacity.md
	$(PERF) capacity $(CAPACITY_FLAGS)

siege: setup $(DEV_CHECKPOINT)/DEVELOPMENT_CHECKPOINT.txt ## attack everything for 30 minutes, a table at the end; SIEGE_FLAGS="--minutes 5"
	$(PERF) siege --checkpoint $(DEV_CHECKPOINT) $(SIEGE_FLAGS)

rollout: setup ## replace every process under 50 callers and 200 jobs; a small one is in make test; ROLLOUT_OUT=FILE keeps the figures
	ROLLOUT_CALLERS=$(or $(ROLLOUT_CALLERS),50) ROLLOUT_JOBS=$(or $(ROLLOUT_JOBS),200) ROLLOUT_REST_S=0 ROLLOUT_CALM_S=0 $(BIN)/python -m pytest tests/rollout -q -s

gpu-carry: setup ## pack what a bare GPU machine lacks into .gpu/carry.tar.xz
	$(PERF) gpu-carry

profile: setup $(LOAD_CHECKPOINT_FILES) ## where the time of a decode step goes; CHECKPOINT=DIR, PROFILE_FLAGS="--rows 8"
	$(PERF) step --checkpoint "$(LOAD_CHECKPOINT)" $(PROFILE_FLAGS)
