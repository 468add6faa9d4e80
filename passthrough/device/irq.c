/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "core/bytes.h"
#include "core/fd.h"
#include "devices/pci/msi.h"
#include "devices/pci/msix.h"
#include "passthrough/device/internal.h"

/*
 * Interrupts go from the device's side straight into KVM: an eventfd that VFIO or the server
 * signals is the eventfd of an irqfd. Masking is the irqfd's business, so the device's side is told
 * only when the guest turns a kind of interrupt on or off.
 */
#define TRIGGER_EVENTFD (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER)
#define TRIGGER_NONE    (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER)

static uint32_t irq_count(struct passthrough_device *device, uint32_t index)
{
	uint32_t flags = 0, count = 0;

	if (device->transport->ops->get_irq_info(device->transport, index, &flags, &count) ||
	    !(flags & VFIO_IRQ_INFO_EVENTFD))
		return 0;
	return count;
}

/* Make MSI and MSI-X at the device's own offsets, as far as its side can signal them. */
int passthrough_prepare_vectors(struct passthrough_device *device)
{
	const struct config_msix *msix = &device->config_facts.msix;
	const struct config_msi *msi = &device->config_facts.msi;
	int result = 0;

	/* Asked now: later, the sandbox of the vCPU threads has no more questions to the kernel. */
	device->intx_count =
		device->config_facts.interrupt_pin ? irq_count(device, VFIO_PCI_INTX_IRQ_INDEX) : 0;
	if (msix->offset && irq_count(device, VFIO_PCI_MSIX_IRQ_INDEX) >= msix->vectors) {
		struct pci_msix_options options = {
			.vectors = msix->vectors,
			.table_bar = msix->table_bar,
			.table_offset = msix->table_offset,
			.pba_bar = msix->pba_bar,
			.pba_offset = msix->pba_offset,
			.capability_offset = msix->offset,
		};

		result = pci_msix_init(&device->pci, &options);
	} else if (msix->offset) {
		log_warning(device->environment.logger, device->id,
			    "MSI-X is hidden: the device's side cannot signal %u vectors",
			    msix->vectors);
	}
	if (!result && msi->offset && irq_count(device, VFIO_PCI_MSI_IRQ_INDEX) >= msi->vectors) {
		struct pci_msi_options options = {
			.vectors = msi->vectors,
			.address_64 = msi->address_64,
			.maskable = msi->maskable,
			.capability_offset = msi->offset,
		};

		result = pci_msi_init(&device->pci, &options);
	}
	if (result)
		log_error(device->environment.logger, device->id,
			  "its interrupt capabilities are not usable: %s", strerror(-result));
	return result;
}

static void irq_disarm(struct passthrough_device *device, uint32_t index)
{
	device->transport->ops->set_irqs(device->transport, index, TRIGGER_NONE, 0, 0, NULL);
}

/* Hand @count eventfds over in as few calls as the transport allows. */
static int irq_arm(struct passthrough_device *device, uint32_t index, uint32_t count,
		   int (*eventfd_of)(const struct pci_device *pci, uint16_t vector))
{
	int *fds = calloc(count, sizeof(*fds));
	int result = fds ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < count && !result; i++) {
		fds[i] = eventfd_of(&device->pci, (uint16_t)i);
		if (fds[i] < 0)
			result = fds[i];
	}
	if (!result)
		result = device->transport->ops->set_irqs(device->transport, index, TRIGGER_EVENTFD,
							  0, count, fds);
	free(fds);
	if (!result)
		device->irq_armed = count;
	else
		/* The first ones may be armed. */
		irq_disarm(device, index);
	return result;
}

static void intx_stop(struct passthrough_device *device)
{
	irq_disarm(device, VFIO_PCI_INTX_IRQ_INDEX);
	if (device->environment.irq)
		irq_detach(device->environment.irq, device->intx_gsi, device->intx_fd);
	fd_close(&device->intx_fd);
	fd_close(&device->intx_resample_fd);
}

/*
 * The line interrupt: VFIO masks it when it fires; KVM's end-of-interrupt notification is the
 * eventfd that unmasks it again, without the VMM in between.
 */
static int intx_start(struct passthrough_device *device)
{
	int result = 0;

	device->intx_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	device->intx_resample_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (device->intx_fd < 0 || device->intx_resample_fd < 0)
		result = -errno;
	device->intx_gsi = pci_intx_gsi(&device->pci);
	if (!result)
		result =
			device->transport->ops->set_irqs(device->transport, VFIO_PCI_INTX_IRQ_INDEX,
							 TRIGGER_EVENTFD, 0, 1, &device->intx_fd);
	if (!result)
		result = device->transport->ops->set_irqs(
			device->transport, VFIO_PCI_INTX_IRQ_INDEX,
			VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, 0, 1,
			&device->intx_resample_fd);
	if (!result && device->environment.irq)
		result = irq_attach(device->environment.irq, device->intx_gsi, device->intx_fd,
				    device->intx_resample_fd);
	if (result) {
		/* VFIO refuses MSI while INTx is armed. */
		irq_disarm(device, VFIO_PCI_INTX_IRQ_INDEX);
		fd_close(&device->intx_fd);
		fd_close(&device->intx_resample_fd);
	}
	return result;
}

static enum passthrough_irq_mode irq_wanted(const struct passthrough_device *device)
{
	uint16_t command = bytes_get_le16(device->pci.config + PCI_COMMAND);

	if (device->pci.msix && pci_msix_enabled(&device->pci))
		return PASSTHROUGH_IRQ_MSIX;
	if (device->pci.msi && pci_msi_enabled_vectors(&device->pci))
		return PASSTHROUGH_IRQ_MSI;
	if (device->config_facts.interrupt_pin && !(command & PCI_COMMAND_INTX_DISABLE) &&
	    (command & (PCI_COMMAND_MEMORY | PCI_COMMAND_IO)))
		return PASSTHROUGH_IRQ_INTX;
	return PASSTHROUGH_IRQ_NONE;
}

static void irq_move(struct passthrough_device *device, enum passthrough_irq_mode to)
{
	assert(passthrough_irq_mode_may_follow(device->irq_mode, to));
	device->irq_mode = to;
}

void passthrough_stop_irqs(struct passthrough_device *device)
{
	switch (device->irq_mode) {
	case PASSTHROUGH_IRQ_INTX:
		intx_stop(device);
		break;
	case PASSTHROUGH_IRQ_MSI:
	case PASSTHROUGH_IRQ_MSIX:
		irq_disarm(device, device->irq_mode == PASSTHROUGH_IRQ_MSI
					   ? VFIO_PCI_MSI_IRQ_INDEX
					   : VFIO_PCI_MSIX_IRQ_INDEX);
		break;
	case PASSTHROUGH_IRQ_NONE:
	case PASSTHROUGH_IRQ_MODES:
	default:
		break;
	}
	irq_move(device, PASSTHROUGH_IRQ_NONE);
	device->irq_armed = 0;
	device->irq_failed = PASSTHROUGH_IRQ_NONE;
}

void passthrough_update_irqs(struct passthrough_device *device)
{
	enum passthrough_irq_mode wanted = irq_wanted(device);
	uint32_t vectors = wanted == PASSTHROUGH_IRQ_MSI    ? pci_msi_enabled_vectors(&device->pci)
			   : wanted == PASSTHROUGH_IRQ_MSIX ? device->config_facts.msix.vectors
							    : 0;
	int result = 0;

	if (wanted == device->irq_mode && vectors == device->irq_armed) {
		device->irq_failed = PASSTHROUGH_IRQ_NONE;
		return;
	}
	/* Each try costs a server's answers; nothing says that the next one works. */
	if (wanted != PASSTHROUGH_IRQ_NONE && wanted == device->irq_failed &&
	    vectors == device->irq_failed_vectors)
		return;
	/* One kind at a time, as VFIO has it. */
	passthrough_stop_irqs(device);
	if (passthrough_life_is_lost(&device->life))
		return;
	if (wanted == PASSTHROUGH_IRQ_MSIX)
		result = irq_arm(device, VFIO_PCI_MSIX_IRQ_INDEX, vectors, pci_msix_eventfd);
	else if (wanted == PASSTHROUGH_IRQ_MSI)
		result = irq_arm(device, VFIO_PCI_MSI_IRQ_INDEX, vectors, pci_msi_eventfd);
	else if (wanted == PASSTHROUGH_IRQ_INTX)
		result = device->intx_count ? intx_start(device) : -EOPNOTSUPP;
	if (!result) {
		irq_move(device, wanted);
		return;
	}
	device->irq_failed = wanted;
	device->irq_failed_vectors = vectors;
	if (wanted != PASSTHROUGH_IRQ_INTX)
		log_limited(device->environment.logger, &device->limit, LOG_LEVEL_WARNING,
			    device->id, "%u interrupt vectors cannot be set up: %s", vectors,
			    strerror(-result));
}
