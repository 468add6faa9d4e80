/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_CORE_FAKE_KVM_H
#define TESTS_UNIT_CORE_FAKE_KVM_H

#include "core/irq.h"
#include "core/kvm.h"

/*
 * A KVM that records the calls and can be told to fail one. It checks what the real one would
 * refuse: overlapping memory slots, slot numbers out of range.
 */
#define FAKE_KVM_SLOTS 16
#define FAKE_KVM_CALLS 256

struct fake_kvm {
	struct kvm_vm vm;

	unsigned long calls[FAKE_KVM_CALLS]; /* requests, in order */
	unsigned int call_count;
	unsigned long fail_request; /* 0: none */
	unsigned int fail_after;    /* let so many of them pass */
	int fail_errno;             /* positive */

	struct kvm_userspace_memory_region slots[FAKE_KVM_SLOTS];
	struct kvm_irqfd irqfd;          /* the last one */
	struct kvm_ioeventfd ioeventfd;  /* the last one */
	struct kvm_irq_level irq_level;  /* the last one */
	struct kvm_irq_routing *routing; /* the last table, a copy */
	int missing_extension;           /* -1: none */
	int api_version;
	int vm_fd; /* what KVM_CREATE_VM answers */
};

void fake_kvm_init(struct fake_kvm *fake);
void fake_kvm_destroy(struct fake_kvm *fake);
unsigned int fake_kvm_count(const struct fake_kvm *fake, unsigned long request);
const struct kvm_irq_routing_entry *fake_kvm_route(const struct fake_kvm *fake, uint32_t gsi);

extern const struct kvm_ops fake_kvm_ops;

/* The lines of an interrupt controller, as one IOAPIC has them. */
#define FAKE_IRQ_LINES 24u
extern const struct irq_lines fake_irq_lines;

#endif
