# Builds the four programs into build/ and runs everything else; `make help` lists the targets.
# Settings come from the environment, then from .env: the scripts in bin/ read them.

ifeq ($(origin CC),default)
CC        := gcc
endif
BUILD     ?= build
SANITIZE  ?=
VERSION   := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
comma     := ,

FUZZ      ?=

ifneq ($(SANITIZE),)
BUILD     := build/$(subst $(comma),-,$(SANITIZE))
endif

PACKAGES  := libmicrohttpd hiredis libcjson libpq libuv libcurl inih libutf8proc libidn2 libssl libcrypto
WARNINGS  := -Wall -Wextra -Werror -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
             -Wpointer-arith -Wcast-qual -Wwrite-strings -Wformat=2 -Wundef -Wvla -Wswitch-enum -Wimplicit-fallthrough
CFLAGS    ?= -O2 -g
# What SECURITY.md lists; tests/scripts/hardening.sh looks for it in the programs. Control flow is guarded where the
# processor can do it.
GUARDS    := -fstack-protector-strong -fstack-clash-protection -fPIE \
             $(if $(filter x86_64-%,$(shell $(CC) -dumpmachine)),-fcf-protection) \
             $(if $(filter aarch64-%,$(shell $(CC) -dumpmachine)),-mbranch-protection=standard)
OURFLAGS  := -std=c11 -D_GNU_SOURCE -I. -I$(BUILD) $(WARNINGS) -fno-omit-frame-pointer $(GUARDS) \
             $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null | sed 's/-I/-isystem /g')
ifeq ($(SANITIZE),)
OURFLAGS  += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
else
OURFLAGS  += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
endif
ifneq ($(FUZZ),)
OURFLAGS  += -fsanitize=fuzzer-no-link
endif
LDFLAGS   += -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed $(if $(SANITIZE),-fsanitize=$(SANITIZE))
LIBS      := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lpthread -lm
CHECK     := $(shell pkg-config --libs check 2>/dev/null)

PROGRAMS  := ingest dispatcher persister mock-provider
TESTS     := unit integration protocol chaos topologies browser
# FOLDERS,PATTERN: the files below them whose names match it.
below      = $(sort $(shell find $(1) -name '$(2)'))
EMBEDDED  := redis/messaging.lua $(wildcard ingest/read/sql/*.sql persister/sql/*.sql) ingest/openapi.yaml \
             $(wildcard $(addprefix ingest/console/*.,css html js svg)) $(wildcard tests/protocol/*.lua)

EMBEDDED_HEADERS := $(patsubst %,$(BUILD)/gen/%/embedded.h,ingest persister tests/protocol)

shared_SOURCES        := $(call below,shared,*.c)
ingest_SOURCES        := $(call below,ingest,*.c)
dispatcher_SOURCES    := $(filter-out dispatcher/mock/%,$(call below,dispatcher,*.c))
persister_SOURCES     := $(call below,persister,*.c)
mock-provider_SOURCES := $(wildcard dispatcher/mock/*.c)
fuzz_SOURCES          := $(filter-out %/fuzz.c,$(wildcard tests/fuzz/*.c))
unit_SOURCES          := $(call below,tests/unit,*.c) $(wildcard tests/support/*.c) $(fuzz_SOURCES)
integration_SOURCES   := $(wildcard tests/integration/*.c tests/support/*.c)
protocol_SOURCES      := $(wildcard tests/protocol/*.c tests/support/*.c)
protocol_PLANTS       := breaker_grant_is_good breaker_grant_size breaker_may_call breaker_take_call format_to_write lane_call_waiting \
                         lane_take_claimed lane_take_read process_instance opt_out_teller_tell opt_outs_are_fresh opt_outs_are_known opt_outs_has_any erasures_has_any receipt_entry_decode \
                         redis_link_connection
chaos_SOURCES         := $(wildcard tests/chaos/*.c tests/support/*.c)
topologies_SOURCES    := $(wildcard tests/topologies/*.c tests/support/*.c)
browser_SOURCES       := $(wildcard tests/browser/*.c tests/support/*.c)
bench_SOURCES         := $(wildcard tests/bench/*.c tests/bench/lib/*.c tests/support/*.c)
bench_tool_SOURCES    := $(wildcard tests/bench/lib/*.c tests/support/*.c)
BENCH_TOOLS           := $(wildcard tests/bench/programs/*.c)

objects    = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
embedded   = $(patsubst %,$(BUILD)/obj/gen/%.o,$(filter $(1)/%,$(EMBEDDED)))
without_main = $(filter-out %/main.c,$(1))
SHARED    := $(BUILD)/libshared.a
FLAGS     := $(BUILD)/flags
SOURCES   := $(BUILD)/sources
link       = $(CC) $(CFLAGS) $(LDFLAGS) -o $@
# V=1 shows the whole commands.
V         ?=
silent    := $(findstring s,$(firstword -$(MAKEFLAGS)))
quietly    = $(if $(V),,@$(if $(silent),,echo "  $(1)" &&))

.PHONY: all build tests clean help FORCE
all: build

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-23s %s\n", $$1, $$2 }'

build: $(addprefix $(BUILD)/,$(PROGRAMS)) ## Build the four programs into build/

$(SHARED): $(call objects,$(shared_SOURCES)) $(call embedded,redis) $(SOURCES)
	@rm -f $@ && ar rcs $@ $(filter %.o,$^)

.SECONDEXPANSION:
$(addprefix $(BUILD)/,$(PROGRAMS)): $(BUILD)/%: $$(call objects,$$(%_SOURCES)) $$(call embedded,$$*) $(SHARED) $(SOURCES)
	$(call quietly,LINK $@) $(link) $(filter %.o,$^) $(SHARED) $(LIBS)

# What a program is made of but its main(), for the unit tests.
$(addprefix $(BUILD)/lib,$(addsuffix .a,$(PROGRAMS))): $(BUILD)/lib%.a: \
    $$(call objects,$$(call without_main,$$($$*_SOURCES))) $$(call embedded,$$*) $(SOURCES)
	@rm -f $@ && ar rcs $@ $(filter %.o,$^)

tests: $(addprefix $(BUILD)/tests/,$(TESTS)) $(BUILD)/tests/failing.so $(BUILD)/tests/clock.so ## Build the tests' programs

$(BUILD)/tests/unit: $(call objects,$(unit_SOURCES)) $(PROGRAMS:%=$(BUILD)/lib%.a) $(SHARED) $(SOURCES)
	@mkdir -p $(@D)
	$(call quietly,LINK $@) $(link) $(filter %.o %.a,$^) $(CHECK) $(LIBS)

$(BUILD)/tests/integration: $(call objects,$(integration_SOURCES)) $(SHARED) $(SOURCES)
	@mkdir -p $(@D)
	$(call quietly,LINK $@) $(link) $(filter %.o %.a,$^) $(CHECK) $(LIBS)

$(BUILD)/tests/protocol: $(call objects,$(protocol_SOURCES)) $(call embedded,tests/protocol) $(BUILD)/libdispatcher.a \
    $(BUILD)/libpersister.a $(SHARED) $(SOURCES)
	@mkdir -p $(@D)
	$(call quietly,LINK $@) $(link) $(protocol_PLANTS:%=-Wl,--wrap=%) $(filter %.o %.a,$^) $(CHECK) $(LIBS)

$(BUILD)/tests/chaos: $(call objects,$(chaos_SOURCES)) $(SHARED) $(SOURCES)
	@mkdir -p $(@D)
	$(call quietly,LINK $@) $(link) $(filter %.o %.a,$^) $(CHECK) $(LIBS)

$(BUILD)/tests/topologies: $(call objects,$(topologies_SOURCES)) $(SHARED) $(SOURCES)
	@mkdir -p $(@D)
	$(call quietly,LINK $@) $(link) $(filter %.o %.a,$^) $(CHECK) $(LIBS)

$(BUILD)/tests/browser: $(call objects,$(browser_SOURCES)) $(SHARED) $(SOURCES)
	@mkdir -p $(@D)
	$(call quietly,LINK $@) $(link) $(filter %.o %.a,$^) $(CHECK) $(LIBS)

# What measures (main.c), and the small programs that it measures with and against.
.PHONY: bench-programs
bench-programs: $(BUILD)/bench/bench $(BENCH_TOOLS:tests/bench/programs/%.c=$(BUILD)/bench/%)

$(BUILD)/bench/bench: $(call objects,$(bench_SOURCES)) $(SHARED) $(SOURCES)
	@mkdir -p $(@D)
	$(call quietly,LINK $@) $(link) $(filter %.o %.a,$^) $(CHECK) $(LIBS)

$(BENCH_TOOLS:tests/bench/programs/%.c=$(BUILD)/bench/%): $(BUILD)/bench/%: $(BUILD)/obj/tests/bench/programs/%.o \
    $(call objects,$(bench_tool_SOURCES)) $(SHARED) $(SOURCES)
	@mkdir -p $(@D)
	$(call quietly,LINK $@) $(link) $(filter %.o %.a,$^) $(CHECK) $(LIBS)

# What a test preloads into a program: to let an allocation or a call on a socket fail; to give it another time of day.
$(BUILD)/tests/failing.so: tests/failing/failing.c tests/failing/control.h
$(BUILD)/tests/clock.so: tests/clock/clock.c
$(BUILD)/tests/%.so: $(FLAGS)
	@mkdir -p $(@D)
	$(call quietly,CC   $@) $(CC) $(CFLAGS) $(filter-out -fPIE -D_FORTIFY_SOURCE=% -fsanitize%,$(OURFLAGS)) -fPIC -shared -o $@ $(filter %.c,$^) -ldl

# FUZZ=1: with clang's coverage in every object, as `make fuzz` builds it.
$(BUILD)/tests/fuzz: $(BUILD)/obj/tests/fuzz/fuzz.o $(call objects,$(fuzz_SOURCES)) $(PROGRAMS:%=$(BUILD)/lib%.a) $(SHARED) $(SOURCES)
	@mkdir -p $(@D)
	$(call quietly,LINK $@) $(link) -fsanitize=fuzzer $(filter %.o %.a,$^) $(LIBS)

# One line `SUITE(noun)` for each test_<noun>.c, for the main() of the tests; in a folder, its name comes before the noun.
$(BUILD)/gen/%_suites.h: FORCE
	@mkdir -p $(@D)
	@tests/suites.sh $* | sed 's/.*/SUITE(&)/' > $@.new; \
	  if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(BUILD)/obj/tests/unit/main.o: $(BUILD)/gen/unit_suites.h
$(BUILD)/obj/tests/integration/main.o: $(BUILD)/gen/integration_suites.h

# Files that change only when what they hold does, so that what depends on them is rebuilt: the flags and the compiler
# (objects of different ones never mix), the version, the list of sources (a deleted one leaves no object behind).
ALL_FLAGS := $(CC) $(CFLAGS) $(OURFLAGS) $(LDFLAGS) $(LIBS) $(CHECK)
$(FLAGS): export HELD = $(ALL_FLAGS)
$(BUILD)/version: export HELD = $(VERSION)
$(SOURCES): export HELD = $(foreach p,shared $(TESTS) bench $(PROGRAMS),$($(p)_SOURCES)) $(BENCH_TOOLS) $(EMBEDDED)
$(FLAGS) $(BUILD)/version $(SOURCES): FORCE
	@pkg-config --print-errors --exists $(PACKAGES) || { echo "libraries are missing: bin/install-deps.sh build" >&2; exit 1; }
	@mkdir -p $(@D)
	@printf '%s\n' "$$HELD" | cmp -s - $@ || printf '%s\n' "$$HELD" > $@

$(BUILD)/obj/shared/settings/settings.o: OURFLAGS += -DPROGRAM_VERSION='"$(VERSION)"'
$(BUILD)/obj/shared/settings/settings.o: $(BUILD)/version

$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c $(FLAGS)
	@mkdir -p $(@D)
	$(call quietly,CC   $<) $(CC) $(CFLAGS) $(OURFLAGS) -c -o $@ $<

.PRECIOUS: $(BUILD)/gen/%.c $(BUILD)/gen/%/embedded.h
$(BUILD)/gen/%.c: % bin/lib/embed.sh
	@mkdir -p $(@D)
	@bin/lib/embed.sh $< > $@.new && mv $@.new $@

# What declares all that is embedded from a folder. It must be there before what may include it is first compiled; from
# then on the compiler's own dependencies say who does.
$(BUILD)/gen/%/embedded.h: $(SOURCES) bin/lib/embed.sh
	@mkdir -p $(@D)
	@bin/lib/embed.sh --declare $(filter $*/%,$(EMBEDDED)) > $@.new && mv $@.new $@

$(foreach p,ingest persister protocol,$(call objects,$($(p)_SOURCES))): | $(EMBEDDED_HEADERS)

$(BUILD)/obj/%.o: %.c $(FLAGS)
	@mkdir -p $(@D)
	$(call quietly,CC   $<) $(CC) $(CFLAGS) $(OURFLAGS) -MMD -MP -c -o $@ $<

-include $(patsubst %.c,$(BUILD)/obj/%.d,$(sort $(BENCH_TOOLS) $(foreach p,shared $(TESTS) bench $(PROGRAMS),$($(p)_SOURCES))))

clean: ## Remove what was built
	rm -rf build

# --- Running it

.PHONY: setup run stop test run-tests format lint check

setup: ## Install what is missing, build, make the database
	bin/install-deps.sh build run
	@$(MAKE) --no-print-directory build
	bin/db.sh migrate

run: ## Start everything and wait until it is ready (bin/start.sh)
	bin/start.sh

stop: ## Stop what was started (bin/stop.sh)
	bin/stop.sh

test: ## Run all tests; SANITIZE=address,undefined with sanitizers
	@bin/install-deps.sh build run redis postgres test monitoring
	@$(MAKE) --no-print-directory run-tests

run-tests: build tests
	@BUILD_DIR=$(BUILD) tests/run.sh

.PHONY: test-unit
test-unit: build $(BUILD)/tests/unit ## The unit suites alone
	@BUILD_DIR=$(BUILD) $(BUILD)/tests/unit

.PHONY: test-browser screenshots
test-browser: ## The console in a real headless Chromium
	@bin/install-deps.sh build run redis postgres test browser
	@$(MAKE) --no-print-directory build $(BUILD)/tests/browser
	@BUILD_DIR=$(BUILD) $(BUILD)/tests/browser

screenshots: build $(BUILD)/tests/browser ## Retake the console's pictures in docs/
	@mkdir -p docs
	@BUILD_DIR=$(BUILD) $(BUILD)/tests/browser screenshots

.PHONY: test-crowd show-order show-cancel test-failing test-repeat
test-crowd: build tests ## Thousands of messages: 5,000 to a provider that fails in every way, 9,800 calls at once, 5,000 with receipts
	@BUILD_DIR=$(BUILD) CROWD=5000 IN_FLIGHT=9800 $(BUILD)/tests/integration crowd
	@BUILD_DIR=$(BUILD) CROWD=5000 $(BUILD)/tests/integration receipts_crowd

show-order: build tests ## Who is called before whom: 200 conversations of 50 messages, a provider that fails, dying dispatchers
	@BUILD_DIR=$(BUILD) ORDER_CONVERSATIONS=200 ORDER_MESSAGES=50 $(BUILD)/tests/integration order_crowd

show-cancel: build tests ## 10,000 messages that wait, each cancelled at some instant beside two dispatchers: none is called after the 202
	@BUILD_DIR=$(BUILD) CANCEL_RACES=10000 $(BUILD)/tests/integration cancel_crowd

test-failing: build tests ## Memory and sockets that fail at each call of a message's way (make test: at every eighth of many)
	@BUILD_DIR=$(BUILD) FAILING_STEP=1 $(BUILD)/tests/integration failing

.PHONY: test-upgrade
test-upgrade: build ## From the older release 50b4a1b to this one, in place and rolling, under load: nothing lost, nothing doubled
	@bin/install-deps.sh run redis postgres test
	@BUILD_DIR=$(BUILD) bash tests/upgrade/run.sh

.PHONY: test-topologies
test-topologies: build $(BUILD)/tests/topologies ## TLS, Sentinel, a Postgres pair, with real servers under load: PARTS="tls sentinel partition postgres credentials"
	@bin/install-deps.sh run redis postgres test topologies
	@BUILD_DIR=$(BUILD) bash tests/topologies/run.sh $(PARTS)

test-repeat: build tests ## Each suite by itself, again and again, for what depends on a machine's speed: SUITES='unit:*', TIMES, BUSY=2 processes beside
	@BUILD_DIR=$(BUILD) tests/repeat.sh

.PHONY: fuzz
TIME ?= 60
fuzz: ## Fuzz every parser, then the whole HTTP face, with sanitizers: TIME=60 seconds each, FUZZ_SEED=n for the latter
	@bin/install-deps.sh build run redis postgres test fuzz
	@$(MAKE) --no-print-directory CC=clang BUILD=build/fuzz SANITIZE=address$(comma)undefined FUZZ=1 build/fuzz/tests/fuzz
	@BUILD_DIR=build/fuzz TIME=$(TIME) tests/fuzz/run.sh
	@$(MAKE) --no-print-directory SANITIZE=address$(comma)undefined build build/address-undefined/tests/integration
	@BUILD_DIR=build/address-undefined FUZZ_SECONDS=$(TIME) build/address-undefined/tests/integration mutator

.PHONY: check-protocol
# Both parts, or what PROTOCOL_ONLY (seeds | plants) names.
check-protocol: ## Random interleavings and faults on messaging.lua, dispatcher and persister: PROTOCOL_SEEDS=500, PROTOCOL_SEED=n for one
	@bin/install-deps.sh build redis test
	@$(MAKE) --no-print-directory $(BUILD)/tests/protocol
	@$(BUILD)/tests/protocol $(if $(PROTOCOL_SEED),seeds,$(PROTOCOL_ONLY))

.PHONY: chaos
chaos: ## Break everything under load and account for every message: CHAOS_SECONDS, CHAOS_RATE, CHAOS_SEED, CHAOS_COPIES, CHAOS_REDIS=sentinel, CHAOS_POOLER=session, CHAOS_PROVIDER=hostile
	@bin/install-deps.sh build run redis postgres test
	@$(MAKE) --no-print-directory build $(BUILD)/tests/chaos
	@BUILD_DIR=$(BUILD) $(BUILD)/tests/chaos

# --- How fast it is

BENCH_STAGES = accept accept-latency batch persist dispatch in-flight scheduled end-to-end latency reads retention memory growth tls
.PHONY: bench run-bench $(BENCH_STAGES:%=bench-%)

bench: ## Measure all stages beside their ceilings, into build/bench.json (20 minutes; bench-accept … one of them)
	@bin/install-deps.sh build run redis postgres test bench
	@$(MAKE) --no-print-directory run-bench STAGES=

$(BENCH_STAGES:%=bench-%): bench-%:
	@bin/install-deps.sh build run redis postgres test bench
	@$(MAKE) --no-print-directory run-bench STAGES=$*

run-bench: build bench-programs
	@BUILD_DIR=$(BUILD) $(BUILD)/bench/bench $(STAGES)

# --- The code's form

.PHONY: analyze docs
PRODUCT     = $(call below,shared ingest dispatcher persister,*.c)
C_FILES     = $(call below,shared ingest dispatcher persister tests,*.[ch])
BASH_FILES  = $(wildcard bin/*.sh bin/lib/*.sh redis/*.sh tests/*.sh tests/*/*.sh tests/*/*.bash tests/compose/stand-ins/*.sh) .ci/run

format: ## Format the C sources
	clang-format -i $(C_FILES)

docs: build ## Regenerate the settings in README.md and .env.example
	@$(BUILD)/ingest --print-settings=dotenv > .env.example
	@$(BUILD)/ingest --print-settings=markdown > $(BUILD)/settings.md
	@sed -i -e '/^<!-- settings -->$$/,/^<!-- \/settings -->$$/{//!d}' -e '/^<!-- settings -->$$/r $(BUILD)/settings.md' README.md

.PHONY: phone-table
# What phonenumbers 9.0.43 of PyPI says; a later version is to be named here and its changed counts in test_phone.c.
phone-table: ## Make the table of phone numbers and the examples of its tests anew
	@test -d $(BUILD)/phone-table || python3 -m venv $(BUILD)/phone-table
	@$(BUILD)/phone-table/bin/pip install --quiet phonenumbers==9.0.43
	@$(BUILD)/phone-table/bin/python bin/lib/phone_table.py shared/message/phone_table.c \
	  tests/unit/shared/message/phone_examples.tsv

.PHONY: entity-table
entity-table: ## Make the table of HTML's named character references anew
	@python3 bin/lib/entity_table.py shared/message/html_entity_table.c

lint: ## Look at the C and shell sources: format, shellcheck, cppcheck, clang-tidy
	clang-format --dry-run -Werror $(C_FILES)
	shellcheck -x $(BASH_FILES)
	@$(MAKE) --no-print-directory analyze

# Two at a time; clang-tidy's count of suppressed warnings goes to standard error.
analyze: $(EMBEDDED_HEADERS)
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
	  --suppress=missingIncludeSystem -j 2 -I. shared ingest dispatcher persister
	@printf '%s\n' $(PRODUCT) | xargs -P 2 -n 6 sh -c 'clang-tidy --quiet "$$@" -- $(TIDY_FLAGS) 2>/dev/null || { echo "clang-tidy: findings above"; exit 1; }' tidy
	@printf '%s\n' $(PRODUCT) | xargs -P 2 -n 24 sh -c 'clang-query -f tests/pointers.query "$$@" -- $(TIDY_FLAGS) 2>/dev/null' query | \
	  { ! grep -A 2 'binds here'; } || { echo "a pointer is compared with NULL, not taken for a truth value"; exit 1; }
TIDY_FLAGS  = $(OURFLAGS) -DPROGRAM_VERSION=\"tidy\"

check: lint test ## Everything that must hold: lint and test

# --- The database: DATABASE_URL's where that is set, else the private one

.PHONY: migrate-apply migrate-new migrate-status migrate-status-client db-seed db-up db-down db-logs db-reset db-shell

migrate-apply: ## Apply the pending migrations
	@bin/db.sh migrate

migrate-new: ## Begin a pair of migration files: NAME=add_feature
	@bin/migrate.sh new "$(NAME)"

migrate-status: ## Show which migrations are applied
	@bin/db.sh status

migrate-status-client: ## The same, and which server and database that is
	@bin/db.sh which

db-seed: ## Apply the migrations and the demo data
	@bin/db.sh seed

db-up: ## Start the private Postgres
	@bin/db.sh up

db-down: ## Stop the private Postgres
	@bin/db.sh down

db-logs: ## Show the end of the private Postgres's log
	@bin/db.sh logs

db-reset: ## Drop everything and apply the migrations; CONFIRM=yes for a database that is not private
	@bin/db.sh reset

db-shell: ## psql
	@bin/db.sh shell

# --- Containers

.PHONY: docker-build docker-up docker-down docker-logs docker-restart docker-rolling test-compose bench-scale
# Compose v2 where the docker command has it, else v1's docker-compose.
COMPOSE = $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)

docker-build: ## Build the container images
	$(COMPOSE) build

docker-up: ## Build and start all services in containers
	$(COMPOSE) up --build --detach

docker-down: ## Stop them; the data stays
	$(COMPOSE) down

docker-logs: ## Follow their logs
	$(COMPOSE) logs --follow

docker-restart: ## Rebuild and restart them
	$(COMPOSE) up --build --detach --force-recreate

SERVICES ?= ingest dispatcher persister mock-provider
docker-rolling: ## Restart containers one by one, each once the last is healthy: SERVICES="ingest dispatcher"
	bin/rolling.sh $(SERVICES)

test-compose: ## Bring the containers up, restart them under load, take them down (starts its own Docker engine if need be)
	@bin/install-deps.sh run compose
	@tests/compose/run.sh

.PHONY: test-vendors
test-vendors: ## Twilio's and SendGrid's own SDKs (npm, PyPI) judge the mock and the webhooks; nothing outside is called
	@bin/install-deps.sh build run redis postgres test vendors
	@$(MAKE) --no-print-directory build
	@BUILD_DIR=$(BUILD) tests/vendors/run.sh

.PHONY: test-debian
DEBIAN ?= bookworm trixie
test-debian: ## README's commands on bare Debians, by debootstrap (as root): DEBIAN="bookworm trixie"
	@bin/install-deps.sh debian
	@tests/debian/run.sh $(DEBIAN)

bench-scale: ## The speed-up of 1, 2 and 4 dispatchers at a provider that takes 50 ms
	@bin/install-deps.sh build run redis
	@$(MAKE) --no-print-directory build
	@BUILD_DIR=$(BUILD) tests/bench/scale.sh
