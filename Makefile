# One command each; `make help` lists them. Only Go is needed, except where a line says otherwise.

GO      ?= go
LINT    := $(GO) tool -modfile=tools/go.mod golangci-lint
TEST    ?= $(GO) test
# Private MariaDB and Redis servers beside the command; without them installed, the tests say what they skipped.
TESTENV := $(GO) run ./internal/testenv/cmd/testenv --
# Of what people wrote: generated code would hide it.
COVERAGE = grep -v '\.gen\.go:' coverage.out >coverage.tmp && mv coverage.tmp coverage.out && $(GO) tool cover -func=coverage.out | tail -n 1

.DEFAULT_GOAL := help
.PHONY: help demo run build test lint check bench chaos upgrade alerts chart vitess release release-check generate servers vulnerabilities

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## import, search and export a million users, on a stack inside one process
	$(GO) run ./cmd/muster demo

run: ## serve the API and a worker on a stack inside one process
	$(GO) run ./cmd/muster dev

build: ## compile the commands into bin/
	$(GO) build -o bin/ ./cmd/...

# RACE=1 needs a C compiler, and more time: without the coverage, whose counters the race detector would watch, too. SKIP
# leaves tests out.
SKIP ?= ^TestChaos
test: race = $(filter 1,$(RACE))
test: servers ## run the tests with coverage, on real servers where installed; RACE=1: under the race detector
	$(if $(race),CGO_ENABLED=1 )$(TESTENV) $(TEST) $(if $(race),-race -timeout 15m,-timeout 10m -coverprofile=coverage.out) -skip '$(SKIP)' ./...
	@$(if $(race),true,$(COVERAGE))

# Generated files are formatted by their generator.
lint: ## check formatting, with golangci-lint, go vet among it, and the workflows
	@unformatted=$$(find . -name '*.go' ! -name '*.gen.go' ! -path './.git/*' -exec gofmt -l {} +) || exit 1; \
	if [ -n "$$unformatted" ]; then printf 'gofmt -w is needed for:\n%s\n' "$$unformatted"; exit 1; fi
	$(LINT) run ./...
	$(GO) tool -modfile=tools/actionlint/go.mod actionlint

vulnerabilities: ## look for known ones in what is used of all modules; needs a network
	$(GO) tool -modfile=tools/go.mod govulncheck ./...

check: lint test ## what to run before review

# BENCH=P1,P3 picks figures, SCALE=0.1 shrinks them, RUNS=3 repeats the whole; a MySQL server joins in by MUSTER_TEST_MYSQL.
# CONTINUE=1 goes on where one has ended.
# The pool holds all users that are imported, as a server's does that is meant for them.
bench: servers ## measure Muster against its yardsticks, and write docs/benchmarks
	MUSTER_TEST_MARIADB_ARGS='--innodb-buffer-pool-size=4G --innodb-log-file-size=1G' $(TESTENV) $(GO) run ./internal/bench

# With MUSTER_CHAOS=short the short set; SEED=… repeats a run. The table is printed, and kept as JSON.
# ENGINE=vitess does so to a sharded database instead, which takes bin/vitess, etcd, and a mysqld of MySQL's.
ENGINE ?=
chaos: servers $(if $(ENGINE),bin/vitess) ## kill, freeze and flush while jobs run, and audit every row
	@mkdir -p bin
	MUSTER_CHAOS_ENGINE=$(ENGINE) MUSTER_CHAOS_JSON=$(CURDIR)/bin/chaos.json $(TESTENV) $(TEST) -count=1 -v -timeout 90m -run '$(if $(ENGINE),ChaosVitess,Chaos)' ./internal/integration

# The last release is built from its tag; MUSTER_UPGRADE=short leaves orders out.
upgrade: servers ## go from the last release to this tree, and back, while jobs run
	MUSTER_UPGRADE=$${MUSTER_UPGRADE:-1} $(TESTENV) $(TEST) -count=1 -v -timeout 30m -run '^TestUpgrade' ./internal/integration

# Every alert of deployments/prometheus, by a real Prometheus over a running stack.
alerts: servers ## let each alert fire by the trouble that it is about
	MUSTER_ALERTS=1 $(TESTENV) $(TEST) -count=1 -v -run '^TestAlerts' ./internal/integration

# VERSION=v0.2.0, or that of the newest section of CHANGELOG.md; PLATFORMS=linux/amd64,darwin/arm64 picks some. The files lie
# in dist/: docs/releasing.md.
RELEASE := $(GO) run ./internal/release
release: ## build what a release consists of, for all platforms
	$(RELEASE) -version "$$VERSION" -platforms "$$PLATFORMS"

release-check: ## the same into a temporary folder, twice, and look whether all is right
	$(RELEASE) -version "$$VERSION" -platforms "$$PLATFORMS" -check

# The S3 server of the tests, VersityGW, which Debian does not have; .ci/run builds it. Without it those tests say that they
# were skipped.
bin/versitygw: tools/s3/go.mod
	cd tools/s3 && $(GO) build -o ../../bin/versitygw github.com/versity/versitygw/cmd/versitygw

# Vitess, for tests; it takes some minutes. They also need etcd (Debian's etcd-server) and mysqld, of MySQL and not of MariaDB.
bin/vitess: tools/vitess/go.mod
	mkdir -p $@ && cd tools/vitess && $(GO) build -o ../../bin/vitess/ tool

vitess: bin/vitess ## run the tests of the store on a sharded database, too
	MUSTER_TEST_REQUIRE=vitess $(TEST) -count=1 -timeout 60m -run '/vitess' ./internal/store/... ./internal/fileexport ./internal/httpapi

# In a module of its own, for Helm's and Kubernetes' libraries, so that `make test` leaves it out. -count=1, since Go keeps the
# result of a test though a file outside of the test's module has changed.
chart: ## check the Helm chart, the manifests of it, and Terraform
	cd tools/kubernetes && $(GO) test -count=1 ./...

generate: ## write the generated files anew
	$(GO) generate ./...
	cd tools/kubernetes && $(GO) test -count=1 . -run '^(TestCopies|TestManifests|TestGolden)$$' -update

# A failed installation does not stop the tests: they skip loudly, or fail where MUSTER_TEST_REQUIRE asks for a server.
servers:
	@tools/install-servers.sh || echo 'warning: the test servers could not be installed' >&2
