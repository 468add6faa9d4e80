/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CXVM_ACCEL_H
#define CXVM_ACCEL_H

/*
 * The programming interface of the simulated accelerator (cxvm-accel-sim): where its engine
 * registers are, what they mean, and how a job looks. Constants and packed structs only: firmware,
 * kernel modules, tiny guests and Linux programs can all include it. Everything is little-endian.
 *
 * Finding it: PCI vendor and device id below, then the vendor-specific capability (id 0x09), whose
 * body names the BAR, offset and size of the register window. The window may be mapped directly: a
 * register access has no side effect at the moment of the access. The device looks at the registers
 * that the driver writes from time to time (within 1 ms, or 10 ms when no queue is enabled; within
 * 50 us when busy) and each register has one writer only.
 *
 * Order: write the descriptors, then (after a store fence) the queue's TAIL. The device reads new
 * descriptors, runs them in order, stores RESULT and STATUS into each, then advances HEAD, then
 * signals the queue's interrupt if a descriptor asked for one.
 */

#include <stdint.h>

#define CXVM_ACCEL_PCI_VENDOR        0xcc58
#define CXVM_ACCEL_PCI_DEVICE        0x0001 /* --class gpu */
#define CXVM_ACCEL_PCI_DEVICE_MEMORY 0x0002 /* --class memory: a CXL memory expander, no engine */

/* Vendor-specific capability (PCIe 7.9.4): offsets from the capability */
#define CXVM_ACCEL_CAP_ID          0x09
#define CXVM_ACCEL_CAP_LENGTH      0x18
#define CXVM_ACCEL_CAP_LENGTH_BYTE 0x02       /* u8 */
#define CXVM_ACCEL_CAP_VERSION     0x03       /* u8: 1 */
#define CXVM_ACCEL_CAP_SIGNATURE   0x04       /* u32: CXVM_ACCEL_SIGNATURE */
#define CXVM_ACCEL_CAP_BAR         0x08       /* u32: 0..5 */
#define CXVM_ACCEL_CAP_OFFSET      0x0c       /* u32: of the register window in that BAR */
#define CXVM_ACCEL_CAP_SIZE        0x10       /* u32: of the register window */
#define CXVM_ACCEL_CAP_SCRATCH     0x14       /* u32: offset of plain memory behind the registers */
#define CXVM_ACCEL_SIGNATURE       0x4d565843 /* "CXVM" */

/* Global registers: offsets from the window. All are written by the device. */
#define CXVM_ACCEL_REG_SIGNATURE  0x000 /* u32: CXVM_ACCEL_SIGNATURE; anything else: not ready */
#define CXVM_ACCEL_REG_VERSION    0x004 /* u32: 1 */
#define CXVM_ACCEL_REG_OPCODES    0x008 /* u32: bit n set: opcode n is offered */
#define CXVM_ACCEL_REG_QUEUES     0x00c /* u32: number of queues */
#define CXVM_ACCEL_REG_DPA_SIZE   0x010 /* u64: device memory in bytes */
#define CXVM_ACCEL_REG_MAX_LENGTH 0x018 /* u64: longest job in bytes */
#define CXVM_ACCEL_REG_RESETS     0x020 /* u32: counts resets of the device */
#define CXVM_ACCEL_REG_VECTORS    0x024 /* u32: number of interrupt vectors */

/* Queue n: one page each, offsets from the queue's page */
#define CXVM_ACCEL_QUEUE_STRIDE  0x1000
#define CXVM_ACCEL_QUEUE_BASE(n) (CXVM_ACCEL_QUEUE_STRIDE * ((n) + 1))

/* written by the driver; the first four count when ENABLE goes from 0 to 1 */
#define CXVM_ACCEL_QUEUE_RING_ADDRESS 0x000 /* u64: 64-byte aligned */
#define CXVM_ACCEL_QUEUE_RING_SPACE   0x008 /* u32: enum cxvm_accel_space */
#define CXVM_ACCEL_QUEUE_RING_ENTRIES 0x00c /* u32: power of two, 2 to 4096 */
#define CXVM_ACCEL_QUEUE_VECTOR       0x010 /* u32: interrupt vector, or CXVM_ACCEL_NO_VECTOR */
#define CXVM_ACCEL_QUEUE_ENABLE       0x014 /* u32: 0 or 1; 0 also sets HEAD to 0 */
#define CXVM_ACCEL_QUEUE_TAIL         0x018 /* u32: doorbell, free-running count of descriptors given */
#define CXVM_ACCEL_QUEUE_ACK                                                                       \
	0x01c /* u32: for INTx, high while an enabled queue has this != INTERRUPTS */

/* written by the device */
#define CXVM_ACCEL_QUEUE_HEAD  0x040 /* u32: free-running count of descriptors finished */
#define CXVM_ACCEL_QUEUE_STATE 0x044 /* u32: enum cxvm_accel_queue_state */
#define CXVM_ACCEL_QUEUE_COMPLETED                                                                 \
	0x048                             /* u64: jobs finished since reset, failed ones included  \
					   */
#define CXVM_ACCEL_QUEUE_FAILED     0x050 /* u64: jobs that ended with an error since reset */
#define CXVM_ACCEL_QUEUE_INTERRUPTS 0x058 /* u32: interrupts raised since reset */

#define CXVM_ACCEL_NO_VECTOR   0xffffffffu
#define CXVM_ACCEL_MIN_ENTRIES 2u
#define CXVM_ACCEL_MAX_ENTRIES 4096u
#define CXVM_ACCEL_MAX_LENGTH  0x40000000u /* 1 GiB */

enum cxvm_accel_queue_state {
	CXVM_ACCEL_QUEUE_DISABLED = 0,
	CXVM_ACCEL_QUEUE_RUNNING = 1,
	CXVM_ACCEL_QUEUE_BAD_SETUP = 2,  /* ring address, space, entries or vector are not valid */
	CXVM_ACCEL_QUEUE_RING_FAULT = 3, /* the ring could not be read or written */
	CXVM_ACCEL_QUEUE_BAD_TAIL = 4,   /* TAIL is more than RING_ENTRIES ahead of HEAD */
};

/* What an address means */
enum cxvm_accel_space {
	CXVM_ACCEL_SPACE_DMA = 0, /* a DMA address: guest RAM, or whatever the IOMMU maps there */
	CXVM_ACCEL_SPACE_DPA = 1, /* an offset in the device's own memory */
};

enum cxvm_accel_opcode {
	CXVM_ACCEL_OP_NOP = 0,
	CXVM_ACCEL_OP_COPY = 1, /* destination = source */
	CXVM_ACCEL_OP_FILL = 2, /* destination = VALUE repeated; length a multiple of 4 */
	CXVM_ACCEL_OP_ADD = 3,  /* u32 elements: destination[i] = source[i] + source2[i] */
	CXVM_ACCEL_OP_CRC32 =
		4, /* RESULT = CRC-32 (as zlib's) of the source, continued from VALUE */
};

enum cxvm_accel_status {
	CXVM_ACCEL_STATUS_PENDING = 0,
	CXVM_ACCEL_STATUS_DONE = 1,
	CXVM_ACCEL_STATUS_BAD_OPCODE = 0x81,
	CXVM_ACCEL_STATUS_BAD_FLAGS = 0x82,
	CXVM_ACCEL_STATUS_BAD_LENGTH = 0x83,  /* 0, too long, or not a multiple of 4 */
	CXVM_ACCEL_STATUS_BAD_SPACE = 0x84,   /* an unused space number */
	CXVM_ACCEL_STATUS_BAD_ADDRESS = 0x85, /* outside device memory, or not mapped for DMA */
	CXVM_ACCEL_STATUS_READ_ONLY = 0x86,   /* the destination is mapped read-only */
	CXVM_ACCEL_STATUS_OVERLAP = 0x87,     /* destination overlaps a source at another offset */
	CXVM_ACCEL_STATUS_ABORTED = 0x88,     /* the transfer failed or was cut off by a reset */
};

#define CXVM_ACCEL_FLAG_INTERRUPT 0x1u /* raise the queue's interrupt after this descriptor */

struct cxvm_accel_descriptor {
	uint32_t opcode;
	uint32_t flags;
	uint64_t source;
	uint64_t source2;
	uint64_t destination;
	uint64_t length; /* bytes */
	uint8_t source_space;
	uint8_t source2_space;
	uint8_t destination_space;
	uint8_t reserved; /* 0 */
	uint32_t value;
	uint32_t status; /* written by the device, last */
	uint32_t result; /* written by the device */
	uint64_t cookie; /* the driver's own */
} __attribute__((packed));

#define CXVM_ACCEL_DESCRIPTOR_SIZE   64
#define CXVM_ACCEL_DESCRIPTOR_STATUS 48 /* offset of status */
#define CXVM_ACCEL_DESCRIPTOR_RESULT 52 /* offset of result */

#endif
