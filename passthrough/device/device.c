/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "devices/pci/msi.h"
#include "devices/pci/msix.h"
#include "passthrough/device/internal.h"
#include "passthrough/device/open.h"

/* No more tries after this long: the guest's other devices wait for the root's lock. */
#define RESET_RETRY_NS (1000u * 1000 * 1000)

uint64_t passthrough_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static struct passthrough_device *device_of(struct pci_device *pci)
{
	return (struct passthrough_device *)pci;
}

/* The body of the CXL device DVSEC is the VMM's own; everything else is generic. */
static bool in_dvsec_body(const struct passthrough_device *device, uint32_t offset,
			  unsigned int size)
{
	uint32_t start = device->config_facts.cxl_dvsec;

	/* The dword at +0x08 holds the last header word and the first register. */
	return device->cxl_ready && offset >= start + 8u &&
	       offset + size <= start + device->dvsec.length;
}

static bool device_config_read(struct pci_device *pci, uint32_t offset, unsigned int size,
			       uint32_t *value)
{
	struct passthrough_device *device = device_of(pci);

	if (passthrough_is_lost(device)) {
		*value = UINT32_MAX;
		return true;
	}
	if (!in_dvsec_body(device, offset, size))
		return false;
	*value = cxl_dvsec_body_read(&device->dvsec, offset - device->config_facts.cxl_dvsec, size);
	return true;
}

static bool device_config_write(struct pci_device *pci, uint32_t offset, unsigned int size,
				uint32_t value)
{
	struct passthrough_device *device = device_of(pci);

	if (!in_dvsec_body(device, offset, size))
		return false;
	cxl_dvsec_body_write(&device->dvsec, offset - device->config_facts.cxl_dvsec, size, value);
	return true;
}

/* The device must decode, master the bus and signal exactly when the guest says so. */
static void forward_command(struct passthrough_device *device)
{
	uint16_t command = pci_get_word(device->pci.config, PCI_COMMAND);
	uint8_t bytes[2] = {(uint8_t)command, (uint8_t)(command >> 8)};

	__atomic_store_n(&device->transport->busy, command & PCI_COMMAND_MASTER, __ATOMIC_RELEASE);
	if (!passthrough_is_lost(device))
		device->transport->ops->region_write(device->transport,
						     VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND,
						     bytes, 2, true);
}

static void device_config_written(struct pci_device *pci, uint32_t offset, unsigned int size)
{
	struct passthrough_device *device = device_of(pci);

	if (offset < PCI_COMMAND + 2 && PCI_COMMAND < offset + size) {
		forward_command(device);
		if (device->windows_withdrawn && !passthrough_is_lost(device) &&
		    (pci_get_word(pci->config, PCI_COMMAND) & PCI_COMMAND_MEMORY)) {
			/* The BARs came back by themselves when decoding was turned on. */
			device->windows_withdrawn = false;
			passthrough_restore_dpa(device);
		}
	}
	passthrough_update_irqs(device);
}

static int device_alive(struct passthrough_device *device)
{
	uint8_t vendor[2] = {0xff, 0xff};
	int result = device->transport->ops->region_read(
		device->transport, VFIO_PCI_CONFIG_REGION_INDEX, PCI_VENDOR_ID, vendor, 2);

	if (!result && vendor[0] == 0xff && vendor[1] == 0xff)
		result = -EIO;
	return result;
}

/* Returns 0, or -errno after the device was declared lost or left as it was. */
int passthrough_reset_transport(struct passthrough_device *device)
{
	const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
	uint64_t start = passthrough_now();
	int result = -EAGAIN;

	if (passthrough_is_lost(device))
		return -ENODEV;
	__atomic_store_n(&device->resetting, true, __ATOMIC_RELEASE);
	/* VFIO answers EAGAIN, at once, while a page fault holds the device's memory lock. */
	for (unsigned int i = 0; i < 20 && result == -EAGAIN; i++) {
		if (passthrough_now() - start >= RESET_RETRY_NS)
			break;
		if (i)
			nanosleep(&pause, NULL);
		result = device->transport->ops->reset(device->transport);
	}
	__atomic_store_n(&device->resetting, false, __ATOMIC_RELEASE);
	passthrough_count(device->counters.resets);
	if (result) {
		log_limited(device->environment.logger, &device->limit, LOG_LEVEL_WARNING,
			    device->id, "reset failed: %s; the device keeps its state",
			    strerror(-result));
		return result;
	}
	result = device_alive(device);
	if (result == -EIO)
		passthrough_lost(device, "it does not answer after a reset");
	return result;
}

/*
 * Under the root's lock; the BARs are unmapped already. A function-level reset leaves CXL.cache and
 * CXL.mem alone (CXL 9.5): decoders stay committed, their memory stays mapped, and the component
 * registers and the CXL device DVSEC keep what they hold.
 */
static void device_reset(struct pci_device *pci, enum pci_reset_kind kind)
{
	struct passthrough_device *device = device_of(pci);
	int result;

	passthrough_stop_irqs(device);
	__atomic_store_n(&device->transport->busy, false, __ATOMIC_RELEASE);
	if (kind == PCI_RESET_CONVENTIONAL)
		passthrough_reset_cxl(device);
	result = passthrough_reset_transport(device);
	if (result == -ENODEV || !device->cxl_ready || kind == PCI_RESET_FUNCTION)
		return;
	result = passthrough_commit_firmware(device);
	if (result)
		log_error(device->environment.logger, device->id,
			  "its memory did not come back after a reset: %s", strerror(-result));
}

static const struct pci_device_ops device_ops = {
	.config_read = device_config_read,
	.config_write = device_config_write,
	.config_written = device_config_written,
	.bar_mapped = passthrough_bar_mapped,
	.bar_unmapped = passthrough_bar_unmapped,
	.reset = device_reset,
};

static struct passthrough_device *device_new(const struct passthrough_options *options,
					     const struct passthrough_environment *environment)
{
	struct passthrough_device *device = calloc(1, sizeof(*device));

	if (!device)
		return NULL;
	device->id = strdup(options->id);
	if (!device->id) {
		free(device);
		return NULL;
	}
	device->options = *options;
	device->environment = *environment;
	device->limit = (struct log_ratelimit)LOG_RATELIMIT_DEFAULT;
	device->intx_fd = device->intx_resample_fd = device->dpa_fd = -1;
	pthread_mutex_init(&device->lock, NULL);
	return device;
}

static int finish_connect(struct passthrough_device *device, int result,
			  struct passthrough_device **result_device)
{
	if (!result)
		result = passthrough_discover(device);
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
	uint64_t start = passthrough_now();
	int result;

	device = options->id ? device_new(options, environment) : NULL;
	if (!device)
		return options->id ? -ENOMEM : -EINVAL;
	result = passthrough_open_transport(device, options);
	device->timeline.connect = passthrough_now() - start;
	return finish_connect(device, result, result_device);
}

int passthrough_adopt(const struct passthrough_options *options,
		      const struct passthrough_environment *environment,
		      struct vfio_transport *transport, struct passthrough_device **result_device)
{
	struct passthrough_device *device = device_new(options, environment);

	if (!device) {
		transport->ops->close(transport);
		return -ENOMEM;
	}
	device->transport = transport;
	return finish_connect(device, 0, result_device);
}

static void report_hidden(void *opaque, bool extended, uint16_t id, const char *reason)
{
	struct passthrough_device *device = opaque;

	log_debug(device->environment.logger, device->id, "%scapability %#x is hidden: %s",
		  extended ? "extended " : "", id, reason);
}

static int plug_function(struct passthrough_device *device)
{
	const struct config_facts *facts = &device->config_facts;
	int result;

	device->pci.name = device->id;
	device->pci.ops = &device_ops;
	pci_device_init(&device->pci, facts->vendor, facts->device, facts->class_code,
			facts->revision, facts->subsystem_vendor, facts->subsystem_device);
	device->pci.config[PCI_INTERRUPT_PIN] = facts->interrupt_pin ? 1 : 0;
	result = passthrough_register_bars(device);
	if (!result)
		result = passthrough_prepare_vectors(device);
	if (!result)
		config_space_build(&device->pci, facts, device->config, device->config_length,
				   device->facts.cxl, report_hidden, device);
	return result;
}

int passthrough_plug(struct passthrough_device *device, const struct passthrough_place *place)
{
	uint64_t start = passthrough_now(), slots, dma;
	int result;

	if (passthrough_is_lost(device))
		return -ENODEV;
	result = plug_function(device);
	if (!result && device->facts.cxl)
		result = passthrough_plug_cxl(device, place);
	dma = passthrough_now();
	if (!result && device->environment.memory)
		result = passthrough_map_ram(device);
	device->timeline.dma = passthrough_now() - dma;
	slots = passthrough_now();
	if (!result && device->facts.cxl)
		result = passthrough_commit_firmware(device);
	if (!result && device->facts.cxl)
		result = passthrough_lend_dpa(device);
	device->timeline.slots = passthrough_now() - slots;
	if (!result) {
		result = pci_bus_add(place->bus, &device->pci, place->devfn);
		device->plugged = !result;
	}
	device->timeline.plug =
		passthrough_now() - start - device->timeline.dma - device->timeline.slots;
	return result;
}

void passthrough_detach(struct passthrough_device *device)
{
	if (!device)
		return;
	if (device->plugged)
		pci_bus_remove(&device->pci);
	if (device->transport) {
		passthrough_stop_irqs(device);
		passthrough_release_cxl(device);
		passthrough_release_bars(device);
		passthrough_unmap_ram(device);
		device->transport->ops->close(device->transport);
	}
	if (device->vectors_ready) {
		pci_msix_destroy(&device->pci);
		pci_msi_destroy(&device->pci);
	}
	pthread_mutex_destroy(&device->lock);
	free(device->regions);
	free(device->info_image);
	free(device->id);
	free(device);
}
