/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/pci/vector.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/fd.h"

void pci_vector_init(struct pci_vector *vector)
{
	*vector = (struct pci_vector){.fd = -1};
}

int pci_vector_fd(struct pci_vector *vector)
{
	int fd = atomic_load_explicit(&vector->fd, memory_order_acquire);
	int none = -1;

	if (fd >= 0)
		return fd;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (!atomic_compare_exchange_strong_explicit(&vector->fd, &none, fd, memory_order_acq_rel,
						     memory_order_acquire)) {
		/* Another thread was faster. */
		close(fd);
		fd = none;
	}
	return fd;
}

int pci_vector_notify(struct pci_vector *vector)
{
	int fd = pci_vector_fd(vector);

	if (fd < 0)
		return fd;
	/* EAGAIN: the count is at its end, so the signal is pending anyway. */
	return eventfd_write(fd, 1) && errno != EAGAIN ? -errno : 0;
}

bool pci_vector_pending(const struct pci_vector *vector)
{
	struct pollfd poll_fd = {
		.fd = atomic_load_explicit(&vector->fd, memory_order_acquire),
		.events = POLLIN,
	};

	/* While live, KVM takes the count as it comes: nothing is pending (PCIe 6.1.4.5). */
	return poll_fd.fd >= 0 && !atomic_load_explicit(&vector->live, memory_order_acquire) &&
	       poll(&poll_fd, 1, 0) == 1;
}

int pci_vector_prepare(struct pci_vector *vector, struct irq_router *irq, uint64_t address,
		       uint32_t data)
{
	struct irq_message message;
	int result;

	if (!irq)
		return -ENODEV;
	if (!vector->has_gsi) {
		result = irq_alloc_gsi(irq, &vector->gsi);
		if (result)
			return result;
		vector->has_gsi = true;
		vector->routed = false;
	}
	if (vector->routed && vector->address == address && vector->data == data)
		return 0;
	message = (struct irq_message){.address = address, .data = data};
	result = irq_set_msi_route(irq, vector->gsi, &message);
	vector->routed = result == 0;
	vector->address = address;
	vector->data = data;
	return result;
}

static void pci_vector_detach(struct pci_vector *vector, struct irq_router *irq)
{
	if (!vector->live)
		return;
	irq_detach(irq, vector->gsi, vector->fd);
	atomic_store_explicit(&vector->live, false, memory_order_release);
}

int pci_vector_set(struct pci_vector *vector, struct irq_router *irq, bool live, uint64_t address,
		   uint32_t data)
{
	int result;

	if (!live) {
		pci_vector_detach(vector, irq);
		return 0;
	}
	result = pci_vector_fd(vector);
	if (result >= 0)
		result = pci_vector_prepare(vector, irq, address, data);
	if (result) {
		pci_vector_detach(vector, irq);
		return result;
	}
	if (vector->live)
		return 0;
	result = irq_attach(irq, vector->gsi, vector->fd, -1);
	if (result)
		return result;
	atomic_store_explicit(&vector->live, true, memory_order_release);
	/*
	 * KVM looked at the count when the irqfd was attached and injects what was missed, but
	 * leaves the count: taken here, so that it is not injected again after the next mask.
	 */
	(void)fd_take_count(vector->fd);
	return 0;
}

void pci_vector_reset(struct pci_vector *vector, struct irq_router *irq)
{
	pci_vector_detach(vector, irq);
	if (vector->has_gsi)
		irq_free_gsi(irq, vector->gsi);
	vector->has_gsi = false;
	vector->routed = false;
	if (vector->fd >= 0)
		(void)fd_take_count(vector->fd);
}

void pci_vector_destroy(struct pci_vector *vector, struct irq_router *irq)
{
	int fd;

	pci_vector_detach(vector, irq);
	if (vector->has_gsi)
		irq_free_gsi(irq, vector->gsi);
	fd = atomic_load(&vector->fd);
	fd_close(&fd);
	pci_vector_init(vector);
}
