/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/device/open.h"

#include <errno.h>
#include <unistd.h>

#include "passthrough/device/internal.h"
#include "passthrough/vfio/vfio.h"
#include "passthrough/vfio-user/client.h"

static void close_kernel_fds(const struct passthrough_options *options)
{
	const int fds[] = {options->device_fd, options->group_fd, options->container_fd,
			   options->iommufd_fd};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static int open_kernel(struct passthrough_device *device, const struct passthrough_options *options,
		       const struct vfio_transport_options *transport)
{
	struct vfio_kernel_options kernel = {
		.transport = *transport,
		.host = options->host,
		.device_fd = options->device_fd,
		.group_fd = options->group_fd,
		.container_fd = options->container_fd,
		.iommufd_fd = options->iommufd_fd,
		.allow_no_iommu = options->allow_no_iommu,
		.vm = device->environment.vm,
	};

	return vfio_kernel_open(&kernel, &device->transport);
}

int passthrough_open_transport(struct passthrough_device *device,
			       const struct passthrough_options *options)
{
	bool user = options->vfio_user_socket || options->vfio_user_fd >= 0;
	bool kernel = options->host || options->device_fd >= 0 || options->group_fd >= 0;
	struct vfio_transport_options transport = {
		.name = device->id,
		.logger = device->environment.logger,
		.events = {.lost = passthrough_lost,
			   .requested = passthrough_requested,
			   .dma = passthrough_dma_access,
			   .opaque = device},
		.loop = device->environment.loop,
		.timeout_ms = options->timeout_ms,
	};

	if (user == kernel || (options->vfio_user_socket && options->vfio_user_fd >= 0)) {
		close_kernel_fds(options);
		if (options->vfio_user_fd >= 0)
			close(options->vfio_user_fd);
		log_error(device->environment.logger, device->id,
			  "needs either a vfio-user server or a host device");
		return -EINVAL;
	}
	if (kernel)
		return open_kernel(device, options, &transport);
	close_kernel_fds(options);
	device->facts.needs_shared_ram = true;
	if (options->vfio_user_fd >= 0)
		return vfio_user_attach(options->vfio_user_fd, &transport, &device->transport);
	return vfio_user_connect(options->vfio_user_socket, &transport, &device->transport);
}
