# The same commands without make (Windows): see README.md, "Without make".
PYTHON ?= python3
.DEFAULT_GOAL := help
.PHONY: help env demo test lab lint types notebooks sample docs lock clean

help:            ## this list
	@$(PYTHON) scripts/setup.py help

env:             ## make or refresh .venv from requirements.lock
	@$(PYTHON) scripts/setup.py env

demo: env        ## every report on data/sample, into reports/
	@$(PYTHON) scripts/setup.py demo

test: env        ## all tests, notebooks included
	@$(PYTHON) scripts/setup.py test

lab: env         ## open JupyterLab on notebooks/
	@$(PYTHON) scripts/setup.py lab

lint: env        ## ruff
	@$(PYTHON) scripts/setup.py lint

types: env       ## mypy
	@$(PYTHON) scripts/setup.py types

notebooks: env   ## rewrite tests/notebooks/expected from notebooks/
	@$(PYTHON) scripts/setup.py notebooks

sample: env      ## rewrite data/sample with simulate
	@$(PYTHON) scripts/setup.py sample

docs: env        ## rewrite the generated tables and examples in docs/
	@$(PYTHON) scripts/setup.py docs

lock: env        ## resolve requirements.lock anew
	@$(PYTHON) scripts/setup.py lock
