/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_PCI_VECTOR_H
#define DEVICES_PCI_VECTOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/irq.h"

/*
 * One message-signalled interrupt: an eventfd, and while it is live a GSI with a route and an irqfd
 * between them. What MSI and MSI-X have in common. A vector that is not live keeps the count of
 * missed signals in its eventfd; KVM injects it when the irqfd is attached again.
 *
 * pci_vector_fd(), pci_vector_notify() and pci_vector_pending() may be called from any thread; the
 * others are serialised by the owner's lock.
 */
struct pci_vector {
	atomic_int fd; /* -1 until it is needed */
	uint32_t gsi;
	bool has_gsi;
	bool routed;      /* address and data are what KVM knows */
	atomic_bool live; /* written under the owner's lock, read without */
	uint32_t data;
	uint64_t address;
};

void pci_vector_init(struct pci_vector *vector);

/* Detaches, frees the GSI and closes the eventfd. @irq as given to pci_vector_set(), or NULL when
 * it never was. */
void pci_vector_destroy(struct pci_vector *vector, struct irq_router *irq);

/* The eventfd, made now if need be. Returns the fd or -errno of eventfd(2). */
int pci_vector_fd(struct pci_vector *vector);

/* Signal once. Returns 0 or -errno of eventfd(2). */
int pci_vector_notify(struct pci_vector *vector);

/* Signalled while not live and not delivered yet. */
bool pci_vector_pending(const struct pci_vector *vector);

/*
 * Give a vector that will become live its GSI and route now, so that the routes of many vectors
 * reach KVM together. Returns 0 or -errno; pci_vector_set() then reports the error again.
 */
int pci_vector_prepare(struct pci_vector *vector, struct irq_router *irq, uint64_t address,
		       uint32_t data);

/*
 * Make the vector live with this message, re-route it while it stays live, or (@live false) detach
 * it and keep its route. Returns 0 or -errno (-ENOSPC: no GSI left; -EMFILE ...); it is not live
 * then and nothing pending is lost.
 */
int pci_vector_set(struct pci_vector *vector, struct irq_router *irq, bool live, uint64_t address,
		   uint32_t data);

/* Not live, nothing pending, no GSI; the eventfd stays the same. */
void pci_vector_reset(struct pci_vector *vector, struct irq_router *irq);

#endif
