/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCEL_SIM_UNITS_H
#define ACCEL_SIM_UNITS_H

#include <stdint.h>

/* Sizes in bytes. */
#define MIB UINT64_C(0x100000)
#define GIB UINT64_C(0x40000000)

#endif
