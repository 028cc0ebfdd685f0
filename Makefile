# make demo    sets up, builds, and shows the main job; SOURCE=/dev/video0, a file or rtsp://... instead of the rendered clip
# make test    sets up and runs every test
# make soak    a day of video in fast-forward, with faults, and whether anything grew; SOAK=10m: so long by the clock
# make setup   installs what is missing: system packages and the TensorFlow Lite library
# make setup-litert  installs LiteRT into /usr/lib/facesieve: a second engine, for GPUs. ARCH=arm64 DIR=x: for that one, into x
# make build   bin/facesieve
# make lint    formatting, static analysis and known vulnerabilities, Go and Python; the systemd unit; the alerts; the page
# make deb     build/package/facesieve_VERSION_ARCH.deb for this machine; ARCH=arm64: for that one
# make test-package  installs the package in bare Debian 12 and 13 systems, boots them, and tests the service; needs root.
#              ARCH=arm64: runs that package with qemu
# make bench   CPU time against decoding alone and a program in Python, then the time per stage, with ratios against
#              peers in the same run; BENCH='-all -rounds 5': every recording, five times; BENCH=-operators: those of
#              the networks, the most expensive ones first
# make clean   removes everything that was built

.PHONY: setup setup-litert build test test-go test-leaks test-soak test-python soak lint lint-go lint-python lint-unit lint-alerts lint-page bench demo deb test-package clean
.DEFAULT_GOAL := build

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo development)
GOFACE = $(shell go list -m -f '{{.Dir}}' gocv.io/x/gocv)/images/face.jpg
PYTHON := .venv/bin/python
TRAINING := models/training

# The four modules of OpenCV that are used: gocv compiles, and the program links, no others.
TAGS := gocv_specific_modules,gocv_videoio
export GOFLAGS := -tags=$(TAGS)
export PKG_CONFIG_PATH := $(CURDIR)/.setup/pkgconfig:$(PKG_CONFIG_PATH)

setup:
	@.setup/system
	@.setup/tflite

setup-litert:
	@.setup/litert $(if $(ARCH),$(ARCH),$(shell uname -m)) $(DIR)

build: setup
	go build -ldflags '-X main.version=$(VERSION)' -o bin/facesieve ./cmd/facesieve

.PHONY: setup-test
setup-test: setup
	@.setup/system --test
	@.setup/litert $(shell uname -m) build/litert
	@.setup/python
	@.setup/asyncapi
	@.setup/page --fetch
	@.setup/promtool

test: setup-test build test-go test-leaks test-soak test-python

test-go: setup-test
	go test -race ./...

# Every Mat that is made is closed: the packages that hold Mats count them.
test-leaks: setup-test
	go test -tags $(TAGS),matprofile -run Leak ./capture ./detect ./quality ./cmd/...

# A short soak: every fault once. Both run with one arena of memory, as the systemd unit has it.
test-soak: setup-test
	MALLOC_ARENA_MAX=1 go test -tags $(TAGS),matprofile -run TestSoak -count 1 -v ./cmd/facesieve -soak 2m

soak: setup-test
	MALLOC_ARENA_MAX=1 go test -tags $(TAGS),matprofile -run TestSoak -count 1 -timeout 0 -v ./cmd/facesieve $(if $(SOAK),-soak $(SOAK),-soak.video 24h)

test-python: setup-test build
	cd $(TRAINING) && ../../$(PYTHON) -m pytest -q -n auto --dist loadfile

lint: lint-go lint-python lint-unit lint-alerts lint-page

lint-go: setup
	@.setup/linters
	build/tools/golangci-lint run
	@.setup/vulnerabilities

lint-python: setup-test
	cd $(TRAINING) && ../../$(PYTHON) -m ruff format --check . && ../../$(PYTHON) -m ruff check . && ../../$(PYTHON) -m mypy
	$(PYTHON) -m ruff format --check --config $(TRAINING)/pyproject.toml publish cmd/bench
	$(PYTHON) -m ruff check --config $(TRAINING)/pyproject.toml publish cmd/bench

lint-unit:
	@systemd/lint

lint-alerts:
	@.setup/promtool
	@systemd/lint-alerts

# The bundle of the page is what its sources give. After a change of them: go generate ./cmd/facesieve/internal/web
lint-page: setup-test
	@.setup/page

bench: setup-test build
	go run ./cmd/bench $(BENCH)
	go test -run '^$$' -bench . -benchmem ./...

demo: build
	go run ./cmd/demo -binary bin/facesieve -picture $(GOFACE) $(if $(SOURCE),-source $(SOURCE)) -out demo

deb: build
	systemd/package/build $(ARCH)

test-package: setup-test deb
	go run ./cmd/demo -binary bin/facesieve -picture $(GOFACE) -out build/package/demo
	$(if $(ARCH),systemd/package/emulate $(GOFACE),systemd/package/test)

clean:
	rm -rf bin build demo
