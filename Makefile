# Have, test and show mlc-patched on this machine. `make` alone lists the targets.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: help setup engine base demo picture test engines cluster reliability fuzz fuzz-tools test-tools lint lint-tools format install uninstall deb clean

PYTEST_ARGS ?=
JOBS ?= 2
BENCH_ARGS ?=
SECONDS_EACH ?= 30
PYTHON_FILES := . tools/fit-runtime

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*  ## /\1\t/p' Makefile | expand -t 14

setup: .venv/ready  ## make .venv with mlc and what tests and lint need

engine:  ## have a Docker Engine answer (as root: install and start one)
	tools/engine.sh up

base: engine  ## make the images that tests and demo stand on
	tools/base-images.sh

demo: setup engine base  ## show mlc on a real engine
	tools/demo.sh

picture: setup engine base  ## make docs/demo.svg of a real run of the demo
	.venv/bin/python tools/picture.py

# BENCH_ARGS=--quick tries it in three minutes; AIME_CHECKOUT=DIR adds AIME's own mlc.
bench: setup engine base  ## measure everything on engines of its own, as root; writes docs/benchmarks.*, and figures to docs/scaling.md
	.venv/bin/python tools/bench/run.py $(BENCH_ARGS)

# JOBS runs of tests go on at once, each but the first with an engine of its own.
test: setup engine base test-tools  ## run all tests; an engine that is missing is a failure
	MLC_REQUIRE_ENGINE=1 .venv/bin/python -m pytest -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

# `make test` has the same tests, but for the page's image, which here is built as the page says.
cluster: setup engine base test-tools  ## run docs/cluster.md and the cluster's tests in full, as root
	MLC_REQUIRE_ENGINE=1 MLC_TEST_CLUSTER=1 .venv/bin/python -m pytest tests/engine/cluster/test_cluster.py $(PYTEST_ARGS)

# Only the tests of promises (tests/support/promises.py), at full size; PYTEST_ARGS=-x stops at the first.
reliability: setup engine base test-tools fuzz-tools  ## hold every promise to a real run; writes docs/reliability.md
	MLC_REQUIRE_ENGINE=1 MLC_RELIABILITY=full MLC_RELIABILITY_PAGE=docs/reliability.md \
	    .venv/bin/python -m pytest -n $(JOBS) --dist worksteal -m promise $(PYTEST_ARGS)

# SECONDS_EACH for each parser; what fails is kept in tests/fuzz/corpus and is a test from then on.
fuzz: setup fuzz-tools  ## fuzz every parser with atheris
	.venv/bin/python tests/fuzz/fuzz.py --seconds $(SECONDS_EACH)

fuzz-tools: setup
	@.venv/bin/python -c 'import atheris' 2>/dev/null || .venv/bin/pip install -q -e '.[fuzz]'

test-tools:
	@command -v bats >/dev/null && command -v sudo >/dev/null || tools/apt-install.sh bats sudo
	@[ -x /usr/sbin/sshd ] && command -v openssl >/dev/null || \
	    tools/apt-install.sh --not-started openssh-server openssl
	@command -v docker-registry >/dev/null && command -v htpasswd >/dev/null || \
	    tools/apt-install.sh --not-started docker-registry apache2-utils curl

# Not part of `make test`: some minutes, and packages that only this needs.
engines: setup engine base test-tools  ## run tests on every kind of engine, Podman too; writes docs/engines.md
	@command -v podman >/dev/null && command -v newuidmap >/dev/null || \
	    tools/apt-install.sh --not-started podman uidmap slirp4netns
	.venv/bin/python tools/engines.py

lint: setup lint-tools  ## check style, types, the order of packages, and shell
	.venv/bin/ruff check $(PYTHON_FILES)
	.venv/bin/ruff format --check $(PYTHON_FILES)
	.venv/bin/mypy
	MYPYPATH=tools/bench:tests .venv/bin/mypy --strict --explicit-package-bases tools/bench
	.venv/bin/lint-imports --no-cache
	shellcheck $$(tools/shell-files.sh)
	shellcheck -s sh $(wildcard mlc_patched/data/*.sh)
	shfmt -d -i 4 $$(tools/shell-files.sh)

lint-tools:
	@command -v shellcheck >/dev/null && command -v shfmt >/dev/null || tools/apt-install.sh shellcheck shfmt

format: setup lint-tools  ## put Python and shell files into shape
	.venv/bin/ruff check --fix $(PYTHON_FILES)
	.venv/bin/ruff format $(PYTHON_FILES)
	shfmt -w -i 4 $$(tools/shell-files.sh)

# Variables: DESTDIR= PREFIX=/opt/ds01-infra BINDIR=/usr/local/bin; see tools/install.sh.
install: setup  ## install the commands, as root or into DESTDIR
	tools/install.sh install

uninstall:  ## take away what install installed; files of users stay
	tools/install.sh uninstall

deb: setup  ## make a Debian package in dist/
	tools/debian-package.sh

clean:  ## remove what make and the tools made in this tree
	rm -rf .venv build dist *.egg-info lib/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

# mlc is run by other users than the one that makes .venv: its files are open to them.
.venv/ready: setup.cfg
	umask 022 && "$$(tools/python.sh)" -m venv .venv
	umask 022 && .venv/bin/pip install -q -e '.[test,lint,build]'
	# Other users cannot write bytecode here, and would compile everything at each command.
	umask 022 && .venv/bin/python -m compileall -q mlc_patched lib
	chmod -R a+rX .venv
	touch $@
