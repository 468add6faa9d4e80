/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/passthrough_open.h"

#include <errno.h>
#include <unistd.h>

#include "passthrough/passthrough_internal.h"
#include "passthrough/vfio_user_client.h"

static void close_kernel_fds(const struct passthrough_options *options)
{
	const int fds[] = {options->device_fd, options->group_fd, options->container_fd,
			   options->iommufd_fd};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
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
	if (kernel) {
		close_kernel_fds(options);
		log_error(device->environment.logger, device->id,
			  "kernel VFIO is not built in yet; use a vfio-user server");
		return -EOPNOTSUPP;
	}
	close_kernel_fds(options);
	device->facts.needs_shared_ram = true;
	if (options->vfio_user_fd >= 0)
		return vfio_user_attach(options->vfio_user_fd, &transport, &device->transport);
	return vfio_user_connect(options->vfio_user_socket, &transport, &device->transport);
}
