# Four verbs. Everything they need lands in .venv; the first time takes minutes, later ones start at once.
.PHONY: run test check lint bench clean setup

BENCHMARKS = $(subst /,.,$(basename $(filter-out %/__init__.py,$(wildcard benchmarks/*.py))))

run: ## install what is missing, then serve the app on 127.0.0.1:7860
	@scripts/setup.sh run
	.venv/bin/python app.py

test: ## install what is missing, test tools and browser too, then run every test
	@scripts/setup.sh test
	.venv/bin/python -m pytest $(PYTEST_ARGS)

check: lint test ## lint, types, tests

lint:
	@scripts/setup.sh test
	.venv/bin/ruff check .
	.venv/bin/mypy

bench: ## print every published figure
	@scripts/setup.sh test
	@for name in $(BENCHMARKS); do printf '\n== %s\n' $$name; .venv/bin/python -m $$name || exit 1; done
	.venv/bin/python -m benchmarks.startup

setup:
	@scripts/setup.sh run

clean: ## remove what was built, the virtual environment included
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache build out .gradio
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
