# What a person types. Every target does its own set-up; `make` alone lists them.
VENV    := .venv
BIN     := $(VENV)/bin
PIP     := $(BIN)/python -m pip --disable-pip-version-check
PYTHON  ?= python3
STAMP   := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test torture tables pictures docs fuzz bench bench-quick check format lint types imports lock clean system-packages system-packages-test system-packages-bench

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

$(STAMP): requirements/dev.lock requirements/runtime.lock pyproject.toml scripts/require-system-packages
	@PYTHON=$(PYTHON) scripts/require-system-packages python compiler
	@echo "Installing what requirements/dev.lock lists into $(VENV): a minute or two, once"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --quiet --require-hashes --requirement requirements/dev.lock
	@touch $@

# The package in this folder, with its part in C built anew where that changed.
NATIVE  := $(wildcard sftp_orchestrator/prepare/rows/*.[ch])
BUILT   := $(VENV)/.built
$(BUILT): $(STAMP) $(NATIVE) pyproject.toml
	@echo "Building this package, with its part in C, into $(VENV): a quarter of a minute"
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

system-packages:
	@scripts/require-system-packages gpg

system-packages-test:
	@scripts/require-system-packages gpg sshd postgresql zstd proftpd rclone systemd chromium promtool

system-packages-bench:
	@scripts/require-system-packages gpg sshd sftp rclone lftp

demo: $(BUILT) system-packages ## deliver a generated mix to a look-alike receiver on this machine, and show what it saw
	$(BIN)/sftp-orchestrator demo $(ARGS)

# A file's tests stay in one process, in their order; the dear files are begun first. ARGS="-n 0" is one process for all.
WORKERS := 2
test: $(BUILT) system-packages-test ## run every test, in a quarter of an hour (ARGS="-k name" narrows them)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

torture: $(BUILT) system-packages ## kill the daemon at random moments, and check what arrived (ARGS="--rounds 200 --seed N")
	$(BIN)/python -m tests.torture $(ARGS)

tables: $(BUILT) system-packages-test ## write what the tests see of receivers, faults and exit codes into the docs
	$(BIN)/python -m pytest --write-tables tests/contract/test_remote_contract.py tests/contract/test_delivery_contract.py \
	    tests/integration/test_line_faults.py tests/unit/test_docs_exit_codes.py

pictures: $(BUILT) system-packages-test ## take the pictures of the page in the docs anew (ARGS="--folder DIR" takes more to look at)
	$(BIN)/python -m tests.pictures $(ARGS)

# A warning is an error: a page in no list, a link or an anchor that leads nowhere, a picture that is not there.
docs: $(STAMP) ## make a site of the documentation, to be read without a server: build/docs/index.html
	rm -rf build/docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --fresh-env -d build/doctrees -c docs/site docs build/docs
	@echo "Read it: build/docs/index.html"

fuzz: $(BUILT) ## look for inputs that break what reads them, for ten minutes (ARGS="--minutes 1 --target splitter")
	@scripts/require-system-packages compiler
	$(BIN)/python -m tests.fuzz $(ARGS)

bench: $(BUILT) system-packages-bench ## measure speed and memory against the budgets (ARGS="--work DIR" keeps the files)
	$(BIN)/python -m benchmarks $(ARGS)

bench-quick: $(BUILT) system-packages-bench ## the same with small files, in two minutes
	$(BIN)/python -m benchmarks --quick --rounds 2 $(ARGS)

format: $(STAMP) ## rewrite the code in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	for source in $(filter %.c,$(NATIVE)); do $(CC) -std=c11 -O2 -Wall -Wextra -Wconversion -Werror \
	    -DPy_LIMITED_API=0x030B0000 -I"$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("include"))')" \
	    -c -o /dev/null $$source || exit 1; done

types: $(BUILT)
	$(BIN)/mypy

imports: $(BUILT)
	$(BIN)/lint-imports

check: lint types imports docs test ## what CI runs

lock: ## resolve the dependencies anew (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    --no-annotate pyproject.toml --output-file requirements/runtime.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    --no-annotate --group dev --constraint requirements/runtime.lock pyproject.toml --output-file requirements/dev.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    --no-annotate --group build --constraint requirements/dev.lock --output-file requirements/build.lock

clean: ## remove what the targets made
	rm -rf $(VENV) build/docs build/doctrees .fuzz .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
