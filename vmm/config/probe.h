/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_CONFIG_PROBE_H
#define VMM_CONFIG_PROBE_H

#include "vmm/config/problems.h"
#include "vmm/machine/specification.h"

/*
 * config_probe() - does the host have what @specification asks for? Files, permissions, CPUs, huge
 * pages, sockets, devices, KVM: what the start would trip over. It reads files and opens devices,
 * and changes nothing. @specification may have problems of its own; they are not told again.
 */
void config_probe(const struct machine_specification *specification, struct problems *problems);

/* The parts of it that are about network cards, consoles, sockets and passed-through devices. */
void probe_devices(const struct machine_specification *specification, struct problems *problems);

#endif
