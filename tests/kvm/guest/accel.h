/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_KVM_GUEST_ACCEL_H
#define TESTS_KVM_GUEST_ACCEL_H

#include "guest.h"

#include <cxvm/accel.h>

/* A minimal driver for the simulated accelerators, each behind a CXL host bridge of its own. */

/* HDM decoder 0, offsets in its structure (CXL 8.2.4.20) */
#define HDM_GLOBAL  0x04u
#define HDM_BASE    0x10u
#define HDM_SIZE    0x18u
#define HDM_CONTROL 0x20u

struct accel {
	uint32_t bdf;
	uint32_t express;   /* PCI Express capability */
	uint32_t dvsec;     /* CXL device DVSEC (CXL 8.1.3) */
	uint32_t msix;      /* capability */
	uint64_t component; /* the component register block */
	uint64_t hdm;
	uint64_t ras;
	uint64_t window; /* engine registers */
	uint64_t scratch;
	uint64_t msix_table;
	uint64_t fixed_base; /* its CXL fixed memory window, from the CEDT */
	uint64_t fixed_size;
	uint32_t bars[6]; /* for the time after a reset */
	uint32_t tail;
	struct cxvm_accel_descriptor *ring;
};

/* Finds everything above for the accelerator behind the index-th CXL host bridge; turns decoding
 * and bus mastering on. Fails the test when something is missing. */
void accel_find(struct accel *accel, uint32_t index);

/* Offset of the DVSEC of vendor 0x1e98 with this id; 0: none. */
uint32_t accel_dvsec(uint32_t bdf, uint16_t id);

/* The dword of the extended capability or DVSEC, or of the component block. */
static inline uint32_t accel_component(const struct accel *accel, uint32_t offset)
{
	return mmio_read32(accel->component + offset);
}

bool accel_is_committed(const struct accel *accel);
/* Decoder 0 over the whole fixed window; false when it is refused. */
bool accel_commit(const struct accel *accel);
/* What a function-level reset took away: BARs and the command register. */
void accel_function_reset(struct accel *accel);
void accel_restore(const struct accel *accel);

/* Vector @vector of this processor for MSI-X entry @entry, and MSI-X on. */
void accel_set_msix(const struct accel *accel, uint32_t entry, uint8_t vector);

/* One job: fills @length bytes of device memory at @offset; with an interrupt when @vector. */
void accel_start(struct accel *accel, uint32_t msix_entry);
void accel_fill(struct accel *accel, uint64_t offset, uint64_t length, uint32_t value,
		bool interrupt);
/* Waits until all jobs are done; false when it takes far too long. */
bool accel_wait(const struct accel *accel);

#endif
