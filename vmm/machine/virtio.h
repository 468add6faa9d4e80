/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_MACHINE_VIRTIO_H
#define VMM_MACHINE_VIRTIO_H

#include "vmm/machine/part.h"

/* The virtio devices, each a part behind a PCI function on bus 0. Wanted: its section of the
 * specification; the entropy device has none. */
extern const struct machine_part_ops machine_disk_part;
extern const struct machine_part_ops machine_net_part;
extern const struct machine_part_ops machine_vsock_part;
extern const struct machine_part_ops machine_console_part;
extern const struct machine_part_ops machine_rng_part;
extern const struct machine_part_ops machine_balloon_part;

#endif
