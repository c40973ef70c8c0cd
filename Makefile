# Set up, test and demonstrate mlc-patched on this machine. `make` alone lists the targets.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: help setup engine base demo tour picture bench test test-here test-products test-modern test-pythons newest engines apptainer cluster reliability fuzz fuzz-tools test-tools lint lint-tools format install uninstall deb lock release release-tools mutants mutants-tools clean

# What tests shell scripts, git, tools and pages, or takes long, runs once, on the Python of .venv.
NOT_SLOW := faults fuzz tools docs lib containers/test_job_scripts.py cli/test_shims.py cli/test_bad_input.py
NOT_SLOW += cli/test_patch.py cli/test_update_sys.py patch/test_apply.py patch/test_update.py
NOT_SLOW := $(addprefix --ignore tests/unit/,$(NOT_SLOW))
PYTEST_ARGS ?=
JOBS ?= 3
ALSO ?=
BENCH_ARGS ?=
SECONDS_EACH ?= 30
PYTHONS := 3.10 3.11 3.12 3.13 3.14
VERSION := 'import sys; print("%d.%d" % sys.version_info[:2])'

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*  ## /\1\t/p' Makefile | expand -t 14

setup: .venv/ready  ## make .venv with mlc and the tools for tests and lint

engine:  ## make sure a Docker Engine runs (as root: install and start one)
	tools/engine.sh up

base: engine  ## make the base images of the tests and the demo
	tools/base-images.sh

demo: setup engine base  ## show mlc on a real engine
	tools/demo.sh

tour: setup engine base  ## watch a student's and a doctoral candidate's day on a real engine
	tools/tour.sh

picture: setup engine base  ## make docs/demo.svg from a real run of the demo
	.venv/bin/python tools/picture.py

# BENCH_ARGS=--quick: a trial run of three minutes; MLC_BENCH_AIME=DIR adds AIME's own mlc.
bench: setup engine base  ## measure speed and disk space on separate engines, as root; writes docs/benchmarks.* and docs/scaling.md
	@command -v distrobox >/dev/null || tools/apt-install.sh --not-started distrobox
	.venv/bin/python tools/bench/run.py $(BENCH_ARGS)

# Where it is set, every process of the tests compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE

# Temporary directories of tests are in memory, if it has room and programs may be started there.
MEMORY := $(shell findmnt -bnro OPTIONS,AVAIL /dev/shm 2>/dev/null | \
    awk '!/noexec/ && $$2 > 4e9 { print "TMPDIR=/dev/shm"; exit }')

# Go programs, the engines and their clients, collect garbage less often: a tenth less to compute.
test test-modern: export GOGC := 400

# ALSO=newest: the newest Python, too. All of it uses the time in which the others wait.
test: setup engine base test-tools  ## run all tests; a skip that tests/skips.txt does not list is a failure
ifeq ($(PYTEST_ARGS),)
	$(MAKE) --keep-going --jobs --output-sync=line test-here test-modern test-pythons $(ALSO)
	$(MAKE) test-products
else
	$(MAKE) test-here
endif

# Parts of `make test`. JOBS tests run at the same time, all but the first with an engine of their own.
test-here:
	$(MEMORY) MLC_NO_SKIPS=1 .venv/bin/python -m pytest -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

test-products: # the browser's test needs the machine for itself
	MLC_NO_SKIPS=1 .venv/bin/python -m pytest tests/products

test-modern:
	tools/modern-tests.sh

# Unit tests only. All at the same time, as the last of them would have the other cores idle.
test-pythons: others = $(filter-out $(shell .venv/bin/python -c $(VERSION)), $(PYTHONS))
test-pythons:
	nice -n 19 .venv/bin/nox --install-only --python $(others)
	$(MAKE) --keep-going --jobs $(addprefix test-python-,$(others))

test-python-%:
	$(MEMORY) MLC_NO_SKIPS=1 nice -n 19 .venv/bin/nox -R --python $* -- $(NOT_SLOW)

# On a machine without root's rights, a Docker client or an engine, and with the newest Python.
newest: ## run the unit tests as an ordinary user of Debian sid, in a chroot (as root)
	nice -n 19 tools/newest-python.sh $(NOT_SLOW)

# The same tests as in `make test`, but here the image is built as the page says.
cluster: setup engine base test-tools  ## run docs/cluster.md and the cluster's tests in full, as root
	MLC_NO_SKIPS=1 MLC_TEST_CLUSTER=1 .venv/bin/python -m pytest tests/engine/cluster $(PYTEST_ARGS)

# Only the tests of promises (tests/support/promises.py), at full size; PYTEST_ARGS=-x stops at the
# first failure.
reliability: setup engine base test-tools fuzz-tools  ## test every promise about faults in full; writes docs/reliability.md
	MLC_NO_SKIPS=1 MLC_RELIABILITY=full MLC_RELIABILITY_PAGE=docs/reliability.md \
	    .venv/bin/python -m pytest -n $(JOBS) --dist worksteal -m promise $(PYTEST_ARGS)

# SECONDS_EACH for each parser; failing input is stored in tests/fuzz/corpus, and tested from then on.
fuzz: setup fuzz-tools  ## fuzz every parser with atheris
	.venv/bin/python tests/fuzz/fuzz.py --seconds $(SECONDS_EACH)

fuzz-tools: setup
	@.venv/bin/python -c 'import atheris' 2>/dev/null || .venv/bin/pip install -q -e '.[fuzz]'

# Incremental: only functions that were changed since the last run are tested again. PYTEST_ARGS is
# not used; MODULE='mlc_patched.plan.*' tests a part, which does not write the page.
mutants: setup mutants-tools  ## change the modules that decide, one thing at a time; writes docs/mutants.md
	MLC_TEST_EXAMPLES=$${MLC_TEST_EXAMPLES:-10} .venv/bin/mutmut run $(MODULE)
	.venv/bin/python tools/mutants.py $(if $(MODULE),--show)

mutants-tools: setup
	@.venv/bin/python -c 'import mutmut' 2>/dev/null || .venv/bin/pip install -q -e '.[mutants]'

test-tools:
	@command -v bats >/dev/null && command -v sudo >/dev/null && command -v zsh >/dev/null && \
	    command -v groff >/dev/null && command -v jq >/dev/null || \
	    tools/apt-install.sh bats sudo zsh groff-base jq
	@[ -x /usr/sbin/sshd ] && command -v openssl >/dev/null || \
	    tools/apt-install.sh --not-started openssh-server openssl
	@command -v docker-registry >/dev/null && command -v htpasswd >/dev/null || \
	    tools/apt-install.sh --not-started docker-registry apache2-utils curl
	@command -v slurmctld >/dev/null && command -v slurmd >/dev/null && \
	    command -v sbatch >/dev/null && command -v munged >/dev/null || \
	    tools/apt-install.sh --not-started slurmctld slurmd slurm-client munge
	@command -v chromium >/dev/null && command -v busybox >/dev/null || \
	    tools/apt-install.sh chromium busybox
	@.venv/bin/python -c 'import playwright' 2>/dev/null || .venv/bin/pip install -q -e '.[browser]'

# Not part of `make test`: takes minutes, and needs more packages.
apptainer: setup engine base test-tools  ## run an exported image in Apptainer of Debian sid, as an ordinary user (as root)
	tools/apptainer.sh get
	MLC_NO_SKIPS=1 MLC_TEST_APPTAINER=1 .venv/bin/python -m pytest tests/apptainer $(PYTEST_ARGS)

engines: setup engine base test-tools  ## run tests on every kind of engine, including Podman; writes docs/engines.md
	@command -v podman >/dev/null && command -v newuidmap >/dev/null || \
	    tools/apt-install.sh --not-started podman uidmap slirp4netns
	.venv/bin/python tools/engines.py
	tools/newest-python.sh

lint: setup lint-tools  ## check style, types, the order of packages, and shell
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	MYPYPATH=tools/bench:tests .venv/bin/mypy --strict --explicit-package-bases tools/bench
	.venv/bin/lint-imports --no-cache
	shellcheck $$(tools/shell-files.sh)
	shellcheck -s sh $(wildcard mlc_patched/data/*.sh)
	shfmt -d -i 4 $$(tools/shell-files.sh)
	.venv/bin/python tools/page_age.py

lint-tools:
	@command -v shellcheck >/dev/null && command -v shfmt >/dev/null || tools/apt-install.sh shellcheck shfmt

format: setup lint-tools  ## format Python and shell files
	.venv/bin/ruff check --fix
	.venv/bin/ruff format
	shfmt -w -i 4 $$(tools/shell-files.sh)

# Variables: DESTDIR= PREFIX=/opt/ds01-infra BINDIR=/usr/local/bin; see tools/install.sh.
install: setup  ## install the commands, as root or into DESTDIR
	tools/install.sh install

uninstall:  ## remove what install installed; users' files stay
	tools/install.sh uninstall

deb: setup  ## make a Debian package in dist/
	tools/debian-package.sh

# The oldest Python is the one that the fewest versions of packages support.
lock: release-tools  ## renew requirements.lock: the newest packages that the program needs, with hashes
	.release/bin/uv pip compile -q --upgrade --universal --python-version $(firstword $(PYTHONS)) \
	    --generate-hashes --no-emit-package pywin32 --custom-compile-command 'make lock' \
	    --output-file requirements.lock setup.cfg

# AUDIT=no: where the service that knows the vulnerabilities cannot be reached.
release: release-tools  ## make sdist, wheel, package, SBOM and checksums in dist/, after an audit
	@command -v lintian >/dev/null || tools/apt-install.sh lintian
	.venv/bin/python tools/release.py $(if $(filter no,$(AUDIT)),--no-audit)

# In an environment of their own, so that they change no version in .venv.
release-tools: setup
	@[ -e .release/ready ] || { .venv/bin/python -m venv .release && \
	    .release/bin/pip install -q build cyclonedx-bom pip-audit uv && touch .release/ready; }

clean:  ## remove what make and the tools made in this tree
	rm -rf .venv .nox .release build dist mutants *.egg-info lib/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

# All users run mlc, not only the one who makes .venv, so they must be able to read it.
.venv/ready: setup.cfg requirements.lock
	umask 022 && "$$(tools/python.sh)" -m venv .venv
	# What is installed for users is what the hashes say, also where other files were before.
	umask 022 && .venv/bin/pip install -q --force-reinstall --require-hashes -r requirements.lock
	umask 022 && .venv/bin/pip install -q -e '.[test,lint,build,dev]'
	# Other users cannot write bytecode here, and would compile everything in each command.
	umask 022 && .venv/bin/python -m compileall -q mlc_patched lib
	chmod -R a+rX .venv
	touch $@
