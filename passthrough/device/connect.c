/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "devices/pci/msi.h"
#include "devices/pci/msix.h"
#include "passthrough/device/internal.h"
#include "passthrough/device/open.h"

static int device_create(const struct passthrough_environment *environment, const char *id,
			 struct passthrough_device **result_device)
{
	struct passthrough_device *device = calloc(1, sizeof(*device));

	if (!device)
		return -ENOMEM;
	device->id = strdup(id);
	if (!device->id) {
		free(device);
		return -ENOMEM;
	}
	device->environment = *environment;
	device->limit = (struct log_ratelimit)LOG_RATELIMIT_DEFAULT;
	device->intx_fd = device->intx_resample_fd = -1;
	pthread_mutex_init(&device->lock, NULL);
	*result_device = device;
	return 0;
}

/* The strings and descriptors are the caller's, and gone after passthrough_connect(). */
static void forget_way(struct passthrough_device *device)
{
	device->options.id = device->id;
	device->options.way = (struct passthrough_way){.fd = -1, .iommufd = -1};
}

void passthrough_detach(struct passthrough_device *device)
{
	if (!device)
		return;
	pci_bus_remove(&device->pci);
	if (device->transport) {
		passthrough_stop_irqs(device);
		passthrough_release_cxl(device);
		windows_destroy(device);
		passthrough_release_bars(device);
		passthrough_unmap_ram(device);
		device->transport->ops->close(device->transport);
	}
	pci_msix_destroy(&device->pci);
	pci_msi_destroy(&device->pci);
	pthread_mutex_destroy(&device->lock);
	free(device->regions);
	free(device->info_image);
	free(device->id);
	free(device);
}

/* Everything that needs no guest: what it is, how its BARs are cut up, its memory mapped here. */
static int look(struct passthrough_device *device)
{
	uint64_t start;
	int result = passthrough_discover(device);

	if (!result)
		result = passthrough_plan_bars(device);
	if (result)
		return result;
	start = clock_now_ns();
	passthrough_map_bars(device);
	if (device->facts.cxl)
		result = passthrough_map_memory(device);
	device->timeline.map = clock_now_ns() - start;
	/* Lost meanwhile: plug will say so. */
	if (!result)
		passthrough_life_move(&device->life, PASSTHROUGH_CONNECTED, PASSTHROUGH_PLANNED);
	return result;
}

static int finish_connect(struct passthrough_device *device, int result,
			  struct passthrough_device **result_device)
{
	if (!result)
		result = look(device);
	if (result) {
		passthrough_detach(device);
		return result;
	}
	*result_device = device;
	return 0;
}

int passthrough_connect(const struct passthrough_options *options,
			const struct passthrough_environment *environment,
			struct passthrough_device **result_device)
{
	struct passthrough_device *device;
	uint64_t start = clock_now_ns();
	int result = options->id ? device_create(environment, options->id, &device) : -EINVAL;

	if (result)
		return result;
	device->options = *options;
	result = passthrough_open_transport(device);
	forget_way(device);
	device->timeline.connect = clock_now_ns() - start;
	return finish_connect(device, result, result_device);
}

int passthrough_adopt(const struct passthrough_options *options,
		      const struct passthrough_environment *environment,
		      struct vfio_transport *transport, struct passthrough_device **result_device)
{
	struct passthrough_device *device;
	int result = device_create(environment, options->id, &device);

	if (result) {
		transport->ops->close(transport);
		return result;
	}
	device->options = *options;
	forget_way(device);
	device->transport = transport;
	return finish_connect(device, 0, result_device);
}
