/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers of CXL devices that the driver reads or presents.
 *
 * Section numbers are those of the CXL 3.1 specification.
 */
#ifndef CXL_VFIO_REGISTERS_H
#define CXL_VFIO_REGISTERS_H

#include "shim.h"

/* 8.2.3: the component register block and, in it, the CXL.cache and CXL.mem area. */
#define CXL_COMPONENT_BLOCK_SIZE 0x10000U
#define CXL_CM_OFFSET            0x1000U
#define CXL_CM_SIZE              0x1000U

/* 8.2.4: capability array. */
#define CXL_CM_ID_MASK          GENMASK(15, 0)
#define CXL_CM_ARRAY_SIZE_SHIFT 24
#define CXL_CM_POINTER_SHIFT    20
#define CXL_CM_ID_ARRAY         0x1U
#define CXL_CM_ID_RAS           0x2U
#define CXL_CM_ID_HDM           0x5U
#define CXL_RAS_LENGTH          0x58U /* 8.2.4.17, all registers are 32 bits wide */

/* 8.2.4.20: HDM decoder capability structure. */
#define CXL_HDM_CAPABILITY            0x00U
#define CXL_HDM_CAPABILITY_COUNT_MASK GENMASK(3, 0)
#define CXL_HDM_CAPABILITY_POISON     BIT(10)
#define CXL_HDM_CAPABILITY_UIO        BIT(13)
#define CXL_HDM_GLOBAL_CONTROL        0x04U
#define CXL_HDM_GLOBAL_POISON         BIT(0)
#define CXL_HDM_GLOBAL_ENABLE         BIT(1)
#define CXL_HDM_DECODER_OFFSET        0x10U
#define CXL_HDM_DECODER_SIZE          0x20U

/* 8.2.4.20.3 and following: one decoder, offsets from its first register. */
#define CXL_DECODER_BASE_LOW     0x00U
#define CXL_DECODER_BASE_HIGH    0x04U
#define CXL_DECODER_SIZE_LOW     0x08U
#define CXL_DECODER_SIZE_HIGH    0x0cU
#define CXL_DECODER_CONTROL      0x10U
#define CXL_DECODER_SKIP_LOW     0x14U
#define CXL_DECODER_SKIP_HIGH    0x18U
#define CXL_DECODER_RESERVED     0x1cU
#define CXL_DECODER_ADDRESS_MASK GENMASK(31, 28)
#define CXL_DECODER_GRANULE      0x10000000ULL /* 256 MiB */

/* VFIO: the region's index stands in bit 40 and above of a file offset. */
#define CXL_REGION_LIMIT (1ULL << 40)

#define CXL_DECODER_WAYS_MASK         GENMASK(7, 4)
#define CXL_DECODER_LOCK_ON_COMMIT    BIT(8)
#define CXL_DECODER_COMMIT            BIT(9)
#define CXL_DECODER_COMMITTED         BIT(10)
#define CXL_DECODER_ERR_NOT_COMMITTED BIT(11)
#define CXL_DECODER_HOST_ONLY         BIT(12)
#define CXL_DECODER_BI                BIT(13)
#define CXL_DECODER_UIO               BIT(14)
#define CXL_DECODER_ISP_MASK          GENMASK(27, 24)
#define CXL_DECODER_RESERVED_MASK     (BIT(15) | GENMASK(23, 16) | GENMASK(31, 28))

/* 8.1.1: CXL DVSECs are extended capability 0x23 of vendor 0x1e98. */
#define CXL_DVSEC_VENDOR          0x1e98U
#define CXL_DVSEC_ID_DEVICE       0U
#define CXL_DVSEC_ID_FUNCTION_MAP 2U
#define CXL_DVSEC_ID_GPF_DEVICE   5U
#define CXL_DVSEC_ID_FLEX_BUS     7U
#define CXL_DVSEC_ID_LOCATOR      8U
#define CXL_DVSEC_ID_MLD          9U
#define CXL_DVSEC_HEADER1         0x04U
#define CXL_DVSEC_LENGTH_SHIFT    20
#define CXL_DVSEC_BODY            0x0aU

/* 8.1.3: CXL device DVSEC. */
#define CXL_DEVICE_DVSEC_MIN_LENGTH           0x38U
#define CXL_DEVICE_DVSEC_MAX_LENGTH           0x40U
#define CXL_DEVICE_CAPABILITY                 0x0aU
#define CXL_DEVICE_CAPABILITY_CACHE           BIT(0)
#define CXL_DEVICE_CAPABILITY_IO              BIT(1)
#define CXL_DEVICE_CAPABILITY_MEM             BIT(2)
#define CXL_DEVICE_CAPABILITY_HDM_COUNT_SHIFT 4
#define CXL_DEVICE_CAPABILITY_HDM_COUNT_MASK  GENMASK(5, 4)
#define CXL_DEVICE_CAPABILITY_CACHE_WBI       BIT(6)
#define CXL_DEVICE_CAPABILITY_RESET           BIT(7)
#define CXL_DEVICE_CAPABILITY_RESET_CLEAR     BIT(11)
#define CXL_DEVICE_CONTROL                    0x0cU
#define CXL_DEVICE_CONTROL_IO                 BIT(1)
#define CXL_DEVICE_CONTROL_MEM                BIT(2)
#define CXL_DEVICE_CONTROL_P2P                BIT(12)
#define CXL_DEVICE_CONTROL_RESERVED           (BIT(13) | BIT(15))
#define CXL_DEVICE_STATUS                     0x0eU
#define CXL_DEVICE_STATUS_VIRAL               BIT(14)
#define CXL_DEVICE_CONTROL2                   0x10U
#define CXL_DEVICE_CONTROL2_DISABLE_CACHING   BIT(0)
#define CXL_DEVICE_CONTROL2_CACHE_WBI         BIT(1)
#define CXL_DEVICE_CONTROL2_RESET             BIT(2)
#define CXL_DEVICE_CONTROL2_RESET_CLEAR       BIT(3)
#define CXL_DEVICE_CONTROL2_HDM_STATE         BIT(4)
#define CXL_DEVICE_CONTROL2_MODIFIED          BIT(5)
#define CXL_DEVICE_STATUS2                    0x12U
#define CXL_DEVICE_STATUS2_CACHE_INVALID      BIT(0)
#define CXL_DEVICE_STATUS2_RESET_COMPLETE     BIT(1)
#define CXL_DEVICE_STATUS2_RESET_ERROR        BIT(2)
#define CXL_DEVICE_STATUS2_PRESERVATION_ERROR BIT(3)
#define CXL_DEVICE_LOCK                       0x14U
#define CXL_DEVICE_LOCK_CONFIG                BIT(0)
#define CXL_DEVICE_CAPABILITY2                0x16U
#define CXL_DEVICE_CAPABILITY2_MODIFIED       BIT(6)
#define CXL_DEVICE_RANGE1_SIZE_LOW            0x1cU
#define CXL_DEVICE_RANGE_INFO_VALID           BIT(0)
#define CXL_DEVICE_RANGE_ACTIVE               BIT(1)
#define CXL_DEVICE_RANGE_TIMEOUT_SHIFT        13
#define CXL_DEVICE_RANGE_TIMEOUT_MASK         GENMASK(15, 13)
#define CXL_DEVICE_RANGE1_BASE_HIGH           0x20U
#define CXL_DEVICE_RANGE1_BASE_LOW            0x24U
#define CXL_DEVICE_RANGE2_BASE_HIGH           0x30U
#define CXL_DEVICE_RANGE2_BASE_LOW            0x34U
#define CXL_DEVICE_CAPABILITY3                0x38U
#define CXL_DEVICE_CAPABILITY3_CONFIGURABLE   BIT(3)
#define CXL_DEVICE_CAPABILITY3_P2P            BIT(4)

/* 8.1.9: register locator DVSEC. */
#define CXL_LOCATOR_FIRST_ENTRY     0x0cU
#define CXL_LOCATOR_ENTRY_SIZE      8U
#define CXL_LOCATOR_BIR_MASK        GENMASK(2, 0)
#define CXL_LOCATOR_BLOCK_SHIFT     8
#define CXL_LOCATOR_BLOCK_MASK      GENMASK(15, 8)
#define CXL_LOCATOR_OFFSET_MASK     GENMASK(31, 16)
#define CXL_LOCATOR_BLOCK_COMPONENT 1U

#endif
