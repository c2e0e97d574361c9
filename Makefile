# One command each; `make help` lists them. Only Go is needed, except where a line says otherwise.

GO      ?= go
LINT    := $(GO) tool -modfile=tools/go.mod golangci-lint
TEST    ?= $(GO) test
# Private MariaDB and Redis servers beside the command; without them installed, the tests say what they skipped.
TESTENV := $(GO) run ./internal/testenv/cmd/testenv --
# Of what people wrote: generated code would hide it.
COVERAGE = grep -v '\.gen\.go:' coverage.out >coverage.tmp && mv coverage.tmp coverage.out && $(GO) tool cover -func=coverage.out | tail -n 1

.DEFAULT_GOAL := help
.PHONY: help demo run build test lint check bench chaos alerts chart generate servers

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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
lint: ## check formatting, and with golangci-lint, go vet among it
	@unformatted=$$(find . -name '*.go' ! -name '*.gen.go' ! -path './.git/*' -exec gofmt -l {} +) || exit 1; \
	if [ -n "$$unformatted" ]; then printf 'gofmt -w is needed for:\n%s\n' "$$unformatted"; exit 1; fi
	$(LINT) run ./...

check: lint test ## what to run before review

# BENCH=P1,P3 picks figures, SCALE=0.1 shrinks them, RUNS=3 repeats the whole; a MySQL server joins in by MUSTER_TEST_MYSQL.
# The pool holds all users that are imported, as a server's does that is meant for them.
bench: servers ## measure Muster against its yardsticks, and write docs/benchmarks
	MUSTER_TEST_MARIADB_ARGS='--innodb-buffer-pool-size=4G --innodb-log-file-size=1G' $(TESTENV) $(GO) run ./internal/bench

# With MUSTER_CHAOS=short the short set; SEED=… repeats a run. The table is printed, and kept as JSON.
chaos: servers ## kill, freeze and flush while jobs run, and audit every row
	@mkdir -p bin
	MUSTER_CHAOS_JSON=$(CURDIR)/bin/chaos.json $(TESTENV) $(TEST) -count=1 -v -timeout 90m -run Chaos ./internal/integration

# Every alert of deployments/prometheus, by a real Prometheus over a running stack.
alerts: servers ## let each alert fire by the trouble that it is about
	MUSTER_ALERTS=1 $(TESTENV) $(TEST) -count=1 -v -run '^TestAlerts' ./internal/integration

# The S3 server of the tests, VersityGW, which Debian does not have; .ci/run builds it. Without it those tests say that they
# were skipped.
bin/versitygw: tools/s3/go.mod
	cd tools/s3 && $(GO) build -o ../../bin/versitygw github.com/versity/versitygw/cmd/versitygw

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
