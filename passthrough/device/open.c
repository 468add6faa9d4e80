/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/device/open.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/fd.h"
#include "passthrough/device/internal.h"
#include "passthrough/vfio/vfio.h"
#include "passthrough/vfio-user/client.h"

/* The caller keeps its descriptor, the transport closes this one. Returns 0 or -errno. */
static int keep(const struct passthrough_device *device, int *kept, int fd)
{
	int result;

	*kept = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0 || *kept >= 0)
		return 0;
	result = -errno;
	log_error(device->environment.logger, device->id, "descriptor %d: %s; give an open one", fd,
		  strerror(-result));
	return result;
}

static int open_kernel(struct passthrough_device *device,
		       const struct vfio_transport_options *transport)
{
	const struct passthrough_way *way = &device->options.way;
	bool group = way->kind == PASSTHROUGH_WAY_VFIO_GROUP_FD;
	struct vfio_kernel_options kernel = {
		.transport = *transport,
		.host = way->name,
		.device_fd = -1,
		.group_fd = -1,
		.container_fd = -1,
		.allow_no_iommu = device->options.allow_no_iommu,
		.vm = device->environment.vm,
		.spaces = device->environment.spaces,
	};
	int *kept = group ? &kernel.group_fd : &kernel.device_fd;
	int result = keep(device, kept, way->fd);

	if (!result)
		result = keep(device, &kernel.iommufd_fd, way->iommufd);
	if (result) {
		fd_close(kept);
		return result;
	}
	return vfio_kernel_open(&kernel, &device->transport);
}

static int open_user(struct passthrough_device *device,
		     const struct vfio_transport_options *transport)
{
	const struct passthrough_way *way = &device->options.way;
	int fd, result;

	if (way->kind == PASSTHROUGH_WAY_VFIO_USER_SOCKET)
		return vfio_user_connect(way->name, transport, &device->transport);
	result = keep(device, &fd, way->fd);
	return result ? result : vfio_user_attach(fd, transport, &device->transport);
}

/* NULL, or what is missing. */
static const char *way_problem(const struct passthrough_way *way)
{
	switch (way->kind) {
	case PASSTHROUGH_WAY_VFIO_USER_SOCKET:
	case PASSTHROUGH_WAY_VFIO_NAME:
		return way->name && way->fd < 0 ? NULL
						: "the way to it is a name, and no descriptor";
	case PASSTHROUGH_WAY_VFIO_USER_FD:
	case PASSTHROUGH_WAY_VFIO_CDEV_FD:
		return way->fd >= 0 ? NULL : "the way to it is an open descriptor";
	case PASSTHROUGH_WAY_VFIO_GROUP_FD:
		return way->fd >= 0 && way->name && way->iommufd < 0
			       ? NULL
			       : "the way to it is a group's descriptor and a name, without "
				 "iommufd";
	case PASSTHROUGH_WAY_NONE:
	default:
		return "needs either a vfio-user server or a host device";
	}
}

int passthrough_open_transport(struct passthrough_device *device)
{
	const struct passthrough_way *way = &device->options.way;
	const struct vfio_transport_options transport = {
		.name = device->id,
		.logger = device->environment.logger,
		.events = {.lost = passthrough_lost,
			   .requested = passthrough_requested,
			   .dma = passthrough_dma_access,
			   .opaque = device},
		.loop = device->environment.loop,
		.timeout_ms = device->options.timeout_ms,
	};
	const char *problem = way_problem(way);

	if (problem) {
		log_error(device->environment.logger, device->id, "%s", problem);
		return -EINVAL;
	}
	if (way->kind == PASSTHROUGH_WAY_VFIO_USER_SOCKET ||
	    way->kind == PASSTHROUGH_WAY_VFIO_USER_FD)
		return open_user(device, &transport);
	return open_kernel(device, &transport);
}
