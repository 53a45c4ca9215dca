# `make demo` and `make test` set up what is missing in .venv; nothing needs root or an API key.
PYTHON ?= python3
PIP = .venv/bin/python -m pip --disable-pip-version-check --quiet
JOBS ?= 3

.PHONY: setup demo test lint manifests breaking lock proto

setup: .venv/installed

# The locks are complete and hashed, so nothing is resolved here.
.venv/installed: requirements-test.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(PIP) install --no-deps --require-hashes -r requirements-test.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	.venv/bin/python -m compileall -q autopack *_svc
	touch $@

demo: setup
	examples/demo/run.sh

test: setup
	.venv/bin/python -m pytest -n $(JOBS) --dist loadfile

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python protos/generate.py --check
	.venv/bin/python protos/lint.py
	.venv/bin/autopack contracts check

# Against what has landed: the remote's main where it is known, else the commit before.
breaking: setup
	.venv/bin/python protos/breaking.py --against "$$(git rev-parse -q --verify origin/main || git rev-parse -q --verify HEAD^ || git rev-parse HEAD)"

# Renders and validates all of deploy/, and compares it with the code.
manifests: setup
	.venv/bin/hadolint deploy/Dockerfile
	.venv/bin/python -m pytest tests/deploy

proto: setup
	PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/python protos/generate.py

# Writes the locks anew from pyproject.toml, without index addresses.
lock:
	uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml -o requirements.lock
	uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --extra test -c requirements.lock pyproject.toml -o requirements-test.lock
