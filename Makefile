# Every target bootstraps the same .venv and runs in it; bootstrap.py does the work and says what it does.
# Only what any make understands stands here.
.POSIX:
.PHONY: help setup demo test test-slow check bench peers clean
.NOTPARALLEL:

help:
	@echo 'make demo       a self-play league in a trading market, then a tournament (starts with the set-up)'
	@echo 'make test       all tests but the slow ones'
	@echo 'make test-slow  the slow ones'
	@echo 'make check      ruff, mypy, import-linter'
	@echo 'make bench      what we do per second, beside a peer measured in the same run'
	@echo 'make setup      only make or update .venv'
	@echo 'make peers      install the libraries that benchmarks compare with, those that do not fit beside .venv'
	@echo 'make clean      remove .venv and caches; runs stay'

setup demo test test-slow check bench peers clean:
	@for python in $${MARL_PYTHON:+"$$MARL_PYTHON"} python3 python3.11 python3.12 python3.13 python; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 7))' 2>/dev/null; then \
			MARL_MAKE='$(MAKE_VERSION)' exec "$$python" bootstrap.py $@; \
		fi; \
	done; \
	echo 'make: no Python 3 was found here; install python3.11, or name one with MARL_PYTHON=/path/to/python3.11.' >&2; \
	exit 2
