# SPDX-License-Identifier: BSD-2-Clause
# The front door. Meson does the work; every variant has a build directory of its own:
#
#	make				build/		make CC=clang	build-clang/
#	make SAN=address,undefined	build-asan/	make SAN=thread	build-tsan/
#
# A variant can also be tested: make test SAN=thread. `make help` lists the targets.

SAN ?=
SECONDS ?= 30
PREFIX ?= /usr/local
DESTDIR ?=

# make has values of its own for CC and CXX: those are not a choice of the user.
ifeq ($(origin CC),default)
CC :=
endif
ifeq ($(origin CXX),default)
CXX :=
endif

compiler := $(notdir $(firstword $(CC)))
ifneq ($(compiler),)
ifneq ($(filter clang%,$(compiler)),)
ifeq ($(CXX),)
override CXX := $(subst clang,clang++,$(CC))
endif
endif
endif
# gcc and cc are what meson takes anyway: no other directory for them
suffix := $(if $(filter-out gcc cc,$(compiler)),-$(compiler))

ifneq ($(findstring address,$(SAN)),)
suffix := $(suffix)-asan
else ifeq ($(SAN),thread)
suffix := $(suffix)-tsan
else ifeq ($(SAN),undefined)
suffix := $(suffix)-ubsan
else ifneq ($(SAN),)
$(error SAN is address,undefined or address or undefined or thread, not $(SAN))
endif
BUILD := build$(suffix)

export CC CXX SAN

.PHONY: all build demo test bench lint format fuzz install deps clean help
all: build

build:
	@scripts/build $(BUILD)

demo: deps-build build
	@$(BUILD)/tacho demo

test: deps-test
	@scripts/test $(if $(suffix),$(BUILD))

bench: deps build
	@bench/run.sh $(BUILD)

lint:
	@scripts/lint

format:
	@scripts/lint --fix

fuzz:
	@scripts/fuzz $(SECONDS)

install: build
	@meson configure $(BUILD) -Dprefix='$(abspath $(PREFIX))'
	@DESTDIR='$(DESTDIR)' meson install -C $(BUILD) --quiet

deps:
	@scripts/deps

deps-%:
	@scripts/deps $*

clean:
	rm -rf build build-*/

help:
	@echo 'make              build into build/'
	@echo 'make demo         build, and show what the scheduler does for a mix of programs'
	@echo 'make test         all builds, all tests'
	@echo 'make bench        all benchmarks, into build/bench.tsv'
	@echo 'make lint         style and rules; make format repairs the style'
	@echo 'make fuzz         libFuzzer, SECONDS=30 for each target'
	@echo 'make install      PREFIX=/usr/local DESTDIR='
	@echo 'make deps         the Debian packages that are missing'
	@echo 'make clean        remove all build directories'
	@echo 'Variants: SAN=address,undefined  SAN=thread  CC=clang'
