/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_CXL_REGS_H
#define WIRE_CXL_REGS_H

#include <stdint.h>

/*
 * Registers of CXL as the specification (CXL 3.1, sections in brackets) lays them out: the only
 * copy for the VMM and for the simulator. The driver for the host has its own, as an independent
 * oracle. Offsets and bits only; what a register does is said where it is modelled.
 */

/* The component register block (8.2.3) and its CXL.cache/CXL.mem page. */
#define CXL_COMPONENT_BLOCK_SIZE    0x10000u
#define CXL_COMPONENT_CACHEMEM      0x1000u /* offset of the capability array (CXL 8.2.3) */
#define CXL_COMPONENT_CACHEMEM_SIZE 0x1000u

/* Capability ids in the array (CXL 8.2.4) */
#define CXL_CAPABILITY_ARRAY       0x1u
#define CXL_CAPABILITY_RAS         0x2u
#define CXL_CAPABILITY_LINK        0x4u
#define CXL_CAPABILITY_HDM_DECODER 0x5u

/* RAS (CXL 8.2.4.17), offsets in the structure */
#define CXL_RAS_UNCORRECTABLE_STATUS   0x00u
#define CXL_RAS_UNCORRECTABLE_MASK     0x04u
#define CXL_RAS_UNCORRECTABLE_SEVERITY 0x08u
#define CXL_RAS_CORRECTABLE_STATUS     0x0cu
#define CXL_RAS_CORRECTABLE_MASK       0x10u
#define CXL_RAS_CONTROL                0x14u
#define CXL_RAS_HEADER_LOG             0x18u
#define CXL_RAS_SIZE                   0x58u
#define CXL_RAS_UNCORRECTABLE_BITS     0x0001cfffu
#define CXL_RAS_CORRECTABLE_BITS       0x0000007fu

#define CXL_LINK_SIZE 0x38u

/* The capability array (8.2.4.1, and 8.2.4.2 and on): what an entry holds. */
#define CXL_ARRAY_VERSION          1u
#define CXL_ARRAY_CACHEMEM_VERSION 1u
#define CXL_ARRAY_ENTRY(id, version, pointer)                                                      \
	((uint32_t)(id) | (uint32_t)(version) << 16 | (uint32_t)(pointer) << 20)
#define CXL_ARRAY_HEADER(entries)                                                                  \
	(CXL_ARRAY_ENTRY(CXL_CAPABILITY_ARRAY, CXL_ARRAY_VERSION, CXL_ARRAY_CACHEMEM_VERSION) |    \
	 (uint32_t)(entries) << 24)

/* Versions of the structures as CXL 2.0 has them. */
#define CXL_RAS_VERSION  2u
#define CXL_LINK_VERSION 2u
#define CXL_HDM_VERSION  1u

/*
 * HDM decoders (8.2.4.20).
 */
#define HDM_DECODER_MAX               32u /* largest count that the capability can express */
#define HDM_DECODER_GRANULARITY       0x10000000u /* 256 MiB: base, size and skip (8.2.4.20.3) */
#define HDM_DECODER_BLOCK_SIZE(count) (0x10u + 0x20u * (count))

/* Offsets from the block's start; decoder n adds 0x20 * n. */
#define HDM_DECODER_CAPABILITY     0x00u
#define HDM_DECODER_GLOBAL_CONTROL 0x04u
#define HDM_DECODER_BASE_LOW       0x10u
#define HDM_DECODER_BASE_HIGH      0x14u
#define HDM_DECODER_SIZE_LOW       0x18u
#define HDM_DECODER_SIZE_HIGH      0x1cu
#define HDM_DECODER_CONTROL        0x20u
#define HDM_DECODER_SKIP_LOW       0x24u /* ports: target list */
#define HDM_DECODER_SKIP_HIGH      0x28u
#define HDM_DECODER_STRIDE         0x20u

/* Capability (8.2.4.20.1) */
#define HDM_CAPABILITY_INTERLEAVE_11_8     0x0100u
#define HDM_CAPABILITY_INTERLEAVE_14_12    0x0200u
#define HDM_CAPABILITY_INTERLEAVE_3_6_12   0x0800u
#define HDM_CAPABILITY_POISON              0x0400u /* returned on decode errors */
#define HDM_CAPABILITY_INTERLEAVE_16       0x1000u
#define HDM_CAPABILITY_INTERLEAVE          0x1b00u
#define HDM_CAPABILITY_TARGET_COUNT(count) ((uint32_t)(count) << 4)

/* Global control (8.2.4.20.2) */
#define HDM_GLOBAL_POISON 0x1u /* on decode errors */
#define HDM_GLOBAL_ENABLE 0x2u

/* Decoder n control (8.2.4.20.7) */
#define HDM_CONTROL_GRANULARITY_MASK     0x0fu
#define HDM_CONTROL_WAYS_MASK            0xf0u
#define HDM_CONTROL_GRANULARITY(control) ((control)&0xfu)
#define HDM_CONTROL_WAYS(control)        ((control) >> 4 & 0xfu)
#define HDM_CONTROL_LOCK_ON_COMMIT       0x0100u
#define HDM_CONTROL_COMMIT               0x0200u
#define HDM_CONTROL_COMMITTED            0x0400u
#define HDM_CONTROL_ERROR_NOT_COMMITTED  0x0800u
#define HDM_CONTROL_HOST_ONLY            0x1000u /* target type: 1 HDM-H, 0 HDM-D / HDM-DB */

/*
 * DVSECs (8.1).
 */
#define CXL_DVSEC_VENDOR 0x1e98u

/* DVSEC ids (CXL 8.1.1) */
#define CXL_DVSEC_DEVICE           0u
#define CXL_DVSEC_PORT_EXTENSIONS  3u
#define CXL_DVSEC_GPF_PORT         4u
#define CXL_DVSEC_GPF_DEVICE       5u
#define CXL_DVSEC_FLEX_BUS         7u
#define CXL_DVSEC_REGISTER_LOCATOR 8u

/* Port extensions (8.1.5), offsets in the DVSEC */
#define CXL_PORT_STATUS                  0x0au
#define CXL_PORT_STATUS_PM_INIT_COMPLETE 0x0001u
#define CXL_PORT_STATUS_VIRAL            0x4000u
#define CXL_PORT_CONTROL                 0x0cu
#define CXL_PORT_CONTROL_UNMASK_SBR      0x0001u
#define CXL_PORT_CONTROL_UNMASK_LINK     0x0002u

/* GPF for ports (8.1.6) */
#define CXL_GPF_PORT_PHASE_1 0x0cu
#define CXL_GPF_PORT_PHASE_2 0x0eu

/* Flex bus port (8.1.8), offsets and bits of capability and status */
#define CXL_FLEX_BUS_CAPABILITY 0x0au
#define CXL_FLEX_BUS_CONTROL    0x0cu
#define CXL_FLEX_BUS_STATUS     0x0eu
#define CXL_FLEX_BUS_CACHE      0x0001u
#define CXL_FLEX_BUS_IO         0x0002u
#define CXL_FLEX_BUS_MEM        0x0004u
#define CXL_FLEX_BUS_68B_VH     0x0020u /* 68-byte flits and virtual hierarchy: CXL 2.0 */

/* GPF for devices (8.1.7) */
#define CXL_GPF_DEVICE_PHASE_2 0x0au /* time: base in bits 11:8, scale in 3:0 */

/* Register locator (8.1.9): entries of two dwords. The low one (8.1.9.1): BIR 2:0, id 15:8,
 * offset 31:16. */
#define CXL_LOCATOR_FIRST 0x0cu
#define CXL_LOCATOR_ENTRY 8u
#define CXL_LOCATOR_LOW(bar, id, offset)                                                           \
	((uint32_t)(bar) | (uint32_t)(id) << 8 | ((uint32_t)(offset)&0xffff0000u))

/* Register block ids (8.1.9.1) */
#define CXL_REGISTER_BLOCK_COMPONENT 1u
#define CXL_REGISTER_BLOCK_DEVICE    3u

/*
 * The DVSEC for CXL devices (8.1.3), offsets in the DVSEC.
 */
#define CXL_DEVICE_CAPABILITY   0x0au /* 8.1.3.1 */
#define CXL_DEVICE_CONTROL      0x0cu /* 8.1.3.2 */
#define CXL_DEVICE_STATUS       0x0eu /* 8.1.3.3 */
#define CXL_DEVICE_CONTROL2     0x10u /* 8.1.3.4 */
#define CXL_DEVICE_STATUS2      0x12u /* 8.1.3.5 */
#define CXL_DEVICE_LOCK         0x14u /* 8.1.3.6 */
#define CXL_DEVICE_CAPABILITY2  0x16u /* 8.1.3.7 */
#define CXL_DEVICE_RANGE1       0x18u /* 8.1.3.8: size high, size low, base high, base low */
#define CXL_DEVICE_RANGE2       0x28u
#define CXL_DEVICE_RANGE_STRIDE 0x10u
#define CXL_DEVICE_CAPABILITY3  0x38u /* 8.1.3.9 */

/* Words of a range, and what its low halves hold. */
#define CXL_RANGE_SIZE_HIGH  0x0u
#define CXL_RANGE_SIZE_LOW   0x4u
#define CXL_RANGE_BASE_HIGH  0x8u
#define CXL_RANGE_BASE_LOW   0xcu
#define CXL_RANGE_LOW_MASK   0xf0000000u /* multiples of 256 MiB */
#define CXL_RANGE_SIZE_VALID 0x3u        /* Memory_Info_Valid, Memory_Active */

/* Capability (8.1.3.1) */
#define CXL_DEVICE_CAPABILITY_CACHE            (1u << 0)
#define CXL_DEVICE_CAPABILITY_IO               (1u << 1)
#define CXL_DEVICE_CAPABILITY_MEM              (1u << 2)
#define CXL_DEVICE_CAPABILITY_MEM_HWINIT       (1u << 3)
#define CXL_DEVICE_CAPABILITY_HDM_COUNT(count) ((unsigned int)(count) << 4)
#define CXL_DEVICE_CAPABILITY_WRITE_BACK       (1u << 6) /* and invalidate */
#define CXL_DEVICE_CAPABILITY_RESET            (1u << 7)
#define CXL_DEVICE_CAPABILITY_CLEAR            (1u << 11)
#define CXL_DEVICE_CAPABILITY_MLD              (1u << 13)
#define CXL_DEVICE_CAPABILITY_VIRAL            (1u << 14)

/* Control (8.1.3.2) */
#define CXL_DEVICE_CONTROL_CACHE (1u << 0)
#define CXL_DEVICE_CONTROL_IO    (1u << 1)
#define CXL_DEVICE_CONTROL_MEM   (1u << 2)
#define CXL_DEVICE_CONTROL_SNOOP 0x0ff8u /* coverage, granularity, clean eviction */
#define CXL_DEVICE_CONTROL_P2P   (1u << 12)
#define CXL_DEVICE_CONTROL_VIRAL (1u << 14)

/* Status (8.1.3.3) */
#define CXL_DEVICE_STATUS_VIRAL (1u << 14)

/* Control 2 (8.1.3.4) */
#define CXL_DEVICE_CONTROL2_DISABLE_CACHING (1u << 0)
#define CXL_DEVICE_CONTROL2_WRITE_BACK      (1u << 1)
#define CXL_DEVICE_CONTROL2_RESET           (1u << 2)
#define CXL_DEVICE_CONTROL2_CLEAR_ENABLE    (1u << 3)
#define CXL_DEVICE_CONTROL2_VOLATILE_STATE  (1u << 4)
#define CXL_DEVICE_CONTROL2_COMPLETION      (1u << 5)

/* Status 2 (8.1.3.5) */
#define CXL_DEVICE_STATUS2_CACHE_INVALID  (1u << 0)
#define CXL_DEVICE_STATUS2_RESET_COMPLETE (1u << 1)
#define CXL_DEVICE_STATUS2_RESET_ERROR    (1u << 2)
#define CXL_DEVICE_STATUS2_PRESERVATION   (1u << 3)
#define CXL_DEVICE_STATUS2_PM_INIT        (1u << 15)

/* Lock (8.1.3.6), capability 2 (8.1.3.7), capability 3 (8.1.3.9) */
#define CXL_DEVICE_LOCK_CONFIG            (1u << 0)
#define CXL_DEVICE_CAPABILITY2_COMPLETION (1u << 6)
#define CXL_DEVICE_CAPABILITY3_VOLATILE   (1u << 3)
#define CXL_DEVICE_CAPABILITY3_P2P        (1u << 4)

#endif
