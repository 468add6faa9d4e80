/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_VFIO_USER_H
#define WIRE_VFIO_USER_H

/*
 * The vfio-user wire format, shared by our client (passthrough/) and by cxvm-accel-sim. Section
 * names are those of the "vfio-user Protocol Specification" 0.9.2 (QEMU
 * docs/interop/vfio-user.rst). All integers are little-endian. The structs are what follows the
 * header; none of them contains it. Every field of a received struct is hostile until the receiver
 * has checked it.
 */

#include <stdint.h>

/* "VFIO_USER_VERSION": major 0; 0.0 is what QEMU proposes, the specification's current minor is 1.
 */
#define VFIO_USER_VERSION_MAJOR 0
#define VFIO_USER_VERSION_MINOR 1

/* "Commands" */
enum vfio_user_command {
	VFIO_USER_VERSION = 1,
	VFIO_USER_DMA_MAP = 2,
	VFIO_USER_DMA_UNMAP = 3,
	VFIO_USER_DEVICE_GET_INFO = 4,
	VFIO_USER_DEVICE_GET_REGION_INFO = 5,
	VFIO_USER_DEVICE_GET_REGION_IO_FDS = 6,
	VFIO_USER_DEVICE_GET_IRQ_INFO = 7,
	VFIO_USER_DEVICE_SET_IRQS = 8,
	VFIO_USER_REGION_READ = 9,
	VFIO_USER_REGION_WRITE = 10,
	VFIO_USER_DMA_READ = 11,  /* server to client */
	VFIO_USER_DMA_WRITE = 12, /* server to client */
	VFIO_USER_DEVICE_RESET = 13,
	/* 14 was VFIO_USER_DIRTY_PAGES in older revisions; refused */
	VFIO_USER_REGION_WRITE_MULTI = 15,
	VFIO_USER_DEVICE_FEATURE = 16,
	VFIO_USER_MIG_DATA_READ = 17,
	VFIO_USER_MIG_DATA_WRITE = 18,
};

/* "Header": flags */
#define VFIO_USER_FLAG_TYPE_MASK    0x0fu
#define VFIO_USER_FLAG_TYPE_COMMAND 0x00u
#define VFIO_USER_FLAG_TYPE_REPLY   0x01u
#define VFIO_USER_FLAG_NO_REPLY     0x10u
#define VFIO_USER_FLAG_ERROR        0x20u

/* "Header": 16 bytes before every message; an error reply is the header alone. */
struct vfio_user_header {
	uint16_t id; /* chosen by the sender of the command, echoed in the reply */
	uint16_t command;
	uint32_t size; /* of the whole message, this header included */
	uint32_t flags;
	uint32_t
		error; /* errno value, valid when VFIO_USER_FLAG_ERROR is set; may be 0 even then */
} __attribute__((packed));

/* Capability names and defaults of "VFIO_USER_VERSION" */
#define VFIO_USER_CAPABILITIES               "capabilities"
#define VFIO_USER_CAPABILITY_MAX_MSG_FDS     "max_msg_fds"
#define VFIO_USER_CAPABILITY_MAX_DATA_XFER   "max_data_xfer_size"
#define VFIO_USER_CAPABILITY_MAX_DMA_MAPS    "max_dma_maps"
#define VFIO_USER_CAPABILITY_PGSIZES         "pgsizes"
#define VFIO_USER_CAPABILITY_TWIN_SOCKET     "twin_socket"
#define VFIO_USER_CAPABILITY_WRITE_MULTIPLE  "write_multiple"
#define VFIO_USER_DEFAULT_MAX_MSG_FDS        1u
#define VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE 1048576u
#define VFIO_USER_DEFAULT_MAX_DMA_MAPS       65535u
#define VFIO_USER_DEFAULT_PGSIZES            4096u

/*
 * Limits that both of our programs keep. QEMU refuses max_msg_fds > 16, and expects a version reply
 * no longer than its request. The message size bound is the largest region or DMA message.
 */
#define VFIO_USER_LIMIT_MSG_FDS      16u
#define VFIO_USER_LIMIT_VERSION_JSON 4096u
#define VFIO_USER_LIMIT_MESSAGE_SIZE (VFIO_USER_DEFAULT_MAX_DATA_XFER_SIZE + 64u)

/* "VFIO_USER_VERSION": followed by NUL-terminated JSON, which is optional */
struct vfio_user_version {
	uint16_t major;
	uint16_t minor;
} __attribute__((packed));

/* "VFIO_USER_DMA_MAP": at most one fd; the reply has no payload */
#define VFIO_USER_DMA_MAP_READABLE  0x1u
#define VFIO_USER_DMA_MAP_WRITEABLE 0x2u
struct vfio_user_dma_map {
	uint32_t argsz; /* of this struct */
	uint32_t flags;
	uint64_t offset; /* in the file; 0 without one */
	uint64_t address;
	uint64_t size;
} __attribute__((packed));

/*
 * "VFIO_USER_DMA_UNMAP": address and size of exactly one mapping; the reply repeats the struct.
 * QEMU passes VFIO_DMA_UNMAP_FLAG_ALL (with size 0) to drop all of them; flag 0x1 (dirty bitmap) is
 * refused.
 */
#define VFIO_USER_DMA_UNMAP_ALL 0x2u
struct vfio_user_dma_unmap {
	uint32_t argsz; /* of the largest reply payload */
	uint32_t flags;
	uint64_t address;
	uint64_t size;
} __attribute__((packed));

/*
 * "VFIO_USER_DEVICE_GET_INFO". The specification stops at num_irqs; we carry the two further fields
 * of struct vfio_device_info and its capability chain by the same rule as the ioctl: with argsz >=
 * 24 the reply has them, argsz of the reply is the size that the whole chain needs, cap_offset is 0
 * when the request was too small for it. With argsz 16 to 23 (QEMU) the reply is the 16 bytes of
 * the specification.
 */
#define VFIO_USER_DEVICE_INFO_MIN_SIZE 16u
struct vfio_user_device_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t num_regions;
	uint32_t num_irqs;
	uint32_t cap_offset; /* from the start of this struct */
	uint32_t pad;
} __attribute__((packed));

/* "VFIO_USER_DEVICE_GET_REGION_INFO": capabilities follow; one fd when MMAP is set */
struct vfio_user_region_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t cap_offset; /* from the start of this struct */
	uint64_t size;
	uint64_t offset; /* of the region's byte 0 in the fd */
} __attribute__((packed));

/* struct vfio_info_cap_header and the region capabilities of <linux/vfio.h>, as they cross the wire
 */
struct vfio_user_cap_header {
	uint16_t id;
	uint16_t version;
	uint32_t next; /* from the start of the info struct, 0 ends the chain */
} __attribute__((packed));

struct vfio_user_sparse_area {
	uint64_t offset;
	uint64_t size;
} __attribute__((packed));

struct vfio_user_cap_sparse_mmap {
	struct vfio_user_cap_header header;
	uint32_t nr_areas;
	uint32_t reserved;
	/* struct vfio_user_sparse_area[nr_areas] follows */
} __attribute__((packed));

struct vfio_user_cap_type {
	struct vfio_user_cap_header header;
	uint32_t type;
	uint32_t subtype;
} __attribute__((packed));

/* "VFIO_USER_DEVICE_GET_REGION_IO_FDS": optional; count sub-regions follow */
#define VFIO_USER_IO_FD_TYPE_IOEVENTFD        0u
#define VFIO_USER_IO_FD_TYPE_IOREGIONFD       1u
#define VFIO_USER_IO_FD_TYPE_IOEVENTFD_SHADOW 2u
struct vfio_user_region_io_fds {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t count;
} __attribute__((packed));

struct vfio_user_sub_region_ioeventfd {
	uint64_t offset;
	uint64_t size; /* 0: any width */
	uint32_t fd_index;
	uint32_t type;
	uint32_t flags;
	uint32_t padding;
	uint64_t datamatch;
} __attribute__((packed));

/* "VFIO_USER_DEVICE_GET_IRQ_INFO" */
struct vfio_user_irq_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t count;
} __attribute__((packed));

/*
 * "VFIO_USER_DEVICE_SET_IRQS": with DATA_BOOL, count bytes follow; with DATA_EVENTFD the eventfds
 * are ancillary data: either `count` of them, or none, which detaches the range.
 */
struct vfio_user_irq_set {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t start;
	uint32_t count;
} __attribute__((packed));

/* "VFIO_USER_REGION_READ" and "VFIO_USER_REGION_WRITE": data follows in a write and in a read's
 * reply */
struct vfio_user_region_access {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
} __attribute__((packed));

/* "VFIO_USER_DMA_READ" and "VFIO_USER_DMA_WRITE", server to client; data as above */
struct vfio_user_dma_access {
	uint64_t address;
	uint64_t count;
} __attribute__((packed));

/* "VFIO_USER_REGION_WRITE_MULTI": wr_cnt writes follow; the reply is this struct alone */
#define VFIO_USER_LIMIT_WRITE_MULTI 200u
struct vfio_user_write_multi {
	uint64_t wr_cnt;
} __attribute__((packed));

struct vfio_user_write_one {
	uint64_t offset;
	uint32_t region;
	uint32_t count; /* 1 to 8 */
	uint8_t data[8];
} __attribute__((packed));

_Static_assert(sizeof(struct vfio_user_header) == 16, "vfio-user header");
_Static_assert(sizeof(struct vfio_user_dma_map) == 32, "vfio-user DMA map");
_Static_assert(sizeof(struct vfio_user_dma_unmap) == 24, "vfio-user DMA unmap");
_Static_assert(sizeof(struct vfio_user_device_info) == 24, "vfio-user device info");
_Static_assert(sizeof(struct vfio_user_region_info) == 32, "vfio-user region info");
_Static_assert(sizeof(struct vfio_user_irq_set) == 20, "vfio-user IRQ set");
_Static_assert(sizeof(struct vfio_user_write_one) == 24, "vfio-user write");

#endif
