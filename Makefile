# citymesh. `make` alone prints the targets.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := protos backbone meshctl loadtests $(patsubst %/pyproject.toml,%,$(wildcard services/*/pyproject.toml))
STAMP := $(VENV)/.installed
KUSTOMIZE := $(BIN)/kustomize
CLASS_DATA := .cache/jvm/class-data
SPEED ?= max

.DEFAULT_GOAL := help
.PHONY: help setup up down status demo test lint types check unit load images compose clean

help: ## print the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

up: setup ## bring the city to life and show a live table (Ctrl-C stops it)
	@$(BIN)/meshctl up --city

down: setup ## stop what runs in the background; the data stays
	@$(BIN)/meshctl down

status: setup ## show each part and the lag of each consumer group
	@$(BIN)/meshctl status

demo: setup ## four years of Seoul's air into the disaster room: FILE=other.csv; or SCENE=all (cameras), parking or health; FAULTS=1
	@$(BIN)/meshctl demo $(if $(FILE),--file "$(FILE)") $(if $(SCENE),--scene "$(SCENE)") $(if $(FAULTS),--faults)

# Two at once, each with a mesh of its own; the longest files come first, so that none is left over.
# A third brings nothing on two cores. Some fifteen brokers start, and none lives for long enough to
# win back what Java's second compiler costs.
test: export JDK_JAVA_OPTIONS ?= -XX:TieredStopAtLevel=1
test: setup ## everything CI runs: lint, types, import contracts, meshctl check, tests
	@$(MAKE) --no-print-directory -j3 types $(CLASS_DATA) $(KUSTOMIZE) lint check
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: setup ## ruff
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: setup ## mypy, strict
	@$(BIN)/mypy

check: setup ## import contracts, and registrations against schemas, protos and code
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/meshctl check

unit: setup ## the tests that need no running part
	@$(BIN)/python -m pytest $(wildcard */tests/unit services/*/tests/unit services/*/tests/contract)

compose: setup ## the whole city in containers, with rooms and the modelled city: Docker, after `make images`
	@$(BIN)/meshctl secrets --rooms
	@$$(docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose) --profile city up -d

load: setup ## a load test, judged: SCENARIO=smoke; on a stack of its own, or STATE=.citymesh for the one of `make up`
	@$(BIN)/python -m loadtests.scenarios run $(or $(SCENARIO),smoke) $(if $(STATE),--state "$(STATE)")

images: $(STAMP) ## container images, with Docker: SERVICE=cameras for one, BASE_IMAGE=… for another base
	@deploy/images/build.sh $(SERVICE)

setup: $(STAMP) ## virtual environment, pinned dependencies, generated stubs, JVM parts
	@$(BIN)/meshctl fetch

$(STAMP): constraints.txt $(addsuffix /pyproject.toml,$(PACKAGES)) protos/setup.py $(shell find protos/city -name '*.proto')
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo 'citymesh needs Python 3.11 or newer: set PYTHON=/path/to/python3.11' >&2; exit 1; }
	@command -v java >/dev/null || { echo 'citymesh needs Java 17 or newer: java is not on the PATH' >&2; exit 1; }
	@command -v mvn >/dev/null || { echo 'citymesh needs Maven: mvn is not on the PATH' >&2; exit 1; }
	@echo '[1/3] virtual environment'
	@$(PYTHON) -m venv $(VENV)
	@echo '[2/3] pinned dependencies, generated stubs (a minute the first time)'
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -r requirements-build.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-compile -c constraints.txt \
	  $(addprefix -e ./,$(PACKAGES)) -r requirements-dev.txt
	@echo '[3/3] JVM parts'
	@touch $(STAMP)

# Its one known source that needs no container: Go from PyPI builds it, deploy/tools/go.sum vouches for it.
# Without inlining it is built in two thirds of the time.
$(KUSTOMIZE): deploy/tools/go.mod deploy/tools/go.sum | $(STAMP)
	@echo 'kustomize (half a minute the first time)'
	@cd deploy/tools && GOTOOLCHAIN=local GOFLAGS=-mod=readonly $(CURDIR)/$(BIN)/go build -gcflags=all=-l -o $(CURDIR)/$(KUSTOMIZE) \
	  sigs.k8s.io/kustomize/kustomize/v5
	@touch $(KUSTOMIZE)

# Each start of broker and registry takes a third less with it; in `.cache/jvm`, which a new pom empties.
$(CLASS_DATA): STATE := .cache/class-data
$(CLASS_DATA): deploy/local/pom.xml | setup
	@echo 'class data of the JVM parts (half a minute the first time)'
	@rm -rf $(STATE)
	@export CITYMESH_KEEP_CLASS_DATA=1 CITYMESH_STATE=$(STATE) && \
	  $(BIN)/meshctl up --backbone-only --detach --free-ports >/dev/null && $(BIN)/meshctl down >/dev/null
	@rm -rf $(STATE) && touch $(CLASS_DATA)

clean: ## forget the virtual environment and the local state
	@rm -rf $(VENV) .citymesh .cache
