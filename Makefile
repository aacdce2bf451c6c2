# The two commands are `make verify` and `make test`; README.md says what the others are for.
PYTHON ?= python3
NAME ?= two_hosts

# Which scenarios setup is to install for.
scenario lab down: export SCENARIO = $(NAME)
scenarios: export SCENARIO = all
bench-fleet: export SCENARIO = fleet

.PHONY: help setup generated release tested verify scenario scenarios lab down unit lint check test
help:
	@echo 'make verify              build the lab two_hosts, run its streams, judge them'
	@echo 'make scenario NAME=...   the same for inventories/NAME'
	@echo 'make scenarios           all of them, a verdict line each'
	@echo 'make lab | make down     build the lab NAME and leave it, or remove it'
	@echo 'make mcast.pyz           sender, receiver and querier as one file, to run by hand on any host'
	@echo 'make generated           write what is made of the code: schemas/, docs/checks.md, the READMEs of roles'
	@echo 'make release             build the archive for Galaxy, and prove it'
	@echo 'make bench-NAME          run benchmarks/NAME.py (its options in ARGS)'
	@echo 'make unit                the unit tests, in seconds'
	@echo 'make lint                the linters'
	@echo 'make check FILE=tests/...   one file of tests (more options in ARGS)'
	@echo 'make test                all of these, and everything else that must be green'

setup:
	@scripts/setup.sh .venv $(PYTHON) requirements/run.txt

verify: setup
	@scripts/scenario.sh two_hosts

scenario: setup
	@scripts/scenario.sh $(NAME)

scenarios: setup
	@scripts/scenarios.sh

lab: setup
	@scripts/scenario.sh --known $(NAME)
	@.venv/bin/ansible-playbook -i inventories/$(NAME) mcast.lab.lab_up
	@echo "The lab stands. Try: ip netns list; .venv/bin/ansible -i inventories/$(NAME) all -m mcast.lab.host_facts"

down: setup
	@scripts/scenario.sh --known $(NAME)
	@.venv/bin/ansible-playbook -i inventories/$(NAME) mcast.lab.lab_down

bench-%:
	@scripts/setup.sh .venv $(PYTHON) requirements/run.txt requirements/bench.txt
	@.venv/bin/python benchmarks/$*.py $(ARGS)

mcast.pyz: $(wildcard plugins/module_utils/*.py plugins/module_utils/*/*.py)
	@$(PYTHON) -m plugins.module_utils.traffic.cli zipapp $@
	@echo "Try: python3 $@ receiver --help"

generated: setup
	@.venv/bin/python scripts/schema.py
	@.venv/bin/python scripts/docs.py

release: generated
	@scripts/release.sh $(PYTHON)

tested:
	@scripts/setup.sh .venv $(PYTHON) requirements/run.txt requirements/test.txt

unit: tested
	@.venv/bin/python -m pytest -q -n 2 $(ARGS) tests/unit

lint: tested
	@scripts/lint.sh

check: tested
	@.venv/bin/python -m pytest -q $(ARGS) $(FILE)

test:
	@scripts/test.sh $(PYTHON)
