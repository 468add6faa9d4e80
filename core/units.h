/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_UNITS_H
#define CORE_UNITS_H

#include <stdint.h>

/* Sizes in bytes. */
#define KIB UINT64_C(0x400)
#define MIB UINT64_C(0x100000)
#define GIB UINT64_C(0x40000000)
#define TIB UINT64_C(0x10000000000)

#endif
