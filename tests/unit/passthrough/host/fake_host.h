/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_PASSTHROUGH_HOST_FAKE_HOST_H
#define TESTS_UNIT_PASSTHROUGH_HOST_FAKE_HOST_H

#include <criterion/criterion.h>

#include "passthrough/host/files.h"

/*
 * A host in a folder of its own, as the kernel would show it in sysfs and proc, and the kernel's
 * side of driver_override, unbind and drivers_probe.
 */
struct fake_host {
	struct host host;
	char folder[64];
	bool unprivileged;
	uint64_t memory_lock;
	int kvm_error;           /* of opening /dev/kvm */
	const char *deaf_driver; /* a driver that takes nothing */
	const char *stuck;       /* a device whose driver does not let go */
	unsigned int stores;
};

extern struct fake_host fake;

void fake_begin(void);
void fake_end(void);

/* Paths below the folder; folders in between are made. */
void fake_file(const char *path, const char *text);
void fake_bytes(const char *path, const void *bytes, size_t length);
void fake_link(const char *path, const char *target);
void fake_folder(const char *path);

/* A device with 64 bytes of configuration space; @driver and @group may be NULL. */
void fake_device(const char *address, const char *ids_and_class, const char *driver,
		 const char *group);
/* ... its configuration space: a conventional one, or that of a CXL device. */
void fake_config(const char *address, bool cxl);
/* The bytes of the latter, for changes. */
void fake_cxl_config(uint8_t config[4096]);
/* A driver that exists, and the one that @address has without an override. */
void fake_driver(const char *name);
void fake_native_driver(const char *address, const char *name);
const char *fake_driver_of(const char *address);

#endif
