# Run `make up` to start the service, `make install` to only install it. Needs Python 3.11+ and nothing else.

PYTHON ?= python3
VENV := .venv

.PHONY: install install-dev up test test-all lint format reference demo bench lock

# The folder is complete when it carries the stamp of a lock file; the one for developers holds all of the other.
stamp = $(VENV)/$(basename $(notdir $(1))).installed
intact = $(VENV)/bin/python -c '' 2>/dev/null && cksum < $(1) 2>/dev/null | cmp -s - $(call stamp,$(1))

install:
	@{ $(call intact,requirements.lock); } || { $(call intact,requirements-dev.lock); } || { $(call fill,requirements.lock); }

install-dev:
	@{ $(call intact,requirements-dev.lock); } || { $(call fill,requirements-dev.lock); }

# A folder without a stamp is what an interrupted installation left: it is made anew.
define fill
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
  echo "Holdfast needs Python 3.11 or newer, and '$(PYTHON)' is not: name one that is, for example 'PYTHON=python3.12 make $@'." >&2; exit 1; }; \
if ls $(VENV)/*.installed >/dev/null 2>&1 && $(VENV)/bin/python -c '' 2>/dev/null; then clear=; else clear=--clear; fi; \
rm -f $(VENV)/*.installed; \
echo "Installing the packages of $(1) into $(VENV) ..."; \
$(PYTHON) -m venv $$clear $(VENV) || { \
  echo "Python cannot make a virtual environment: install its venv module (on Debian and Ubuntu, 'apt install python3-venv')." >&2; exit 1; }; \
$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $(1) || { \
  echo "Not every package could be installed. If pip found none for this machine ($$(uname -s) $$(uname -m)): there are packages for Linux and macOS on x86_64 and ARM64. If it could not download: run 'make $@' again once it can." >&2; exit 1; }; \
cksum < $(1) > $(call stamp,$(1))
endef

# Tethered to make, so that the service stops in order even when make is killed.
up: install
	@exec $(VENV)/bin/python -I -S operations/embedded/launch.py --tether SIGTERM --parent $$PPID -- $(CURDIR)/$(VENV)/bin/python manage.py up

# The tests start PostgreSQL and Valkey themselves, in a temporary folder, and run in three processes, each with a database
# of its own. The long ones run reduced; test-all runs them whole.
# `make test TESTS=tests/orgs` runs some of them.
test: install-dev
	$(VENV)/bin/python -m pytest -n 3 --dist loadfile -m "not slow" $(TESTS)

test-all: install-dev
	$(VENV)/bin/python -m pytest $(TESTS)

# What only reads the code needs settings that load, and no servers.
CODE_ONLY = SECRET_KEY=$$($(VENV)/bin/python -c 'import secrets; print(secrets.token_hex(32))') \
  DATABASE_URL=postgresql://nobody@localhost/none REDIS_URL=redis://localhost DJANGO_SETTINGS_MODULE=config.settings

lint: install-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(CODE_ONLY) $(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo
	$(CODE_ONLY) $(VENV)/bin/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(CODE_ONLY) $(VENV)/bin/python -m config.reference --check

format: install-dev
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

reference: install-dev
	$(CODE_ONLY) $(VENV)/bin/python -m config.reference

demo: install-dev
	$(VENV)/bin/python examples/demo.py --url http://127.0.0.1:$${PORT:-8000}

bench: install-dev
	$(VENV)/bin/python -m benchmarks

# Hashes and no index addresses: whoever installs says where packages come from.
lock:
	$(PYTHON) -m venv build/lock && build/lock/bin/pip install --quiet uv
	$(call resolve,requirements.lock,--extra embedded)
	$(call resolve,requirements-dev.lock,--extra embedded --extra dev --constraint requirements.lock)

resolve = build/lock/bin/uv pip compile pyproject.toml $(2) --output-file $(1) --universal --python-version 3.11 \
  --generate-hashes --no-header --no-annotate --quiet
