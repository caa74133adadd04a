# Needs Python 3.11 or newer, make and a POSIX shell; everything else goes into .venv with pip.

VENV := .venv
JOBS := 2

ifeq ($(strip $(PYTHON)),)
PYTHON := $(shell python3.11 -c '' >/dev/null 2>&1 && echo python3.11 || echo python3)
endif

BIN := $(VENV)/bin
# An environment is whole, and belongs to this folder, if this file says where the folder is.
PLACE := $(VENV)/.place
RUN := $(VENV)/.installed-run
TEST := $(VENV)/.installed-test
SLOW := $(VENV)/.installed-slow
PEERS := $(VENV)/.installed-peers
BENCHMARK := $(VENV)/.installed-benchmark

# Nothing of the caller's environment may leak into ours.
unexport PYTHONHOME PYTHONPATH PYTHONSTARTUP VIRTUAL_ENV
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
export PIP_USER := 0

comma := ,
# The folders of three seeds, as meta-report compare takes them.
seeds = $(1)-0$(comma)$(1)-1$(comma)$(1)-2
ABLATED := selection mutation selection+mutation selection+mutation+sampling selection+mutation+crossover

# A run with failed trials exits with 1, and its board shows them.

.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help leaderboard test test-slow check dqd bbob-lga bbob-lga-grid bbob-coco bbob-tune lga-meta lga-decays lga-ablation lga-transfer bbob-lga-tuned bbob-lga-instances lga-tune neuro-small neuro-qd neuro-pendulum neuro-tune neuro-sanity lsi hpo-mini hpob bench bench-bbob bench-neuro bench-workers boards dqd-more dqd-peers bbob-peers clean FORCE

help: ## list the targets
	@echo "make TARGET [JOBS=2] [PYTHON=python3.11]"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/  \1@\2/p' Makefile | while IFS=@ read -r name text; do \
	  printf '  %-18s %s\n' $$name "$$text"; done

leaderboard: $(RUN) ## run the quick suite and print its leaderboard (minutes; resumes)
	$(call run_suite,quick)

dqd: $(RUN) ## reproduce Table 1 of the DQD paper: 480 trials of 10,000 iterations (resumes)
	$(call run_suite,dqd)

bbob-lga: $(RUN) ## BBOB as in the learned GA's paper, Figure 4: 10,800 trials (resumes)
	$(call run_suite,bbob-lga)

bbob-lga-grid: $(RUN) ## the same over dimensions and populations, Figure 5: 12,000 trials (resumes)
	$(call run_suite,bbob-lga-grid)

bbob-coco: $(RUN) ## BBOB as COCO runs it: 14,400 trials of 10,000 evaluations a parameter (resumes)
	$(call run_suite,bbob-coco)

bbob-tune: $(RUN) ## tune the BBOB optimizers again (minutes each)
	for id in gaussian-ga mr15-ga samr-ga gesmr-ga; do \
	  $(BIN)/qdbench tune $$id --suite bbob-lga --out results/tuning/$$id || exit 1; done
	for id in sep-cma-es cma-es; do \
	  $(BIN)/qdbench tune $$id --suite bbob-lga --grid sigma=0.25,0.5,1,2,4 --out results/tuning/$$id || exit 1; done
	$(BIN)/qdbench tune openai-es --suite bbob-lga --grid sigma=0.05,0.1,0.25,0.5,1 \
	  --grid learning_rate=0.05,0.1,0.25,0.5,1 --out results/tuning/openai-es

lga-meta: $(RUN) ## meta-evolve the learned GA anew with three seeds (half an hour each on 2 cores; resumes)
	for seed in 0 1 2; do \
	  $(BIN)/qdbench meta-train lga --preset cpu --seed $$seed --out results/lga-meta/seed-$$seed || exit 1; done

# A ninth of the preset's budget, because there are 21 runs.
SHORT := --set members=128 --set tasks_per_generation=40 --set meta_generations=300
lga-ablation: $(RUN) ## meta-evolve with some of the learned operators, Figure 9 (15 short runs, an hour; resumes)
	set -- $(foreach operators,$(ABLATED),"$(subst +, ,$(operators))"); for operators; do for seed in 0 1 2; do \
	  $(BIN)/qdbench meta-train lga --preset cpu --seed $$seed $(SHORT) --devices 1 \
	    --set "hyperparameters={batch_size=16,operators=\"$$operators\"}" \
	    --out "results/lga-short/$$(echo $$operators | tr ' ' +)-seed-$$seed" || exit 1; done; done
	$(BIN)/qdbench meta-report compare \
	  $(foreach operators,$(ABLATED),$(operators)=$(call seeds,results/lga-short/$(operators)-seed)) \
	  --out results/lga-ablation

lga-decays: lga-ablation ## the same with two mean decays, Figure 3 (six more short runs; resumes)
	for decay in 0.005 0.02; do for seed in 0 1 2; do \
	  $(BIN)/qdbench meta-train lga --preset cpu --seed $$seed $(SHORT) --devices 1 --set mean_decay=$$decay \
	    --set "hyperparameters={batch_size=16,operators=\"selection mutation\"}" \
	    --out results/lga-short/decay-$$decay-seed-$$seed || exit 1; done; done
	$(BIN)/qdbench meta-report compare 0=$(call seeds,results/lga-short/selection+mutation-seed) \
	  0.005=$(call seeds,results/lga-short/decay-0.005-seed) 0.02=$(call seeds,results/lga-short/decay-0.02-seed) \
	  --out results/lga-decays

lga-transfer: $(RUN) ## the Gaussian GA with one learned operator, tuned beside it, Figure 10 (ten minutes)
	for id in gaussian-ga gaussian-ga-learned-selection gaussian-ga-learned-mutation; do \
	  $(BIN)/qdbench tune $$id --suite bbob-lga --fix batch_size=32 --out results/lga-transfer/$$id || exit 1; done
	$(BIN)/qdbench leaderboard tuned results/lga-transfer --out results/lga-transfer-board

bbob-lga-tuned: $(RUN) ## the GAs with one setting each, tuned on the training functions: 6,000 trials (resumes)
	$(call run_suite,bbob-lga-tuned)

bbob-lga-instances: $(RUN) ## the same, every trial on an instance of its own: 6,000 trials (resumes)
	$(call run_suite,bbob-lga-instances)

lga-tune: $(RUN) ## tune the learned GA and the genetic algorithms on BBOB, and make a board of it (half an hour)
	for id in lga gaussian-ga mr15-ga samr-ga gesmr-ga; do \
	  $(BIN)/qdbench tune $$id --suite bbob-lga --fix batch_size=32 --out results/lga-tuning/$$id || exit 1; done
	$(BIN)/qdbench leaderboard tuned results/lga-tuning --out results/lga-tuning-board

neuro-small: $(RUN) ## neuroevolution in the small budget: 13 tasks, 8 optimizers, 5 repetitions (hours; resumes)
	$(call run_suite,neuro-small)

neuro-qd: $(RUN) ## quality diversity in the small budget: Pendulum, Walker2d, Ant (resumes)
	$(call run_suite,neuro-qd-small)

neuro-pendulum: $(RUN) ## Pendulum in the paper's budget: 40 trials of 512,000 evaluations (resumes)
	$(call run_suite,neuro-pendulum-paper)

GAS := gaussian-ga samr-ga gesmr-ga lga
PENDULUM := --repetitions 3 --grid sigma=0.025,0.05,0.1,0.25,0.5,1
BREAKOUT := --repetitions 10 --first-repetition 1000
BREAKOUT_GA := $(BREAKOUT) --grid elite_ratio=0,0.25,0.5 --grid sigma=0.05,0.075,0.1,0.25,0.5
# Task, optimizers, options: the evidence in leaderboards/neuroevolution/tuning.
NEURO_TUNINGS := \
  "Pendulum|$(GAS) mr15-ga|$(PENDULUM) --grid elite_ratio=0,0.25,0.5,1" \
  "Pendulum|openai-es|$(PENDULUM) --grid learning_rate=0.01,0.05,0.1,0.5" \
  "Pendulum|sep-cma-es|$(PENDULUM)" \
  "Breakout|$(GAS)|$(BREAKOUT_GA)" \
  "Breakout|mr15-ga|$(BREAKOUT_GA) --grid tie_weight=0,1" \
  "Breakout|openai-es|$(BREAKOUT) --grid sigma=0.025,0.05,0.1,0.25 --grid learning_rate=0.01,0.05,0.1,0.25" \
  "Breakout|sep-cma-es|$(BREAKOUT) --grid sigma=0.025,0.05,0.1,0.25,0.5" \
  "Digits|$(GAS)|--repetitions 1 --grid elite_ratio=0,0.5 --grid sigma=0.01,0.025,0.05" \
  "Digits|mr15-ga|--repetitions 2 --first-repetition 1000 --grid elite_ratio=0,0.5,1 --grid sigma=0.025,0.05,0.1,0.25,0.5" \
  "Hopper|$(GAS) mr15-ga|--repetitions 5 --grid elite_ratio=0,0.5 --grid sigma=0.05,0.1,0.25,0.5" \
  "Hopper|openai-es|--repetitions 5 --grid sigma=0.05,0.1,0.25 --grid learning_rate=0.05,0.1" \
  "Hopper|sep-cma-es|--repetitions 5 --grid sigma=0.05,0.1,0.25,0.5"

neuro-tune: $(RUN) ## tune the optimizers on networks again: Pendulum, Breakout, Digits, Hopper (hours)
	printf '%s\n' $(NEURO_TUNINGS) | while IFS='|' read -r task ids options; do for id in $$ids; do \
	  $(BIN)/qdbench tune $$id --suite neuro-small --task Neuro-$$task-v0 $$options \
	    --out results/neuro-tuning/$$task/$$id < /dev/null || exit 1; done; done

neuro-sanity: $(RUN) ## genetic algorithms against random search: four tasks, 20 repetitions (hours; resumes)
	$(call run_suite,neuro-sanity)

lsi: $(RUN) ## latent space illumination of digits: 560 trials, into the results of dqd (hours; resumes)
	$(call run_suite,lsi,dqd)

hpo-mini: $(RUN) ## hyperparameters of scikit-learn's models, both protocols: 8,820 trials (resumes)
	$(call run_suite,hpo-mini-official)
	$(call run_suite,hpo-mini-lga)

hpob: $(RUN) ## HPO-B, both protocols: downloads its data (410 MB); 15,480 trials (resumes)
	$(BIN)/qdbench data fetch hpob
	$(BIN)/qdbench data fetch hpob-designs
	$(call run_suite,hpob-official)
	$(call run_suite,hpob-lga)

test: check ## linters, types and all tests but the slow ones
	$(BIN)/python -m pytest -n $(JOBS) -m "not slow"

test-slow: $(SLOW) ## the slow tests, also those beside evosax and on a cluster of Ray
	$(BIN)/python -m pytest -n $(JOBS) -m slow

check: $(TEST) ## ruff and mypy
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

bench: $(BENCHMARK) ## speed side by side with pyribs (see benchmarks/README.md)
	$(BIN)/python -m benchmarks

bench-bbob: $(BENCHMARK) ## BBOB's functions and whole runs side by side with COCO and evosax (an hour)
	$(BIN)/python -m benchmarks bbob-functions
	$(BIN)/python -m benchmarks bbob-runs

bench-neuro: $(BENCHMARK) ## policies and image networks side by side with evosax
	$(BIN)/python -m benchmarks neuroevolution
	$(BIN)/python -m benchmarks image-networks

bench-workers: $(BENCHMARK) ## what a trial costs its worker and its driver, locally and on Ray
	$(BIN)/python -m benchmarks workers

boards: $(RUN) ## rebuild all committed boards (two minutes)
	$(BIN)/qdbench leaderboard site leaderboards

dqd-more: $(RUN) ## further algorithms beside those of Table 1, into the same results (resumes)
	$(call run_suite,dqd-more,dqd)

dqd-peers: $(PEERS) ## pyribs' searches beside ours: 135 trials (resumes)
	$(call run_suite,dqd-peers)

bbob-peers: $(PEERS) ## other libraries' optimizers for objectives beside ours: 2,650 trials (half an hour; resumes)
	$(call run_suite,bbob-peers)

clean: ## remove the environment, caches and builds (results stay)
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment. $(PLACE) is removed before an installation and written after it, so that an interrupted one, or one
# that was made in another folder, is made again from nothing; a changed pyproject.toml only installs what changed.

ifneq "$(shell test -x $(VENV)/bin/python && cat $(PLACE) 2>/dev/null)" "$(CURDIR)"
$(RUN) $(TEST) $(SLOW) $(PEERS) $(BENCHMARK): FORCE
endif

$(RUN): pyproject.toml
	$(call install,.)

$(TEST): pyproject.toml
	$(call install,.[test])

$(SLOW): pyproject.toml
	$(call install,.[test,evosax,ray])

$(PEERS): pyproject.toml
	$(call install,.[peers])

$(BENCHMARK): pyproject.toml
	$(call install,.[benchmark])

FORCE:

# A suite, and the folder of its results where that is not called after it.
define run_suite
$(BIN)/qdbench run --suite $(1) --jobs $(JOBS) --out results/$(or $(2),$(1)) || test $$? -eq 1
$(BIN)/qdbench leaderboard build results/$(or $(2),$(1)) --out results/$(or $(2),$(1))-board
endef

VERSION_TEST := import sys; sys.exit(sys.version_info < (3, 11))

define install
@if [ "$$(cat $(PLACE) 2>/dev/null)" != "$(CURDIR)" ] || ! $(BIN)/python -c '$(VERSION_TEST)' 2>/dev/null; then \
  $(PYTHON) -c '$(VERSION_TEST)' 2>/dev/null || { \
    echo "qdbench needs Python 3.11 or newer, but '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo missing)." >&2; \
    echo "Name another one: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }; \
  $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
    echo "'$(PYTHON)' cannot make virtual environments: its module venv or ensurepip is missing." >&2; \
    echo "On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }; \
  rm -rf $(VENV); \
  $(PYTHON) -m venv $(VENV) || exit 1; \
fi
@rm -f $(PLACE)
@echo "Installing $(1) into $(VENV) (the first time this takes some minutes)"
@$(BIN)/python -m pip install --quiet --editable '$(1)'
@printf '%s\n' "$(CURDIR)" > $(PLACE)
@touch $(RUN) $@
endef
