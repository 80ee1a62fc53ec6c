# Two commands do everything on a machine with python3 and make: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/bin/python
# Where a tested set of versions is not wanted: make CONSTRAINTS= test
CONSTRAINTS ?= constraints.txt
EXTRAS ?= dev
PROCESSES ?= 2

.NOTPARALLEL:
.PHONY: install demo test test-suite test-slurm test-lowest test-newest bench lint docs clean

install: $(VENV)/.installed

# torch and torchvision come together from PyPI: a CPU-only torch does not load beside its torchvision.
$(VENV)/.installed: setup.py $(CONSTRAINTS)
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 10), "rhovideo needs Python 3.10 or newer: make PYTHON=python3.11"'
	$(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV): some 6 GB, most of it torch, which takes a few minutes"
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install --quiet $(addprefix -c ,$(CONSTRAINTS)) -e '.[$(EXTRAS)]'
	touch $@

demo: install
	$(RUN) -m rhovideo.cli demo

test: test-suite test-slurm

# torchcodec is shown the FFmpeg of PyAV's wheel, so that its tests need none of the machine's.
test-suite: install
	LD_LIBRARY_PATH="$$($(RUN) -m benchmarks.peers.ffmpeg_libraries)$${LD_LIBRARY_PATH:+:$$LD_LIBRARY_PATH}" \
		$(RUN) -m pytest -rs -n $(PROCESSES) --dist worksteal --ignore tests/slurm

# In one process, after the others: its jobs of four ranks would fight other tests for the cores. Skips where there is no SLURM.
test-slurm: install
	$(RUN) -m pytest -rs tests/slurm

# The essential tests with the lowest versions that setup.py allows: make test-lowest PYTHON=python3.10
test-lowest:
	$(MAKE) --no-print-directory install VENV=$(VENV)-lowest CONSTRAINTS=constraints-lowest.txt EXTRAS=test
	$(VENV)-lowest/bin/python -m pytest -m essential -n $(PROCESSES) --dist worksteal

# And with the newest ones that there are: make test-newest PYTHON=python3.13
test-newest:
	$(MAKE) --no-print-directory install VENV=$(VENV)-newest CONSTRAINTS= EXTRAS=test
	$(VENV)-newest/bin/python -m pytest -m essential -n $(PROCESSES) --dist worksteal

# Beside the peers, which are installed first; writes benchmarks/RESULTS.md. Generated inputs are kept in the user's cache.
bench: install
	$(RUN) -m pip install --quiet $(addprefix -c ,$(CONSTRAINTS)) -e '.[bench]'
	$(RUN) -m benchmarks $(SUBJECTS)

lint: install
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports

# The site, in outputs/site: open outputs/site/index.html. A broken link is an error.
docs: install
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict

clean:
	rm -rf $(VENV) $(VENV)-lowest $(VENV)-newest outputs build dist ./*.egg-info
