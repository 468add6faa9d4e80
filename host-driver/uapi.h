/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The VFIO CXL user interface, as posted in the unmerged kernel series.
 *
 * Stock kernel headers do not know these names. A kernel that does has them in
 * <linux/vfio.h>, hence the guards. All multi-byte values are in the byte order
 * of the CPU inside the structures, and little-endian inside the regions.
 */
#ifndef CXL_VFIO_UAPI_H
#define CXL_VFIO_UAPI_H

#include <linux/types.h>
#include <linux/vfio.h>

/* VFIO_DEVICE_GET_INFO: set together with VFIO_DEVICE_FLAGS_PCI and _CAPS. */
#ifndef VFIO_DEVICE_FLAGS_CXL
#define VFIO_DEVICE_FLAGS_CXL (1 << 9)
#endif

/* VFIO_DEVICE_GET_INFO capability; version 1 in either layout. */
#ifndef VFIO_DEVICE_INFO_CAP_CXL
#define VFIO_DEVICE_INFO_CAP_CXL 6
#endif

/* Region types and subtypes of a CXL device. */
#define CXL_VFIO_REGION_TYPE              (VFIO_REGION_TYPE_PCI_VENDOR_TYPE | 0x1e98)
#define CXL_VFIO_REGION_SUBTYPE_MEMORY    1
#define CXL_VFIO_REGION_SUBTYPE_COMP_REGS 2

/* Layout 2, flags. */
#define CXL_VFIO_V2_FIRMWARE_COMMITTED (1 << 0)
#define CXL_VFIO_V2_CACHE_CAPABLE      (1 << 1)

/* Layout 2: the capability of the April 2026 posting, 32 bytes. */
struct cxl_vfio_cap_v2 {
	struct vfio_info_cap_header header;
	__u8 hdm_regs_bar_index;
	__u8 reserved[3];
	__u32 flags;
	__aligned_u64 hdm_regs_offset; /* in the BAR: component block + 0x1000 */
	__u32 dpa_region_index;
	__u32 comp_regs_region_index;
};

/* Layout 3, flags. */
#define CXL_VFIO_V3_HOST_FIRMWARE_COMMITTED (1 << 0)

/* Layout 3: the capability of the June 2026 posting, 48 bytes. */
struct cxl_vfio_cap_v3 {
	struct vfio_info_cap_header header;
	__u32 flags;
	__u32 hdm_region_idx;
	__u32 comp_reg_region_idx;
	__u32 comp_reg_bar;
	__u32 reserved;
	__u32 hole;                    /* aligns the next field on every architecture */
	__aligned_u64 comp_reg_offset; /* in the BAR: the component block */
	__aligned_u64 comp_reg_size;
};

#endif
