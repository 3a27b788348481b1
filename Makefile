# Everything the verbs need lands in .venv; the first time takes minutes, later ones start at once.
.PHONY: run test test-fast check lint bench train-detector bench-detector clean setup

# Benchmarks that need nothing, and those that need a folder of clips and speech: make bench DATA=folder
BENCHMARKS = pipeline startup faces watermark
DATA_BENCHMARKS = render:$(DATA)/clips/dev lipsync:$(DATA)
# Tests run on two cores, neighbours on one worker as long as both have work: they share an app and a browser.
SPREAD ?= -n 2 --dist worksteal
TAKES = .cache/detection/takes

run: ## install what is missing, then serve the app on 127.0.0.1:7860
	@scripts/setup.sh run
	.venv/bin/python app.py

test: ## install what is missing, test tools and browser too, then run every test
	@scripts/setup.sh test
	.venv/bin/python -m pytest $(SPREAD) $(PYTEST_ARGS)

test-fast: ## the same without the slow tests and the browser
	@scripts/setup.sh test
	.venv/bin/python -m pytest $(SPREAD) -m "not slow and not e2e" $(PYTEST_ARGS)

check: lint test ## lint, types, tests

lint:
	@scripts/setup.sh test
	.venv/bin/ruff check .
	.venv/bin/mypy

bench: ## print the published figures; DATA=folder adds those that need clips and speech
	@scripts/setup.sh test
	@for name in $(BENCHMARKS); do printf '\n== %s\n' $$name; .venv/bin/python -m benchmarks.$$name || exit 1; done
	@if [ -n "$(DATA)" ]; then for pair in $(DATA_BENCHMARKS); do \
	  printf '\n== %s\n' "$${pair%%:*}"; .venv/bin/python -m "benchmarks.$${pair%%:*}" "$${pair#*:}" || exit 1; done; fi

train-detector: ## DATA=folder: build the detector's training set, train it, compare its figures with the last ones
	@scripts/setup.sh test
	@test -n "$(DATA)" || { echo "Give the data: make train-detector DATA=folder"; exit 2; }
	.venv/bin/python -m detection.training.build $(DATA) -o $(TAKES) --renew
	.venv/bin/python -m detection.training.train $(TAKES)
	.venv/bin/python -m benchmarks.detection held-out $(TAKES)

setup:
	@scripts/setup.sh run

bench-detector: ## DATA=folder: every published figure of the detector (the set of train-detector is needed)
	@for what in held-out probes adversarial; do .venv/bin/python -m benchmarks.detection $$what $(TAKES) || exit 1; done
	@for what in files robustness speed; do .venv/bin/python -m benchmarks.detection $$what $(DATA) || exit 1; done

clean: ## remove what was built, the virtual environment included
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache build out .gradio
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
