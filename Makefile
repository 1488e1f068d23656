# SPDX-License-Identifier: GPL-2.0
#
# Kbuild says what the modules are made of; this file says what to do with them.

KDIR ?= /lib/modules/$(shell uname -r)/build
# Further traces for `make check` to replay, in folders like selftests/traces.
export TRACES_DIR

kernels := $(shell scripts/kernel list)

.PHONY: all modules modules_install clean help demo check check-long soak bench figures selftests tools host

all: modules

modules modules_install:
	@test -d $(KDIR) || { echo "no kernel headers at KDIR=$(KDIR)" >&2; exit 1; }
	$(MAKE) -C $(KDIR) M=$(CURDIR) $@

clean:
	rm -rf build
	test ! -d $(KDIR) || $(MAKE) -C $(KDIR) M=$(CURDIR) clean

help:
	@echo 'make                  the modules, for the kernel of KDIR'
	@echo '                      ($(KDIR))'
	@echo 'make modules_install  install them there'
	@echo 'make demo             watch the module serve recorded workloads in a guest;'
	@echo '                      leaves a report with pictures, build/demo/index.html'
	@echo 'make check            every test; TRACES_DIR=DIR replays the traces there too'
	@echo 'make check-long       those that take longer, too: kernels that look for mistakes,'
	@echo '                      real-time kernels'
	@echo 'make soak             everything at once for an hour; SOAK=MINUTES for as many'
	@echo 'make bench            compare with the allocators of the kernel; BENCH=quick'
	@echo '                      for a first impression'
	@echo 'make figures          draw the figures of README again'
	@echo 'make clean            remove what was built'
	@echo
	@echo 'demo, check, check-long, soak, bench and figures install the Debian packages they lack'
	@echo '(root or sudo).'
	@echo 'scripts/vm boots a guest by hand and needs these, which it makes itself:'
	@echo 'make modules-KERNEL   the modules for one of: $(kernels)'
	@echo 'make selftests        what runs in the guest, with the tools'
	@echo 'make tools            respool-stat and respool-top, in build/tools'
	@echo 'make host             what runs right here'

demo:
	scripts/install-deps demo
	$(MAKE) modules-6.1 selftests
	scripts/demo

check:
	scripts/install-deps check
	scripts/check

check-long:
	scripts/install-deps check-long
	scripts/check --long

soak:
	scripts/install-deps demo
	$(MAKE) modules-6.1 selftests
	scripts/soak $(or $(SOAK),60)

bench:
	scripts/install-deps bench
	scripts/bench $(or $(BENCH),full)

figures:
	scripts/install-deps figures
	scripts/figures

modules-%:
	scripts/build-modules $* build/modules/$*

selftests: tools
	$(MAKE) -C $@ KSRC=$$(scripts/ksrc) OUTPUT=$(CURDIR)/build/selftests

tools:
	$(MAKE) -C $@ OUTPUT=$(CURDIR)/build/tools

host:
	$(MAKE) -C selftests/host
