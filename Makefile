# Targets for building and judging aliasflat. "make help" lists them.

GO       ?= go
# Time for each fuzz target, or with an x behind it a number of inputs; "make check" takes some
# hundred inputs, since a short time may be over before the corpus is read, "make deep" 10m.
FUZZTIME ?= 30s
# A regular expression that picks fuzz targets by name.
FUZZ     ?= .
# The linter is pinned in a module of its own, so that its dependencies never
# touch those of the program.
LINT     := $(GO) tool -modfile=.tools/go.mod golangci-lint
PLATFORMS := darwin/arm64 windows/amd64
BENCHRUN := $(GO) run ./pkg/internal/benchrun

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help build test race check bench bench-long deep fuzz lint fmt screenshots golden demo package deps cover cross

help: ## Print this list.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r name what; do printf '%-11s %s\n' "$$name" "$$what"; done

build: ## Build bin/aliasflat, static and without local paths.
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/aliasflat ./cmd/aliasflat

deps: ## Install the name servers that the tests compare with (Debian packages), if one is missing.
	@sh .ci/deps.sh

test: deps ## Run every test, with real name servers as judges.
	$(GO) test -timeout 15m ./...

race: ## Run the short tests under the race detector, but those of other programs, which it does not see.
	@sh .ci/deps.sh cc
	CGO_ENABLED=1 $(GO) test -race -short -timeout 10m $$($(GO) list ./... | grep -v /pkg/internal/)

check: test ## Everything CI runs: test, lint, race, a slice of each fuzz target, cross builds.
	$(MAKE) lint
	$(MAKE) race
	$(MAKE) fuzz FUZZTIME=300x
	$(MAKE) cross

deep: deps ## Run the long figures: property tests at full size, 10 minutes of each fuzz target, long benchmarks.
	ALIASFLAT_DEEP=1 $(GO) test -count=1 -timeout 0 ./...
	$(MAKE) fuzz FUZZTIME=10m
	$(MAKE) bench-long

fuzz: ## Run each fuzz target for FUZZTIME (FUZZ=regexp picks some).
	@GO='$(GO)' FUZZTIME='$(FUZZTIME)' FUZZ='$(FUZZ)' sh .ci/fuzz.sh

lint: ## Check style, likely bugs and which package imports which.
	$(GO) vet ./...
	$(LINT) run ./...

screenshots: deps ## Make pictures of the dashboard, in screenshots/.
	ALIASFLAT_SCREENSHOTS='$(CURDIR)/screenshots' $(GO) test -count=1 -run 'TestDashboard$$|TestFiveMinutes' ./pkg/internal/pipeline

fmt: ## Format the Go files and sort their imports.
	$(LINT) fmt ./...

golden: ## Rewrite the expected outputs, then show what moved.
	@dirs=$$(grep -rl --include='*_test.go' 'Bool("update"' cmd pkg | xargs -r -n1 dirname | sort -u); \
	for dir in $$dirs; do $(GO) test "./$$dir" -update || exit 1; done
	git diff --stat

demo: ## Show the daemon at work for a minute, in a world without a network.
	@$(GO) run ./cmd/aliasflat demo

package: ## Build dist/*.deb and dist/*.rpm (VERSION=v1.2.3, GOARCH=arm64).
	@sh .ci/package.sh dist

bench: build ## Measure aliasflat beside other tools, 3 rounds: zones to 3 M records, 100 k targets, and transfers.
	@sh .ci/deps.sh bench
	$(BENCHRUN) -aliasflat bin/aliasflat -rounds 3

bench-long: build ## The same with 11 rounds, and 10 k ALIAS records at 20 ms an answer beside PowerDNS.
	@sh .ci/deps.sh bench
	$(BENCHRUN) -aliasflat bin/aliasflat -rounds 11 -long

cover: deps ## Print test coverage by package; dist/cover.out holds it by line.
	@mkdir -p dist
	$(GO) test -coverprofile=dist/cover.out ./...
	@$(GO) tool cover -func=dist/cover.out | tail -n 1

cross: ## Build for the platforms that the tests do not run on, and without parts.
	@for platform in $(PLATFORMS); do \
		echo "build $$platform"; \
		CGO_ENABLED=0 GOOS=$${platform%/*} GOARCH=$${platform#*/} $(GO) build -buildvcs=false ./... || exit 1; \
	done
	@echo "build without DNS over QUIC (-tags nodoq)"
	@$(GO) build -buildvcs=false -tags nodoq ./...
	@$(GO) test -tags nodoq -run 'NoDoQ|URL' ./pkg/resolve
