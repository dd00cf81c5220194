# One command per purpose; each sets up what it needs. See CONTRIBUTING.md.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LAB := $(BIN)/python -m tests.e2e.lab

# What is set for Python in one shell must not decide what holds elsewhere.
unexport $(filter PYTHON%,$(.VARIABLES))

.PHONY: test lint types unit demo rules dropin bench fuzz faults peers growth containers plugins samba cluster docs pages site dashboard dist sbom pins snap deb debian packages matrix changelog clean

test: lint types unit

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/ready
	$(BIN)/mypy

unit: $(VENV)/ready
	$(LAB) setup
	$(BIN)/python -m tests.shards $(if $(SHARDS),--shards $(SHARDS)) $(if $(SEED),--seed $(SEED)) $(PYTEST)

demo: $(VENV)/ready
	@echo "Looking for the servers' programs; the first time they are fetched into .lab, which takes some seconds."
	@$(LAB) setup > /dev/null
	@$(LAB) run -- $(BIN)/python -m tests.demo $(if $(STANDALONE),--standalone)

rules: $(VENV)/ready
	$(LAB) setup
	$(BIN)/python -m tests.rules

# certbot-dns-rfc2136 beside ours, with one file, in some seventy worlds; a short part belongs to `test`.
dropin: $(VENV)/ready
	$(LAB) setup
	$(LAB) run -- $(BIN)/python -m pytest --dropin tests/dropin $(PYTEST)

# ROWS="one check" measures these alone.
bench: $(VENV)/ready
	$(LAB) setup
	$(LAB) run -- $(BIN)/python -m tests.bench $(ROWS)

# A million inputs by chance, whole orders, then inputs that coverage guides to; about three quarters of an hour.
fuzz: $(VENV)/fuzzing
	$(LAB) setup
	$(BIN)/python -m tests.fuzz.authority
	$(BIN)/python -m tests.fuzz.replies 1000000
	$(BIN)/python -m tests.fuzz.quick 1000000
	$(LAB) run -- $(BIN)/python -m tests.fuzz.orders
	for target in reply settings journal store; do $(BIN)/python -m tests.fuzz.guided $$target $(SECONDS) || exit 1; done

# Servers with faults, runs that die, many writers, nonsense: more than an hour, not part of `test`, which has a short form
# (tests/faults/test_short.py). It goes on where it was stopped; CELLS="bind/lag knot" runs these again. PAGE=1 writes
# docs/explanation/reliability.rst from what was measured.
faults: $(VENV)/ready
	$(LAB) setup
	$(LAB) run -- $(BIN)/python -m tests.faults $(if $(CELLS),--again $(CELLS)) $(if $(PAGE),--page)
ifeq ($(CELLS)$(PAGE),)
	$(LAB) run -- $(BIN)/python -m tests.faults.writers
	$(LAB) run -- $(BIN)/python -m tests.faults.killing
	$(BIN)/python -m tests.faults.malformed
	$(BIN)/python -m tests.faults.endings
	$(LAB) run -- $(BIN)/python -m pytest --kills 600 tests/e2e/test_kills.py
endif

# The same orders by us, by other tools and by a hook: half an hour, mostly of sleep. PAGE=1 writes the tables of README
# and of docs/explanation/peers.rst from what was measured.
peers: $(VENV)/ready
	$(LAB) setup
	$(BIN)/python -m tests.peers setup
	$(LAB) run -- $(BIN)/python -m tests.peers $(if $(PAGE),--page)

# What orders and files cost as they grow; a series that has its file is not run again. WHOLE=1 adds what takes an hour;
# PAGE=1 writes docs/explanation/growth.rst from what was measured.
growth: $(VENV)/ready
	$(LAB) setup
	$(LAB) run -- $(BIN)/python -m tests.growth $(SERIES) $(if $(WHOLE),--whole) $(if $(PAGE),--page)

dist: $(VENV)/packaging
	$(BIN)/python -m tests.packaging.dist dist

# Bills of materials (CycloneDX) of the wheel and of the snap.
sbom: $(VENV)/packaging
	$(BIN)/python -m tests.packaging.sbom --dist dist

# Pins anew what image and snap add to Certbot's.
pins: $(VENV)/packaging
	$(BIN)/python -m tests.packaging.pins

snap: $(VENV)/packaging
	$(BIN)/python -m tests.packaging.snap dist $(ARCH)

# The Debian package, by debhelper; for Debian 13 and Ubuntu 24.04, from these or Debian 12.
deb: $(VENV)/packaging
	$(BIN)/python -m tests.packaging.deb dist

# The package in a Debian 13 of its own (debootstrap): installed, used in the lab, upgraded, removed, purged. As root.
debian: $(VENV)/packaging
	$(LAB) setup
	$(BIN)/python -m tests.debian.machine
	$(LAB) run -- $(BIN)/python -m pytest -o python_files='check_used.py' tests/debian $(PYTEST)
	$(BIN)/python -m pytest -o python_files='check_purged.py' tests/debian $(PYTEST)

# Builds sdist, wheel and snap, and tests them; not part of `test`, for it takes minutes. The last line is the sdist's
# end-to-end tests, without the package beside them, in an environment that has the wheel.
packages: $(VENV)/packaging
	$(LAB) setup
	$(BIN)/python -m tests.packaging.built
	$(LAB) run -- $(BIN)/python -m pytest -o python_files='check_*.py' tests/packaging $(PYTEST)
	cd .lab/packages/tests-alone && ../wheel-tested/bin/python -m tests.e2e.lab run -- \
		../wheel-tested/bin/python -m pytest tests/e2e $(PYTEST)

# Every supported Python, Certbot and dnspython.
matrix: $(VENV)/packaging
	$(LAB) setup
	$(BIN)/python -m tests.packaging.matrix

# The manifests of the page on containers, with the users that they name; only root can become these.
containers: $(VENV)/ready
	$(BIN)/python -m pytest -o python_files='check_*.py' tests/containers $(PYTEST)

# A real Samba AD in a Debian 13 of its own in .lab, in the lab's namespaces: GSS-TSIG by its KDC, updates of its DNS.
samba: $(VENV)/ready
	$(LAB) setup
	$(BIN)/python -m tests.samba.machine
	$(LAB) run -- $(BIN)/python -m pytest -o python_files='check_*.py' tests/samba $(PYTEST)

# Slurm's real daemons on loopback: an array job of four shards, of which one is killed and started again by the engine.
cluster: $(VENV)/ready
	$(LAB) setup
	$(BIN)/python -m tests.cluster.slurm
	$(LAB) run -- $(BIN)/python -m tests.cluster $(if $(NAMES),--names $(NAMES))

# Installs Certbot DNS plugins of other people, watches what each asks first, and notes it for the page of tried plugins.
plugins: $(VENV)/ready
	$(LAB) setup
	$(BIN)/python -m tests.plugins install .lab/plugins $(PLUGINS)
	$(LAB) run -- $(BIN)/python -m tests.plugins watch .lab/plugins $(PLUGINS)

docs: $(VENV)/ready
	$(BIN)/python -m sphinx -W --keep-going -q -b html -d docs/_build/doctrees docs docs/_build/html
	@echo docs/_build/html/index.html

# The pages of `monitor --html` and `history --html` in Chromium, which is fetched when the machine lacks it; pictures of
# them are left in .lab/pages.
pages: $(VENV)/packaging
	$(BIN)/python -m pytest -o python_files='check_pages.py' tests/browser $(PYTEST)

# Every page of the manual in Chromium.
site: docs $(VENV)/packaging
	$(BIN)/python -m pytest -o python_files='check_site.py' tests/browser $(PYTEST)

# The alarms and the dashboard's queries in a real Prometheus, over what the command writes.
dashboard: $(VENV)/packaging
	$(BIN)/python -m pytest -o python_files='check_*.py' tests/monitoring $(PYTEST)

changelog: $(VENV)/packaging
	$(BIN)/towncrier build --draft

# The virtual environment, made anew when what it holds has changed.
$(VENV)/ready: setup.cfg pyproject.toml
	@echo "Setting up $(VENV) with what the tests need; this takes a minute."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --use-pep517 --editable '.[dev]'
	@touch $@

# What builds and checks packages besides.
$(VENV)/packaging: $(VENV)/ready
	@$(BIN)/python -m pip install --quiet --use-pep517 --editable '.[packaging]'
	@touch $@

# What guides fuzzing by coverage: it needs a compiler where it has no wheel.
$(VENV)/fuzzing: $(VENV)/ready
	@$(BIN)/python -m pip install --quiet --use-pep517 --editable '.[fuzzing]'
	@touch $@

clean:
	rm -rf $(VENV) .lab build dist *.egg-info docs/_build
