/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_MACHINE_BUILD_H
#define VMM_MACHINE_BUILD_H

#include <stdint.h>

/* The steps of machine_create() that are no parts. Each returns 0 or -errno, logged. */
struct machine;

/* memory.c: the RAM blocks of the layout, split over the NUMA nodes. */
int machine_add_ram(struct machine *machine);

/* firmware.c: kernel, initramfs, ACPI tables, memory map, boot parameters into guest RAM. */
int machine_load_payload(struct machine *machine);
int machine_write_firmware(struct machine *machine);

/* affinity.c: bind the calling vCPU thread as the specification says. */
int machine_set_affinity(struct machine *machine, uint32_t vcpu);

#endif
