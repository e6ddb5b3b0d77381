# linkedin_ingest
#
#	make, make install, make installcheck	as for every PGXS extension; PG_CONFIG=... chooses the server
#	make check		every suite, in a private copy and private servers (test/run)
#	make check-long	what is too long for check: every program of test/long; one needs npm
#	make soak		half an hour under load with faults (test/long/soak.pl)
#	make bench		figures, on an otherwise idle machine (test/bench)
#	make coverage	lines that the tests run; fails below 95 % of src/score and src/llm
#	make sanitize	the suite with sanitizers in the library
#	make demo		fictional people scored and ranked; LIVE=1 asks a real model (test/demo)
#	make demo-stop	ends the demo
#	make indent		mends the line breaks of the C files (test/lib/format)
#
# check, bench, coverage, sanitize and demo install what they miss, pg_config included, so they must not
# need PGXS.  They are therefore handled first, without it.

OWN_GOALS = check check-long bench soak coverage sanitize demo demo-stop indent
.PHONY: $(OWN_GOALS)

ifneq ($(filter $(OWN_GOALS),$(MAKECMDGOALS)),)
ifneq ($(filter-out $(OWN_GOALS),$(MAKECMDGOALS)),)
$(error "$(filter $(OWN_GOALS),$(MAKECMDGOALS))" must be called on its own)
endif

# test/run builds for itself with flags of its own.
unexport MAKEFLAGS MFLAGS MAKEOVERRIDES

check:
	@test/run

check-long:
	@failed=; for program in test/long/*; do \
		[ ! -x "$$program" ] || "$$program" || failed="$$failed $$program"; \
	done; [ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

bench:
	@test/run bench

soak:
	@test/run long/soak

coverage:
	@test/run coverage

sanitize:
	@test/run sanitize

demo:
	@test/demo start

demo-stop:
	@test/demo stop

indent:
	@test/lib/format --fix $$(find src test -name '*.[ch]')

else

EXTENSION = linkedin_ingest
MODULE_big = linkedin_ingest
PGFILEDESC = "linkedin_ingest - LinkedIn profiles scored by a language model"

# What PGXS will call srcdir; it is needed before PGXS is included.
LI_SRC := $(patsubst %/,%,$(or $(VPATH),$(dir $(firstword $(MAKEFILE_LIST)))))

EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" $(LI_SRC)/$(EXTENSION).control)

# The install script, by subject, in the order of their dependencies.
SQL_PIECES = schema roles profiles sources providers tokens templates jobs worker ingest \
	seeds_templates template_history scoring flow reviews queue views stats operation models dump access
SQL_FILES = $(SQL_PIECES:%=$(LI_SRC)/sql/%.sql)
DATA_built = sql/$(EXTENSION)--$(EXTVERSION).sql

# Vocabularies for counting tokens, beside the script.
DATA = $(patsubst $(LI_SRC)/%,%,$(wildcard $(LI_SRC)/src/tokens/data/*.ranks))

SRCS := $(sort $(wildcard $(LI_SRC)/src/*.c $(LI_SRC)/src/*/*.c))
OBJS := $(SRCS:$(LI_SRC)/%.c=%.o)
$(shell mkdir -p sql $(sort $(dir $(OBJS))))

PG_CPPFLAGS = -I$(LI_SRC)/src -DLI_VERSION='"$(EXTVERSION)"' $(shell pkg-config --cflags libcurl jansson 2>/dev/null)
SHLIB_LINK = $(shell pkg-config --libs libcurl jansson 2>/dev/null || echo -lcurl -ljansson)

# A changed header rebuilds what includes it, whatever the server's own
# --enable-depend was.
PG_CFLAGS = -MMD -MP $(PERMIT_DECLARATION_AFTER_STATEMENT)
ifdef WERROR
PG_CFLAGS += -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers -Wno-sign-compare
endif

# Bitcode lets the server inline C functions into JIT code.  Ours wait for
# models, not for the processor, and building it needs the clang that built
# the server: only on request (make with_llvm=yes).
ifneq ($(origin with_llvm),command line)
override with_llvm = no
endif

REGRESS = $(sort $(patsubst $(LI_SRC)/test/sql/%.sql,%,$(wildcard $(LI_SRC)/test/sql/*.sql)))
ISOLATION = $(sort $(patsubst $(LI_SRC)/test/specs/%.spec,%,$(wildcard $(LI_SRC)/test/specs/*.spec)))
REGRESS_OPTS = --inputdir=$(LI_SRC)/test --load-extension=$(EXTENSION)
ISOLATION_OPTS = --inputdir=$(LI_SRC)/test --outputdir=. --load-extension=$(EXTENSION)
ifndef NO_TAP
TAP_TESTS = 1
PROVE_TESTS = $(patsubst $(LI_SRC)/%,%,$(sort $(wildcard $(LI_SRC)/test/t/*.pl)))
PROVE_FLAGS = -I test/perl
endif

EXTRA_CLEAN = $(OBJS:.o=.d) src/.build_commit

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq ($(wildcard $(PGXS)),)
$(error PGXS not found: install the server's development package (postgresql-server-dev-NN) or say which server, make PG_CONFIG=/path/to/pg_config)
endif
include $(PGXS)

# From 16 on pg_regress has an option for expected/; before, it looks in the
# output folder, which is the top, as pg_isolation_regress always does.
ifneq ($(filter-out 15,$(MAJORVERSION)),)
REGRESS_OPTS += --expecteddir=$(LI_SRC)
endif

$(DATA_built): $(SQL_FILES) $(LI_SRC)/$(EXTENSION).control $(LI_SRC)/Makefile
	{ printf '%s\n' '\echo Use "CREATE EXTENSION $(EXTENSION)" to load this file. \quit'; \
	  for f in $(SQL_FILES); do echo; cat "$$f"; done; } >$@.tmp && mv $@.tmp $@

-include $(OBJS:.o=.d)

# The commit the library was built from, for version(); empty outside a
# checkout.  The file that uses it is built again when the commit changes.
ifndef BUILD_COMMIT
ifneq ($(wildcard $(LI_SRC)/.git),)
BUILD_COMMIT := $(shell git -C $(LI_SRC) describe --always --dirty --abbrev=12 2>/dev/null)
endif
endif
COMMIT_OBJS := $(patsubst $(LI_SRC)/%.c,%.o,$(shell grep -l LI_BUILD_COMMIT $(SRCS)))
$(COMMIT_OBJS): override CPPFLAGS += -DLI_BUILD_COMMIT='"$(BUILD_COMMIT)"'
$(COMMIT_OBJS): src/.build_commit
$(shell echo '$(BUILD_COMMIT)' | cmp -s - src/.build_commit || echo '$(BUILD_COMMIT)' >src/.build_commit)

endif
