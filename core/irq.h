/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_IRQ_H
#define CORE_IRQ_H

#include <stdbool.h>
#include <stdint.h>

#include "core/kvm.h"

/*
 * The only owner of GSIs and of KVM's GSI routing table. GSIs 0..23 are the IOAPIC's pins; MSI GSIs
 * come after them and are allocated when a vector is first used, so that many devices with many
 * unused vectors do not run out. All functions: any thread, serialised inside.
 */
#define IRQ_IOAPIC_PINS 24u

struct irq_router;

/* @vm may be NULL in unit tests (no system call is made). Returns 0 or -ENOMEM / -errno of
 * KVM_SET_GSI_ROUTING. */
int irq_router_create(struct irq_router **router, struct kvm_vm *vm, const struct logger *logger);
void irq_router_destroy(struct irq_router *router);

/* Allocate / free one MSI GSI. Returns 0 or -ENOSPC. Freeing also drops its route; irqfds must be
 * detached before. */
int irq_alloc_gsi(struct irq_router *router, uint32_t *gsi);
void irq_free_gsi(struct irq_router *router, uint32_t gsi);

/* Where @gsi delivers to. Returns 0, -EINVAL (not an allocated MSI GSI) or -errno of KVM. */
int irq_set_msi_route(struct irq_router *router, uint32_t gsi, uint64_t address, uint32_t data);

/*
 * irq_attach()/irq_detach() - let KVM inject @gsi whenever @fd (eventfd) is signalled; @resample_fd
 * >= 0 makes it a level interrupt with end-of-interrupt notification (IOAPIC pins only). Masking a
 * vector means detaching its fd and keeping its route: pending counts stay in the eventfd and
 * nothing is lost. Both fds stay owned by the caller. Return 0, -EINVAL, -EBUSY (fd already
 * attached), -ENOENT.
 */
int irq_attach(struct irq_router *router, uint32_t gsi, int fd, int resample_fd);
int irq_detach(struct irq_router *router, uint32_t gsi, int fd);

/* Drive an IOAPIC pin (level semantics; an edge is up then down). Returns 0, -EINVAL or -errno. */
int irq_set_line(struct irq_router *router, uint32_t gsi, bool level);

/* Inject one message at once, without a route. Returns 0 or -errno. */
int irq_signal_msi(struct irq_router *router, uint64_t address, uint32_t data);

#endif
