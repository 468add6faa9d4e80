/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "passthrough/vfio/internal.h"

/* The last part of the target of @path, or "". */
static int locate_link(struct vfio_kernel *kernel, const char *path, char *name, size_t size)
{
	char target[VFIO_KERNEL_PATH];
	const struct vfio_system *system = &kernel->system;
	ssize_t length = system->ops->readlink(system->opaque, path, target, sizeof(target));
	const char *last;

	name[0] = '\0';
	if (length < 0)
		return (int)length;
	last = strrchr(target, '/');
	last = last ? last + 1 : target;
	if (strlen(last) >= size)
		return -ENAMETOOLONG;
	memcpy(name, last, strlen(last) + 1);
	return 0;
}

int vfio_kernel_locate(struct vfio_kernel *kernel, struct vfio_kernel_place *place)
{
	const struct vfio_system *system = &kernel->system;
	const char *host = kernel->asked.host;
	char path[VFIO_KERNEL_PATH];

	memset(place, 0, sizeof(*place));
	if (pci_address_parse(host, &place->address)) {
		log_error(kernel->options.logger, kernel->name,
			  "%s is no PCI address; write it as 0000:17:00.0 or give a path in "
			  "/sys/bus/pci/devices",
			  host);
		return -EINVAL;
	}
	pci_address_format(&place->address, place->bdf);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/subsystem", place->bdf);
	if (locate_link(kernel, path, place->driver, sizeof(place->driver))) {
		log_error(kernel->options.logger, kernel->name,
			  "there is no PCI device %s; cxvm host list --all shows what there is",
			  place->bdf);
		return -ENOENT;
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", place->bdf);
	locate_link(kernel, path, place->driver, sizeof(place->driver));
	if (!place->driver[0] || !strstr(place->driver, "vfio")) {
		log_error(kernel->options.logger, kernel->name,
			  "%s is bound to %s, not to a VFIO driver: cxvm host bind %s", place->bdf,
			  place->driver[0] ? place->driver : "no driver", place->bdf);
		return -ENOENT;
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", place->bdf);
	locate_link(kernel, path, place->group, sizeof(place->group));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", place->bdf);
	if (system->ops->find_entry(system->opaque, path, "vfio", place->cdev, sizeof(place->cdev)))
		place->cdev[0] = '\0';
	return 0;
}
