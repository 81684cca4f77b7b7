# Everything runs in .venv, which is made from requirements.lock. Needs Python 3.11 to 3.13, make and git.

IN_RANGE := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c '$(IN_RANGE)' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
READY := .venv/ready
PEERS := .venv-peers

.PHONY: demo up test tests fuzz chaos lint format bench accuracy insights pictures sbom lock clean

demo: $(READY)   ## set up, load the sample business and run everything once, without a browser
	$(BIN)/hub sample
	$(BIN)/hub run --as-of sample --digest

up: demo         ## the same, then the dashboard, the Dagster UI and the API until Ctrl-C
	$(BIN)/hub up

test: $(READY)   ## lint, and beside it every test; ORDER=1 runs them in the random order of seed 1
	@$(MAKE) --no-print-directory -j 2 lint tests

# Four workers for two cores: a test waits for half of its time, for a server, a process or the disk.
tests: $(READY)  ## every test
	$(BIN)/pytest -n 4 --no-loadscope-reorder $(if $(ORDER),--random-order --random-order-seed=$(ORDER))

fuzz: $(READY)   ## thousands of generated requests, 200,000 random operations by all roles, 200 generated businesses
	HUB_FUZZ_EXAMPLES=30 $(BIN)/pytest -s tests/sources/api/test_openapi.py
	HUB_WALK_STEPS=200000 HUB_WALK_ORGANIZATIONS=50 $(BIN)/pytest -s tests/sources/operations/test_random_walks.py
	HUB_BUSINESSES=200 $(BIN)/pytest tests/end_to_end/test_any_business.py

chaos: $(READY)  ## SIGKILL at 100 random moments: to runs of the main job, and to the API and the database under load
	HUB_CHAOS=50 $(BIN)/pytest -s -k random_moments tests/end_to_end/test_run.py
	HUB_CHAOS=50 $(BIN)/pytest -s tests/end_to_end/test_chaos.py

# mypy takes as long as all the rest, on one core.
lint: $(READY)
	$(BIN)/mypy & types=$$!; \
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/sqlfluff lint dbt --processes 2; others=$$?; \
	wait $$types && exit $$others

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)  ## speed, as ratios to a limit that is measured in the same run
	$(BIN)/python -m bench.ingestion
	$(BIN)/python -m bench.importing
	$(BIN)/python -m bench.api
	$(BIN)/python -m bench.live
	$(BIN)/python -m bench.dashboard
	$(BIN)/python -m bench.warehouse
	$(BIN)/python -m bench.first_view
	OMP_NUM_THREADS=1 $(BIN)/python -m bench.one_day
	@$(MAKE) accuracy
	@$(MAKE) insights

accuracy: $(READY) $(PEERS)/ready  ## forecasts and anomalies beside the methods in use today
	$(BIN)/python -m bench.sample_bookings > $(PEERS)/bookings.csv
	OMP_NUM_THREADS=1 $(PEERS)/bin/python -m bench.accuracy --bookings $(PEERS)/bookings.csv --cache $(PEERS)/cache

insights: $(READY)  ## made businesses with known incidents: told or not, why, and how much; QUICK=1 takes minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m bench.insights $(if $(QUICK),--quick)
	$(if $(QUICK),,OMP_NUM_THREADS=1 $(BIN)/python -m bench.insights --sample --seeds 20)

pictures: $(READY) ## docs/pictures/, from the pages that `make up` serves in another shell; needs Chromium
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tools.pictures --org estudio-meridiano

sbom: $(READY)   ## dist/sbom.json: what the Hub is made of, as CycloneDX 1.6
	$(BIN)/python -m tools.sbom dist/sbom.json

lock: $(READY)   ## compile requirements.lock again after a change of pyproject.toml
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--no-annotate --extra dev --quiet pyproject.toml --output-file requirements.lock
	$(BIN)/uv pip compile --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--no-annotate --quiet bench/accuracy/requirements.in --output-file bench/accuracy/requirements.lock

clean:
	rm -rf .venv .venv-peers .mypy_cache .ruff_cache .pytest_cache

# uv installs the locked packages in a third of pip's time, and compiles their bytecode.
$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || \
		{ echo "Python 3.11, 3.12 or 3.13 is needed; name one with: make PYTHON=/path/to/python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the packages of the Hub into .venv ..."
	@grep -A 100 '^uv==' requirements.lock | awk 'NR > 1 && !/^ / {exit} {print}' > .venv/uv.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $(READY)

$(PEERS)/ready: bench/accuracy/requirements.lock | $(READY)
	@test -x $(PEERS)/bin/python || $(BIN)/python -m venv $(PEERS)
	@echo "Installing the packages for the comparison into $(PEERS) ..."
	@$(BIN)/uv pip sync --quiet --python $(PEERS)/bin/python --require-hashes --compile-bytecode $<
	@touch $@
