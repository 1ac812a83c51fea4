# make demo, make test and make check each work on a fresh clone with Python 3.11, make and a package index.
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Test files run side by side, each on one thread; PARALLEL= runs them in a row.
PARALLEL ?= -n auto --maxprocesses 4 --dist loadfile
test test-slow: export OMP_NUM_THREADS = 1
AREAS := corruptions metrics defenses datasets benchmarks

.PHONY: demo test test-slow test-opencv4 check format clean

demo: $(INSTALLED)
	$(BIN)/stormbench demo

test: $(INSTALLED)
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow" $(ARGS)

# Kills, full disks, millions of files, known accuracies: what takes minutes.
test-slow: $(INSTALLED)
	$(BIN)/python -m pytest $(PARALLEL) --timeout 900 -m slow $(ARGS)

# The pixel tests once more, under the last OpenCV of the 4 line (constraints.txt holds the 5 line).
# Their environment sees the usual one, after its own OpenCV.
PURELIB := -c "import sysconfig; print(sysconfig.get_path('purelib'))"
test-opencv4: $(INSTALLED)
	$(BIN)/python -m venv .venv-opencv4
	echo "import site; site.addsitedir('$$($(BIN)/python $(PURELIB))')" > "$$(.venv-opencv4/bin/python $(PURELIB))/zz_base.pth"
	.venv-opencv4/bin/pip install -q --no-deps opencv-python==4.13.0.92
	.venv-opencv4/bin/python -m pytest -m "not slow" tests/corruptions $(ARGS)

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf build/typed && mkdir -p build/typed/stormbench
	ln -s $(addprefix $(CURDIR)/,$(wildcard core/*) $(AREAS)) build/typed/stormbench
	MYPYPATH=build/typed $(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(INSTALLED): setup.cfg pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt -e '.[test,check]'
	touch $@

clean:
	rm -rf .venv .venv-opencv4 build *.egg-info
