/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCEL_SIM_INTERRUPTS_H
#define ACCEL_SIM_INTERRUPTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * The interrupts of the device and the eventfds that the client attached to them
 * (VFIO_DEVICE_SET_IRQS semantics). Thread-safe.
 */

/* VFIO PCI interrupt indices */
enum sim_irq_index {
	SIM_IRQ_INTX,
	SIM_IRQ_MSI,
	SIM_IRQ_MSIX,
	SIM_IRQ_ERROR,
	SIM_IRQ_REQUEST,
	SIM_IRQ_INDICES,
};

struct sim_irq_vector {
	int eventfd;
	bool pending; /* fired while nothing was attached */
};

struct sim_irqs {
	pthread_mutex_t lock;
	uint32_t count[SIM_IRQ_INDICES];
	struct sim_irq_vector *vectors[SIM_IRQ_INDICES];
	/* INTx, VFIO_IRQ_INFO_AUTOMASKED: masked by each signal until the client unmasks it */
	bool level;
	bool disabled; /* PCI command register, Interrupt Disable */
	bool masked;
	int unmask_eventfd;
	/* faults and counters */
	uint64_t lose;   /* how many signals to drop from now on */
	uint64_t raised; /* asked for by the device */
	uint64_t sent;
	uint64_t lost;
};

/* sim_irqs_init() - nothing attached. -ENOMEM, or the error of the mutex. */
int sim_irqs_init(struct sim_irqs *irqs, uint32_t msi_vectors, uint32_t msix_vectors);

/* sim_irqs_destroy() - close every eventfd and free. */
void sim_irqs_destroy(struct sim_irqs *irqs);

/* sim_irqs_detach_all() - the client left: close its eventfds, forget what was pending. */
void sim_irqs_detach_all(struct sim_irqs *irqs);

/* sim_irqs_flags() - VFIO_IRQ_INFO flags of an index. */
uint32_t sim_irqs_flags(uint32_t index);

/*
 * sim_irqs_set() - one VFIO_USER_DEVICE_SET_IRQS.
 * @bools: `count` bytes with DATA_BOOL (checked by `bool_size`).
 * @fds, @fd_count: eventfds with DATA_EVENTFD. Those taken are set to -1 in the array, the caller
 * closes the rest.
 * -EINVAL for anything that VFIO does not allow.
 */
int sim_irqs_set(struct sim_irqs *irqs, uint32_t index, uint32_t flags, uint32_t start,
		 uint32_t count, const uint8_t *bools, uint32_t bool_size, int *fds,
		 uint32_t fd_count);

/* sim_irqs_raise() - the device signals `vector` by whatever the client set up: MSI-X, MSI or INTx.
 */
void sim_irqs_raise(struct sim_irqs *irqs, uint32_t vector);

/* sim_irqs_set_level() - drive INTx; used only while neither MSI-X nor MSI is attached. */
void sim_irqs_set_level(struct sim_irqs *irqs, bool level);

/*
 * sim_irqs_disable_intx() - follow Interrupt Disable of the PCI command register; a level that is
 * still high asserts again when it is cleared.
 */
void sim_irqs_disable_intx(struct sim_irqs *irqs, bool disabled);

/* sim_irqs_level() - Interrupt Status of the PCI status register: high even while disabled. */
bool sim_irqs_level(struct sim_irqs *irqs);

/* sim_irqs_trigger() - signal one vector of one index now (spurious when nobody asked). */
void sim_irqs_trigger(struct sim_irqs *irqs, uint32_t index, uint32_t vector);

/* sim_irqs_unmask() - what the unmask eventfd or an UNMASK action does. */
void sim_irqs_unmask(struct sim_irqs *irqs);

/* sim_irqs_pending() - dword `n` of the MSI-X pending bit array. */
uint32_t sim_irqs_pending(struct sim_irqs *irqs, uint32_t n);

/* sim_irqs_reset() - device reset: level low, nothing pending, INTx unmasked. */
void sim_irqs_reset(struct sim_irqs *irqs);

#endif
