/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/clock.h"
#include "passthrough/device/internal.h"

static struct passthrough_device *device_of(struct pci_device *pci)
{
	return (struct passthrough_device *)pci;
}

/* The body of the CXL device DVSEC is the VMM's own; everything else is generic. */
static bool in_dvsec_body(const struct passthrough_device *device, uint32_t offset,
			  unsigned int size)
{
	uint32_t start = device->config_facts.cxl_dvsec;

	/* This dword holds the last header word and the first register. */
	return device->cxl && offset >= start + PCI_DVSEC_HEADER2 &&
	       offset + size <= start + device->cxl->dvsec.length;
}

static bool device_config_read(struct pci_device *pci, uint32_t offset, unsigned int size,
			       uint32_t *value)
{
	struct passthrough_device *device = device_of(pci);

	if (passthrough_life_is_lost(&device->life)) {
		*value = UINT32_MAX;
		return true;
	}
	if (!in_dvsec_body(device, offset, size))
		return false;
	*value = cxl_dvsec_body_read(&device->cxl->dvsec, offset - device->config_facts.cxl_dvsec,
				     size);
	return true;
}

static bool device_config_write(struct pci_device *pci, uint32_t offset, unsigned int size,
				uint32_t value)
{
	struct passthrough_device *device = device_of(pci);

	if (!in_dvsec_body(device, offset, size))
		return false;
	cxl_dvsec_body_write(&device->cxl->dvsec, offset - device->config_facts.cxl_dvsec, size,
			     value);
	return true;
}

/* The device must decode, master the bus and signal exactly when the guest says so. */
static void forward_command(struct passthrough_device *device)
{
	uint16_t command = bytes_get_le16(device->pci.config + PCI_COMMAND);
	uint8_t bytes[2];

	bytes_put_le16(bytes, command);
	atomic_store(&device->transport->busy, command & PCI_COMMAND_MASTER);
	atomic_store(&device->decoding, command & PCI_COMMAND_MEMORY);
	if (!passthrough_life_is_lost(&device->life))
		device->transport->ops->region_write(device->transport,
						     VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND,
						     bytes, 2, true);
}

static void device_config_written(struct pci_device *pci, uint32_t offset, unsigned int size)
{
	struct passthrough_device *device = device_of(pci);

	if (offset < PCI_COMMAND + 2 && PCI_COMMAND < offset + size) {
		forward_command(device);
		/* BARs came back by themselves if decoding was off. */
		if ((bytes_get_le16(pci->config + PCI_COMMAND) & PCI_COMMAND_MEMORY) &&
		    passthrough_life_move(&device->life, PASSTHROUGH_WITHDRAWN,
					  PASSTHROUGH_PLUGGED)) {
			passthrough_restore_bars(device);
			passthrough_restore_memory(device);
		}
	}
	passthrough_update_irqs(device);
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
	atomic_store(&device->transport->busy, false);
	atomic_store(&device->decoding, false);
	if (kind == PCI_RESET_CONVENTIONAL)
		passthrough_reset_cxl(device);
	result = passthrough_reset_transport(device);
	if (result == -ENODEV || !device->cxl || kind == PCI_RESET_FUNCTION)
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
	.wait_quiet = passthrough_wait_quiet,
	.reset = device_reset,
};

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
	uint64_t start = clock_now_ns(), slots, dma;
	int result;

	if (!passthrough_life_move(&device->life, PASSTHROUGH_PLANNED, PASSTHROUGH_PLUGGED))
		return passthrough_life_is_lost(&device->life) ? -ENODEV : -EINVAL;
	result = plug_function(device);
	if (!result && device->facts.cxl)
		result = passthrough_plug_cxl(device, place);
	dma = clock_now_ns();
	if (!result && device->environment.memory)
		result = passthrough_map_ram(device);
	device->timeline.dma = clock_now_ns() - dma;
	slots = clock_now_ns();
	if (!result && device->facts.cxl)
		result = passthrough_commit_firmware(device);
	if (!result && device->facts.cxl)
		result = passthrough_lend_memory(device);
	device->timeline.slots = clock_now_ns() - slots;
	if (!result)
		result = pci_bus_add(place->bus, &device->pci, place->devfn);
	device->timeline.plug =
		clock_now_ns() - start - device->timeline.dma - device->timeline.slots;
	return result;
}
