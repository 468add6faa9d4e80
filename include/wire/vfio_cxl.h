/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_VFIO_CXL_H
#define WIRE_VFIO_CXL_H

/*
 * The numbers of the VFIO UAPI for CXL devices, which no released <linux/vfio.h> has. The
 * capability is described by byte offsets, never by a struct: its version number is 1 in every
 * generation and a 64-bit field moves with the ABI of the compiler (a 32-bit build would put it
 * four bytes lower).
 */

/* struct vfio_device_info.flags */
#define VFIO_CXL_DEVICE_FLAG_RESET 0x001u
#define VFIO_CXL_DEVICE_FLAG_PCI   0x002u
#define VFIO_CXL_DEVICE_FLAG_CAPS  0x080u
#define VFIO_CXL_DEVICE_FLAG_CXL   0x200u /* bit 9: reported together with PCI and CAPS */

/* VFIO_DEVICE_INFO_CAP_CXL */
#define VFIO_CXL_CAP_ID      6u
#define VFIO_CXL_CAP_VERSION 1u

/* Layout v2: 32 bytes, offsets from the capability header */
#define VFIO_CXL_V2_SIZE                    0x20u
#define VFIO_CXL_V2_BAR_INDEX               0x08u /* u8 hdm_regs_bar_index, then three zero bytes */
#define VFIO_CXL_V2_FLAGS                   0x0cu /* u32 */
#define VFIO_CXL_V2_HDM_REGS_OFFSET         0x10u /* u64: component block + 0x1000, BAR-relative */
#define VFIO_CXL_V2_DPA_REGION_INDEX        0x18u /* u32 */
#define VFIO_CXL_V2_COMP_REGS_REGION_INDEX  0x1cu /* u32 */
#define VFIO_CXL_V2_FLAG_FIRMWARE_COMMITTED 0x1u
#define VFIO_CXL_V2_FLAG_CACHE_CAPABLE      0x2u

/* Layout v3: 48 bytes on LP64 */
#define VFIO_CXL_V3_SIZE                         0x30u
#define VFIO_CXL_V3_FLAGS                        0x08u /* u32 */
#define VFIO_CXL_V3_HDM_REGION_INDEX             0x0cu /* u32 */
#define VFIO_CXL_V3_COMP_REG_REGION_INDEX        0x10u /* u32 */
#define VFIO_CXL_V3_COMP_REG_BAR                 0x14u /* u32 */
#define VFIO_CXL_V3_RESERVED                     0x18u /* u32, and a hole of 4 bytes at 0x1c */
#define VFIO_CXL_V3_COMP_REG_OFFSET              0x20u /* u64: component block, BAR-relative */
#define VFIO_CXL_V3_COMP_REG_SIZE                0x28u /* u64 */
#define VFIO_CXL_V3_FLAG_HOST_FIRMWARE_COMMITTED 0x1u

/* VFIO_REGION_INFO_CAP_TYPE of the two regions: PCI vendor type 0x80000000 | CXL's vendor id */
#define VFIO_CXL_REGION_TYPE              0x80001e98u
#define VFIO_CXL_REGION_SUBTYPE_MEMORY    1u
#define VFIO_CXL_REGION_SUBTYPE_COMP_REGS 2u

/* Fixed indices of a PCI device (enum in <linux/vfio.h>); device-specific regions start behind them
 */
#define VFIO_CXL_FIRST_DEVICE_REGION 9u
#define VFIO_CXL_PCI_NUM_IRQS        5u

/* Region and device capability ids used in chains */
#define VFIO_CXL_REGION_CAP_SPARSE_MMAP   1u
#define VFIO_CXL_REGION_CAP_TYPE          2u
#define VFIO_CXL_REGION_CAP_MSIX_MAPPABLE 3u

/* The component register block (CXL 8.2.3): 64 KiB, the CXL.cachemem part is its second page */
#define VFIO_CXL_COMPONENT_BLOCK_SIZE 0x10000u
#define VFIO_CXL_CACHEMEM_OFFSET      0x1000u

#endif
