/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_IRQ_H
#define CORE_IRQ_H

#include <stdbool.h>
#include <stdint.h>

#include "core/kvm.h"

/*
 * The only owner of GSIs and of KVM's GSI routing table. The first GSIs are the lines of the
 * interrupt controller; MSI GSIs come after them and are allocated when a vector is first used, so
 * that many devices with many unused vectors do not run out. All functions: any thread, serialised
 * inside.
 */
struct irq_router;

/* The lines of an architecture's interrupt controller. */
struct irq_lines {
	uint32_t count;   /* GSIs 0 to count - 1 */
	uint32_t irqchip; /* kvm_irq_routing_irqchip.irqchip of all; GSI n is its pin n */
	/* KVM_IRQ_LINE takes this plus the GSI. */
	uint32_t line_base;
	/* The controller tells senders of messages apart (KVM_MSI_VALID_DEVID). */
	bool msi_needs_device;
};

/* A message signalled interrupt, as the device would write it. */
struct irq_message {
	uint64_t address;
	uint32_t data;
	uint32_t device; /* the sender's ID at the interrupt controller: of PCI its requester ID */
};

/*
 * irq_router_create() - @vm may be NULL in unit tests (no system call is made); it and @lines must
 * outlive the router. The lines are routed at once. Returns 0 or -ENOMEM / -errno of
 * KVM_SET_GSI_ROUTING.
 */
int irq_router_create(struct irq_router **router, struct kvm_vm *vm, const struct irq_lines *lines,
		      const struct logger *logger);
void irq_router_destroy(struct irq_router *router);

/* Allocate / free one MSI GSI. Returns 0 or -ENOSPC. Freeing also drops its route; irqfds must be
 * detached before. */
int irq_alloc_gsi(struct irq_router *router, uint32_t *gsi);
void irq_free_gsi(struct irq_router *router, uint32_t gsi);

/* Where @gsi delivers to. Returns 0, -EINVAL (not an allocated MSI GSI) or -errno of KVM. */
int irq_set_msi_route(struct irq_router *router, uint32_t gsi, const struct irq_message *message);

/*
 * irq_attach()/irq_detach() - let KVM inject @gsi whenever @fd (eventfd) is signalled; @resample_fd
 * >= 0 makes it a level interrupt with end-of-interrupt notification (lines only). Masking a
 * vector means detaching its fd and keeping its route: pending counts stay in the eventfd and
 * nothing is lost. Both fds stay owned by the caller. Return 0, -EINVAL, -EBUSY (fd already
 * attached), -ENOENT.
 */
int irq_attach(struct irq_router *router, uint32_t gsi, int fd, int resample_fd);
int irq_detach(struct irq_router *router, uint32_t gsi, int fd);

/* Drive a line (level semantics; an edge is up then down). Returns 0, -EINVAL or -errno. */
int irq_set_line(struct irq_router *router, uint32_t gsi, bool level);

#endif
