/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_PASSTHROUGH_DEVICE_FAKE_TRANSPORT_H
#define TESTS_UNIT_PASSTHROUGH_DEVICE_FAKE_TRANSPORT_H

#include "passthrough/iommu/address_space.h"
#include "passthrough/transport/info.h"
#include "passthrough/transport/transport.h"

/*
 * A device made of memory behind the transport table. BAR 0 (64-bit, 2 MiB): registers and the
 * component block; BAR 2 (32-bit, 16 KiB): MSI-X table at 0x1000, PBA at 0x2000, the rest
 * forwarded. Counts what it is asked and can be told to fail.
 */
enum fake_call {
	FAKE_INFO,
	FAKE_READ,
	FAKE_WRITE,
	FAKE_MAP,
	FAKE_IRQS,
	FAKE_RESET,
	FAKE_DMA_MAP,
	FAKE_DMA_UNMAP,
	FAKE_CALLS,
};

struct fake_dma {
	uint64_t address;
	uint64_t size;
	bool device_memory;
};

/* Where the device memory begins in the fake's file. */
#define BAR0_SIZE 0x200000u

struct fake_transport {
	struct vfio_transport transport; /* first */
	struct address_space space;
	/* Set before use */
	int contract;          /* 2, 3; 0: by regions; -1: plain PCI */
	uint64_t block_offset; /* of the component block in BAR 0 */
	uint64_t dpa_size;
	unsigned int decoder_code;
	bool committed;
	bool host_only;
	bool power_reset; /* has a power management capability without No_Soft_Reset */
	uint32_t vectors;
	int pin;
	bool rom;
	/* State */
	int memory; /* memfd: BAR 0, then the DPA */
	uint8_t config[4096];
	uint8_t bar2[0x4000];
	uint8_t block[0x10000];
	unsigned int calls[FAKE_CALLS];
	int fail[FAKE_CALLS];       /* result of every such call; 0: work */
	int fail_after[FAKE_CALLS]; /* ... but only from this one on */
	bool broken_mapping;
	unsigned int reset_ms;  /* how long each reset takes */
	unsigned int questions; /* information asked for */
	bool closed;
	uint32_t irq_index, irq_count, irq_flags;
	int irq_fds[64];
	struct fake_dma dma[32];
	uint32_t dma_count;
};

void fake_init(struct fake_transport *fake);  /* defaults: v2, block in the middle, committed */
void fake_start(struct fake_transport *fake); /* after changing them */
void fake_free(struct fake_transport *fake);

#endif
