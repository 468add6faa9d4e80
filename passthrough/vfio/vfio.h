/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_VFIO_VFIO_H
#define PASSTHROUGH_VFIO_VFIO_H

#include <stdbool.h>

#include "core/kvm.h"
#include "passthrough/iommu/spaces.h"
#include "passthrough/iommu/system.h"
#include "passthrough/transport/transport.h"

/*
 * The transports to the kernel's VFIO: the group with a type 1 container, and the device's
 * character device with iommufd. Which one is taken: what the given fds say; otherwise the
 * character device when both it and /dev/iommu exist, else the group.
 *
 * Devices that have the same spaces share what can be shared: the address space, unless the kernel
 * refuses to put them into one, and with it the container or iommufd, and the IOMMU group.
 */

struct vfio_kernel_options {
	struct vfio_transport_options transport;
	const char *host; /* BDF or sysfs path; with fds only a name, or NULL */
	/* Owned by the transport, also on failure; -1: none. See struct passthrough_options. */
	int device_fd;
	int group_fd;
	int container_fd;
	int iommufd_fd;
	bool allow_no_iommu;
	struct kvm_vm *vm;                    /* for KVM_DEV_VFIO; NULL: not told */
	struct iommu_spaces *spaces;          /* of the machine; NULL: nothing is shared */
	const struct vfio_system_ops *system; /* NULL: the real one */
	void *system_opaque;
};

/*
 * vfio_kernel_open() - Returns 0; -EINVAL (no BDF, fds that contradict each other), -ENOENT (no
 * such device, or not bound to a VFIO driver), -EACCES, -EBUSY (in use), -EPERM (the IOMMU group
 * has other devices that are not bound), -EOPNOTSUPP (no-IOMMU without permission, no usable
 * IOMMU), or another -errno. The log names the device, what failed and what would fix it. One
 * thread at a time for all devices with the same spaces.
 */
int vfio_kernel_open(const struct vfio_kernel_options *options, struct vfio_transport **transport);

#endif
