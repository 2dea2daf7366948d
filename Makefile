# Thin: each target makes the virtual environment if it is missing, then calls one command.
PYTHON ?= python3.11
BIN := .venv/bin
GRAPH ?= flight-delay
ROUNDS ?= 3
SECONDS ?= 3
export PORT ?= 8080
export OMP_NUM_THREADS ?= 1
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: serve test check year bench peers bench-peers notebooks wheel clean

serve: .venv/serve     ## train a champion if there is none, and serve it on 127.0.0.1:$(PORT)
	$(BIN)/sluice run main --graph $(GRAPH) --if-no-champion
	exec $(BIN)/sluice serve $(GRAPH) --monitor

test: .venv/all        ## all tests, in two processes: most of them wait for others
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: .venv/all       ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

year: .venv/all        ## April to December over HTTP, every flight: AUC, and parity with offline
	YEAR_ROWS=0 $(BIN)/python -m pytest tests/test_year.py -s

bench: .venv/all       ## beside FastAPI and MLRun on the same work: docs/bench.md
	$(BIN)/python -m bench --rounds $(ROUNDS) --seconds $(SECONDS)

peers: .venv/all       ## the bench's optional peers, each in build/peers: 2.7 GB
	$(BIN)/python -m bench.peers.installed

bench-peers: .venv/all ## beside those of them that are installed: docs/peers.md
	$(BIN)/python -m bench --peers --rounds $(ROUNDS) --seconds $(SECONDS)

notebooks: .venv/all   ## each notebook, from top to bottom
	$(BIN)/python -m pytest tests/notebooks

wheel: .venv/all       ## dist/sluice-….whl, with its compiled parts where there is a C compiler
	rm -rf build/lib build/lib.* build/bdist.*  # what was deleted since would be in it
	$(PIP) wheel --no-deps --no-build-isolation --wheel-dir dist .

.venv/bin/python:
	$(PYTHON) -m venv .venv || python3 -m venv .venv

# What serving and training need, and no more.
.venv/serve: requirements.txt pyproject.toml | .venv/bin/python
	test -e .venv/all || $(PIP) --no-compile -c requirements.txt -e '.[train,examples]'
	touch $@

# recbole brings the films of film-ranking (docs/film-ranking.md). Only its tables are read, so it
# comes without what it needs to run, which is PyTorch and more; no requirements file can say so.
.venv/all: requirements.txt pyproject.toml | .venv/bin/python
	$(PIP) -r requirements.txt -e .
	$(PIP) --no-deps recbole==1.2.1
	touch $@ .venv/serve

clean:                 ## forget what was trained, served and built here; keep the environment
	rm -rf .sluice build dist
