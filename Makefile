# rban: build, try, check, install. `make help` lists what there is.

CARGO ?= cargo
prefix ?= /usr
sysconfdir ?= /etc
unitdir ?= /lib/systemd/system
bindir = $(prefix)/bin
docdir = $(prefix)/share/doc/rban
mandir = $(prefix)/share/man
bashdir = $(prefix)/share/bash-completion/completions
zshdir = $(prefix)/share/zsh/vendor-completions
fishdir = $(prefix)/share/fish/vendor_completions.d
licences ?= LICENSE-MIT LICENSE-APACHE
# Where rban looks for its own files, whatever the prefix.
vendordir = /usr/share/rban
DESTDIR ?=
# LINKS=1 puts fail2ban-client, -server and -regex beside rban, which then is them.
LINKS ?= 0
# The paths file of the system at hand: debian, fedora, arch, opensuse or common.
PATHS ?= $(shell . /etc/os-release 2>/dev/null; \
	case " $$ID $$ID_LIKE " in (*debian*) echo debian;; (*fedora* | *rhel*) echo fedora;; \
	(*arch*) echo arch;; (*suse*) echo opensuse;; (*) echo common;; esac)

# RBAN_BINARY=FILE packages and installs a binary that is built already.
ifdef RBAN_BINARY
binary = $(RBAN_BINARY)
else
binary = target/release/rban
endif
# `man jail.conf` finds jail.conf.5rban, and fail2ban's page of that name has a place beside it.
page_name = $$(echo $(1) | sed 's/^jail.conf.5$$/&rban/')
sources = Cargo.toml Cargo.lock $(shell find src -name '*.rs')

.PHONY: help all demo test check bench install uninstall deb rpm packages sign repo test-packages clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | \
	while IFS='|' read -r name text; do printf '  make %-14s %s\n' "$$name" "$$text"; done

all: $(binary) ## the release binary, target/release/rban

ifndef RBAN_BINARY
$(binary): $(sources)
	$(CARGO) build --release --locked
	@touch $@
endif

demo: $(binary) ## a real attack on a real sshd, in namespaces of its own; root
	scripts/need demo
	RBAN=$(binary) scripts/demo

test: ## all tests, the end-to-end ones in namespaces; root
	scripts/need test
	$(CARGO) test --locked

check: ## format, lints, shipped configuration, licences where cargo-deny is
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	@if command -v cargo-deny >/dev/null; then cargo-deny check licenses bans sources; \
	else echo 'cargo-deny is not installed: licences not checked'; fi

bench: $(binary) ## lines per second; and bans, side by side with fail2ban; root
	scripts/need test
	$(CARGO) bench --locked
	scripts/bench-bans
	scripts/bench-restore
	scripts/bench-logs

install: $(binary) ## DESTDIR, prefix, LINKS=1, PATHS=debian|fedora|arch|opensuse|common
	install -Dm755 $(binary) $(DESTDIR)$(bindir)/rban
	if [ '$(LINKS)' = 1 ]; then for name in client server regex; do \
		ln -sf rban $(DESTDIR)$(bindir)/fail2ban-$$name || exit 1; done; fi
	cd config && find . -type f -exec install -Dm644 '{}' '$(DESTDIR)$(vendordir)/{}' ';'
	ln -sf paths-$(PATHS).conf $(DESTDIR)$(vendordir)/paths-distribution.conf
	for unit in rban.service rban.socket; do \
		sed 's|/usr/bin/|$(bindir)/|g' systemd/$$unit | \
		install -Dm644 /dev/stdin $(DESTDIR)$(unitdir)/$$unit || exit 1; done
	install -Dm644 systemd/rban.logrotate $(DESTDIR)$(sysconfdir)/logrotate.d/rban
	for page in man/*; do \
		install -Dm644 $$page $(DESTDIR)$(mandir)/man$${page##*.}/$(call page_name,$${page#man/}) || exit 1; done
	for pair in bash:$(bashdir)/rban zsh:$(zshdir)/_rban fish:$(fishdir)/rban.fish; do \
		text=$$($(abspath $(binary)) completion $${pair%%:*}) || continue; \
		printf '%s\n' "$$text" | install -Dm644 /dev/stdin $(DESTDIR)$${pair#*:} || exit 1; done
	for file in README.md CHANGELOG.md SECURITY.md $(licences) docs/*.md; do \
		install -Dm644 $$file $(DESTDIR)$(docdir)/$${file#docs/} || exit 1; done

uninstall: ## removes what install put there
	rm -f $(DESTDIR)$(bindir)/rban $(DESTDIR)$(sysconfdir)/logrotate.d/rban \
		$(DESTDIR)$(unitdir)/rban.service $(DESTDIR)$(unitdir)/rban.socket \
		$(DESTDIR)$(bashdir)/rban $(DESTDIR)$(zshdir)/_rban $(DESTDIR)$(fishdir)/rban.fish
	for page in man/*; do rm -f $(DESTDIR)$(mandir)/man$${page##*.}/$(call page_name,$${page#man/}); done
	for name in client server regex; do link=$(DESTDIR)$(bindir)/fail2ban-$$name; \
		[ "$$(readlink $$link)" != rban ] || rm -f $$link; done
	rm -rf $(DESTDIR)$(vendordir) $(DESTDIR)$(docdir)

deb: ## the Debian packages, into dist/; RBAN_BINARY=FILE spares the build
	scripts/package deb

rpm: ## the RPM packages, into dist/
	scripts/package rpm

packages: deb rpm ## all packages, their checksums, and what is in them (CycloneDX)
	scripts/package sbom
	scripts/package sums

sign: ## signs what is in dist/; KEY=a secret key gpg has
	scripts/package sign '$(KEY)'

repo: ## signed apt and yum repositories of dist/; KEY=, URL=, YUM_URL=, SUITE=
	scripts/package repo '$(KEY)'

test-packages: ## packages, roles and modules on booted systems; root, slow
	tests/packages/run $(ONLY)

clean: ## what the build made
	$(CARGO) clean
