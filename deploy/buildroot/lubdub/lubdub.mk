################################################################################
#
# lubdub
#
################################################################################

LUBDUB_VERSION = 0.1.0
LUBDUB_SITE = $(call qstrip,$(BR2_PACKAGE_LUBDUB_SITE))
# Made and vendored by whoever builds: its bytes are not known here.
BR_NO_CHECK_HASH_FOR += lubdub-$(LUBDUB_VERSION)-cargo6.tar.gz
# The packages in VENDOR are linked in; those without a name here are offered under Apache-2.0 or MIT. legal-info keeps the
# sources, VENDOR included, as the MPL-2.0 asks for. deploy/notices and deploy/sbom print the whole list.
LUBDUB_LICENSE = Apache-2.0 or MIT, BSD-3-Clause (argh), MPL-2.0 (serialport)
LUBDUB_LICENSE_FILES = \
	LICENSE-APACHE LICENSE-MIT \
	VENDOR/argh/LICENSE VENDOR/serialport/LICENSE.txt
LUBDUB_CARGO_BUILD_OPTS = --bin lubdub

# For size, as in its own release profile, which Buildroot overrides.
LUBDUB_CARGO_ENV = \
	CARGO_PROFILE_RELEASE_OPT_LEVEL="z" \
	CARGO_PROFILE_RELEASE_LTO="fat" \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS="1"

LUBDUB_BINARY = $(@D)/target/$(RUSTC_TARGET_NAME)/$(if $(BR2_ENABLE_DEBUG),debug,release)/lubdub

# It belongs into sbin, where cargo install does not put it.
define LUBDUB_INSTALL_TARGET_CMDS
	$(@D)/deploy/install $(LUBDUB_BINARY) $(TARGET_DIR) none
endef

define LUBDUB_INSTALL_INIT_SYSV
	$(@D)/deploy/install $(LUBDUB_BINARY) $(TARGET_DIR) sysv
	$(INSTALL) -D -m 0755 $(LUBDUB_PKGDIR)/S95heartbeat \
		$(TARGET_DIR)/etc/init.d/S95heartbeat
endef

define LUBDUB_INSTALL_INIT_OPENRC
	$(@D)/deploy/install $(LUBDUB_BINARY) $(TARGET_DIR) openrc
endef

define LUBDUB_INSTALL_INIT_SYSTEMD
	$(@D)/deploy/install $(LUBDUB_BINARY) $(TARGET_DIR) systemd
endef

$(eval $(cargo-package))
