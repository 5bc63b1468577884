# Builds the four programs into build/ and runs everything else; `make help` lists the targets.
# Settings come from the environment, then from .env.

CC        ?= gcc
BUILD     ?= build
SANITIZE  ?=
VERSION   := $(shell git describe --always --dirty 2>/dev/null || echo unknown)

ifneq ($(SANITIZE),)
BUILD     := build/$(subst $(comma),-,$(SANITIZE))
endif
comma     := ,

PACKAGES  := libmicrohttpd hiredis libcjson libpq libuv libcurl inih libutf8proc libcrypto
WARNINGS  := -Wall -Wextra -Werror -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
             -Wpointer-arith -Wcast-qual -Wwrite-strings -Wformat=2 -Wundef -Wvla -Wswitch-enum -Wimplicit-fallthrough
CFLAGS    ?= -O2 -g
OURFLAGS  := -std=c11 -D_GNU_SOURCE -I. $(WARNINGS) -fno-omit-frame-pointer -fstack-protector-strong -fPIE \
             -DPROGRAM_VERSION='"$(VERSION)"' \
             $(shell pkg-config --cflags $(PACKAGES) | sed 's/-I/-isystem /g')
ifeq ($(SANITIZE),)
OURFLAGS  += -D_FORTIFY_SOURCE=2
else
OURFLAGS  += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
endif
LDFLAGS   += -pie -Wl,-z,relro,-z,now $(if $(SANITIZE),-fsanitize=$(SANITIZE))
LIBS      := $(shell pkg-config --libs $(PACKAGES)) -lpthread -lm

PROGRAMS  := ingest dispatcher persister mock-provider
EMBEDDED  := redis/messaging.lua $(wildcard */sql/*.sql) ingest/openapi.yaml

shared_SOURCES        := $(wildcard shared/*.c)
ingest_SOURCES        := $(wildcard ingest/*.c)
dispatcher_SOURCES    := $(wildcard dispatcher/*.c)
persister_SOURCES     := $(wildcard persister/*.c)
mock-provider_SOURCES := $(wildcard dispatcher/mock/*.c)

objects    = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
embedded   = $(patsubst %,$(BUILD)/obj/gen/%.o,$(filter $(1),$(EMBEDDED)))
SHARED    := $(BUILD)/libshared.a

.PHONY: all build clean
all: build
build: $(addprefix $(BUILD)/,$(PROGRAMS)) ## Build the four programs into build/

$(SHARED): $(call objects,$(shared_SOURCES)) $(call embedded,redis/messaging.lua)
	@rm -f $@ && ar rcs $@ $^

.SECONDEXPANSION:
$(addprefix $(BUILD)/,$(PROGRAMS)): $(BUILD)/%: $$(call objects,$$(%_SOURCES)) $$(call embedded,$$*/%) $(SHARED)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter-out $(SHARED),$^) $(SHARED) $(LIBS)

$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(OURFLAGS) -c -o $@ $<

$(BUILD)/gen/%.c: % bin/embed.sh
	@mkdir -p $(@D)
	bin/embed.sh $< > $@.new && mv $@.new $@

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(OURFLAGS) -MMD -MP -c -o $@ $<

-include $(patsubst %.c,$(BUILD)/obj/%.d,$(foreach p,shared $(PROGRAMS),$($(p)_SOURCES)))

clean: ## Remove build/
	rm -rf build
