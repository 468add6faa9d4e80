/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the pure parts of the driver need from their surroundings.
 *
 * component.c, locator.c, sparse.c, chain.c, decoder.c, dvsec.c and access.c
 * hold every rule of the contract and call nothing of the kernel, so that the
 * same files are compiled into the module and into a user-space test program.
 */
#ifndef CXL_VFIO_SHIM_H
#define CXL_VFIO_SHIM_H

#ifdef __KERNEL__

#include <linux/bits.h>
#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/string.h>
#include <linux/types.h>

#else

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define BIT(n)             (1U << (n))
#define GENMASK(high, low) ((0xffffffffU >> (31 - (high))) & (0xffffffffU << (low)))
#define ARRAY_SIZE(array)  (sizeof(array) / sizeof((array)[0]))

#endif

/* Both contract generations of this driver, the values of the parameter "layout". */
enum cxl_layout {
	CXL_LAYOUT_V2 = 2,
	CXL_LAYOUT_V3 = 3,
};

#endif
