# make repro   run what is not up to date of the main study and of the paper's ablation of the pretext task, and build the report
# make studies the same of all studies
# make report  the report on all data sets, from what ran and from kept records: nothing is run
# make bundle  the report as a zip that can be handed on: pages, tables, records, and a SHA-256 of each
# make sample  docs/sample/: the report on four classes of CIFAR-10, of kept records, as the repository shows it
# make test    lint and test
# make bench   time the authors' code and the rewrite, side by side
# make lock    pin and hash the newest versions that pyproject.toml allows
# make clean   remove what stages made, not the environment nor data/raw

PYTHON ?= python3
JOBS ?= 2
MAIN_STUDIES := main pretext_task/reimpl/rotation
VENV := .venv
UV := $(or $(shell command -v uv 2>/dev/null),.tools/bin/uv)
READY := $(VENV)/.installed
KEPT := runs/.kept
PAGE := report/output/index.html
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: repro studies report bundle sample test lint bench lock clean

repro: STUDIES := $(MAIN_STUDIES)
repro studies: $(READY) $(KEPT)
	python -m studies run $(STUDIES) --jobs $(JOBS)
	@$(MAKE) --no-print-directory report

report: $(READY) $(KEPT) $(PAGE)
	@echo "The report is $(PAGE)"

bundle: report
	python -m report bundle

sample: report
	rm -rf docs/sample
	python -m report --dataset cifar10_small --out docs/sample

# Kept records summed up: of all studies, so that the report shows also those that are not run.
$(KEPT): $(wildcard records/*/SHA256SUMS params.yaml params/*.yaml studies/*/study.yaml) | $(READY)
	-python -m studies records && touch $@  # what does not fit is named, and left out

$(PAGE): $(wildcard runs/*/summary/*/records.json report/*.* original_ref/*.yaml params.yaml params/*.yaml) $(KEPT) | $(READY)
	python -m report

test: lint  # two at a time, one thread each, which on two cores is quicker than one with two
	OMP_NUM_THREADS=1 python -m pytest -n 2
	ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 OMP_NUM_THREADS=1 python -m pytest -m rounding  # as on an older processor

lint: $(READY)
	ruff check .

bench: $(READY)
	python -m harness.bench

lock: | $(UV)
	$(UV) pip compile --quiet --universal --upgrade --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header pyproject.toml --output-file requirements.lock

clean:
	rm -rf runs report/output report/scan-report.zip checkpoints wandb dvc_plots
	[ ! -d data ] || find data -mindepth 1 -maxdepth 1 ! -name raw -exec rm -rf {} +

# The environment, made anew when the lock file is newer than it. Compiled at once: where PYTHONDONTWRITEBYTECODE is set, as in
# many containers, each of several hundred processes would compile torch and scikit-learn for itself.
$(READY): requirements.lock | $(UV)
	$(UV) venv --quiet --clear --python '>=3.11,<3.14' $(VENV)
	$(UV) pip sync --quiet --python $(VENV) --require-hashes --compile-bytecode requirements.lock
	touch $(READY)

.tools/bin/uv:
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet --disable-pip-version-check uv
