/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VFIO device opened by group and type1 container or by character device and iommufd, and the
 * reporting of the UAPI test program.
 *
 * Every check is named after a statement of the contract ("s27 ..."); one PASS or FAIL line each.
 */
#ifndef TESTS_DRIVER_UAPI_DEVICE_H
#define TESTS_DRIVER_UAPI_DEVICE_H

#include <linux/vfio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UAPI_BLOCK_SIZE  0x10000ULL
#define UAPI_CXL_FLAG    0x200u
#define UAPI_REGION_TYPE 0x80001e98u

struct uapi_area {
	uint64_t offset;
	uint64_t size;
};

/* What VFIO_DEVICE_GET_REGION_INFO says, capabilities taken apart. */
struct uapi_region {
	struct vfio_region_info info;
	uint32_t needed;           /* argsz after a call with 32 */
	uint32_t first_cap_offset; /* cap_offset after that call */
	uint32_t type, subtype;
	uint32_t area_count; /* 0 also without the capability; see sparse */
	bool sparse;
	bool msix_mappable;
	struct uapi_area areas[8];
};

struct uapi_device {
	/* What the caller knows. */
	const char *bdf;
	const char *prefix; /* of every name that is reported */
	bool summary;       /* one PASS line for all statements that hold */
	int layout;         /* 2 or 3 */
	char topology;      /* A to D */
	uint64_t dpa_size;
	bool cdev; /* by character device and iommufd */

	/* What was found. */
	int container, group; /* -1 when opened by character device */
	int iommufd;          /* -1 when opened by group */
	int fd;
	uint32_t ioas; /* with iommufd */
	uint32_t bar;
	uint64_t bar_size;
	uint64_t block; /* offset of the component block in the BAR, from the register locator */
	uint32_t dvsec, locator; /* positions in config space */
	uint32_t num_regions;
	uint32_t memory_index, registers_index;
	struct uapi_region memory, registers, component;
	uint64_t hdm; /* offset of the HDM structure in COMP_REGS */

	unsigned int
		busy; /* how often the last open was refused because the memory was being cleared */

	unsigned int passed, failed;
};

/* Report one statement. @why is shown when it fails. Returns @ok. */
bool uapi_check(struct uapi_device *device, const char *statement, bool ok, const char *why, ...)
	__attribute__((format(printf, 4, 5)));
/* Passes if a call returned -1 with this errno. */
bool uapi_fails_with(struct uapi_device *device, const char *statement, long long result,
		     int expected);

/* Open the device by group, or by character device. 0 or -1 with a message on stderr. */
int uapi_open(struct uapi_device *device);
void uapi_close(struct uapi_device *device);
/* Is the device's driver done with it, that is, can it be opened? Closes it again. */
int uapi_reopen(struct uapi_device *device);

/* Find BAR, block, DVSECs and the two regions. 0 or -1 with a message on stderr. */
int uapi_discover(struct uapi_device *device);
/* Region info with its capabilities; 0 or -1. */
int uapi_region_info(struct uapi_device *device, uint32_t index, struct uapi_region *region);

/* Config space, little-endian, size 1 to 4. -1 when the access fails. */
int64_t uapi_config_read(struct uapi_device *device, uint64_t at, uint32_t size);
int uapi_config_write(struct uapi_device *device, uint64_t at, uint32_t size, uint32_t value);
/* One register of COMP_REGS. */
uint32_t uapi_register(struct uapi_device *device, uint64_t at);
void uapi_set_register(struct uapi_device *device, uint64_t at, uint32_t value);

/* Map a part of a region, at an address congruent with its offset modulo 1 GiB. NULL with errno. */
void *uapi_map(struct uapi_device *device, uint32_t index, uint64_t offset, uint64_t size);

/* Touch memory that may not be there: false when SIGBUS was raised. */
bool uapi_load(const volatile uint64_t *address, uint64_t *value);
bool uapi_store(volatile uint64_t *address, uint64_t value);

/* VFIO_DEVICE_RESET as a VMM has to call it: again while the kernel says EAGAIN, which it does
 * while somebody else (error recovery, for one) holds the device. 0, or -1 with errno. */
int uapi_reset(struct uapi_device *device);

/* An address that is mapped and cannot be accessed. */
void *uapi_bad_address(void);

/* Page faults of this thread so far, counted by the kernel. */
uint64_t uapi_page_faults(void);

/* The groups of statements. */
void uapi_test_info(struct uapi_device *device);
void uapi_test_component_bar(struct uapi_device *device);
void uapi_test_mappings(struct uapi_device *device);
void uapi_test_memory(struct uapi_device *device);
void uapi_test_registers(struct uapi_device *device);
void uapi_test_config(struct uapi_device *device);
void uapi_test_reset(struct uapi_device *device);

/* What the program does besides the statements; see uapi_stress.c. Exit status. */
int uapi_disabled(struct uapi_device *device); /* uapi_info.c: the opt-out; nothing is discovered */
int uapi_faults(struct uapi_device *device);
int uapi_cycles(struct uapi_device *device, unsigned int count);
int uapi_resets(struct uapi_device *device, unsigned int count);
int uapi_hold(struct uapi_device *device);
/* What the driver does between two users: uapi_scrub.c. */
int uapi_scrub(struct uapi_device *device);
int uapi_pattern(struct uapi_device *device);      /* fills the memory, says "holding" and stays */
int uapi_zero(struct uapi_device *device);         /* looks at all of it */
int uapi_refused(struct uapi_device *device);      /* not opened by the caller: EIO */
int uapi_mapping_only(struct uapi_device *device); /* without region_rw=1 */
int uapi_cache(struct uapi_device *device);
/* uapi_allocations.c: what the kernel allocates for an information call; a kernel without KASAN. */
int uapi_allocations(struct uapi_device *device);
/* uapi_errors.c: PCIe errors; the device is below a root port and the kernel has aer_inject. */
int uapi_errors(struct uapi_device *device);
/* uapi_dma.c: the device's own memory in an IOMMU map. */
int uapi_dma(struct uapi_device *device);

#endif
