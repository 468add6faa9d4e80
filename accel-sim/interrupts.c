/* SPDX-License-Identifier: Apache-2.0 */
#include "accel-sim/interrupts.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "accel-sim/fd.h"

int sim_irqs_init(struct sim_irqs *irqs, uint32_t msi_vectors, uint32_t msix_vectors)
{
	memset(irqs, 0, sizeof(*irqs));
	irqs->unmask_eventfd = -1;
	irqs->count[SIM_IRQ_INTX] = 1;
	irqs->count[SIM_IRQ_MSI] = msi_vectors;
	irqs->count[SIM_IRQ_MSIX] = msix_vectors;
	irqs->count[SIM_IRQ_ERROR] = 1;
	irqs->count[SIM_IRQ_REQUEST] = 1;
	for (uint32_t index = 0; index < SIM_IRQ_INDICES; index++) {
		irqs->vectors[index] = calloc(irqs->count[index], sizeof(struct sim_irq_vector));
		if (!irqs->vectors[index])
			return -ENOMEM;
		for (uint32_t i = 0; i < irqs->count[index]; i++)
			irqs->vectors[index][i].eventfd = -1;
	}
	return -pthread_mutex_init(&irqs->lock, NULL);
}

void sim_irqs_detach_all(struct sim_irqs *irqs)
{
	pthread_mutex_lock(&irqs->lock);
	for (uint32_t index = 0; index < SIM_IRQ_INDICES; index++) {
		for (uint32_t i = 0; i < irqs->count[index]; i++) {
			sim_fd_close(&irqs->vectors[index][i].eventfd);
			irqs->vectors[index][i].pending = false;
		}
	}
	sim_fd_close(&irqs->unmask_eventfd);
	irqs->masked = false;
	pthread_mutex_unlock(&irqs->lock);
}

void sim_irqs_destroy(struct sim_irqs *irqs)
{
	sim_irqs_detach_all(irqs);
	for (uint32_t index = 0; index < SIM_IRQ_INDICES; index++)
		free(irqs->vectors[index]);
	pthread_mutex_destroy(&irqs->lock);
}

uint32_t sim_irqs_flags(uint32_t index)
{
	switch (index) {
	case SIM_IRQ_INTX:
		return VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	case SIM_IRQ_MSI:
	case SIM_IRQ_MSIX:
		return VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE;
	default:
		return VFIO_IRQ_INFO_EVENTFD;
	}
}

/* Write the eventfd; the lock is held. A full counter means a signal is already waiting there. */
static void sim_irqs_signal(struct sim_irqs *irqs, struct sim_irq_vector *vector)
{
	const uint64_t one = 1;

	if (irqs->lose > 0) {
		irqs->lose--;
		irqs->lost++;
		return;
	}
	if (vector->eventfd < 0) {
		vector->pending = true;
		return;
	}
	vector->pending = false;
	if (write(vector->eventfd, &one, sizeof(one)) == sizeof(one))
		irqs->sent++;
}

static void sim_irqs_drive(struct sim_irqs *irqs)
{
	struct sim_irq_vector *intx = &irqs->vectors[SIM_IRQ_INTX][0];

	if (!irqs->level || irqs->disabled || irqs->masked || intx->eventfd < 0)
		return;
	irqs->masked = true;
	sim_irqs_signal(irqs, intx);
}

static bool sim_irqs_attached(const struct sim_irqs *irqs, uint32_t index)
{
	for (uint32_t i = 0; i < irqs->count[index]; i++) {
		if (irqs->vectors[index][i].eventfd >= 0)
			return true;
	}
	return false;
}

void sim_irqs_raise(struct sim_irqs *irqs, uint32_t vector)
{
	pthread_mutex_lock(&irqs->lock);
	irqs->raised++;
	if (sim_irqs_attached(irqs, SIM_IRQ_MSIX)) {
		if (vector < irqs->count[SIM_IRQ_MSIX])
			sim_irqs_signal(irqs, &irqs->vectors[SIM_IRQ_MSIX][vector]);
	} else if (sim_irqs_attached(irqs, SIM_IRQ_MSI)) {
		/* MSI with fewer messages granted than wanted: the device folds its vectors. */
		uint32_t granted = 0;

		while (granted < irqs->count[SIM_IRQ_MSI] &&
		       irqs->vectors[SIM_IRQ_MSI][granted].eventfd >= 0)
			granted++;
		sim_irqs_signal(irqs, &irqs->vectors[SIM_IRQ_MSI][granted ? vector % granted : 0]);
	}
	pthread_mutex_unlock(&irqs->lock);
}

void sim_irqs_set_level(struct sim_irqs *irqs, bool level)
{
	pthread_mutex_lock(&irqs->lock);
	irqs->level = level && !sim_irqs_attached(irqs, SIM_IRQ_MSIX) &&
		      !sim_irqs_attached(irqs, SIM_IRQ_MSI);
	sim_irqs_drive(irqs);
	pthread_mutex_unlock(&irqs->lock);
}

void sim_irqs_disable_intx(struct sim_irqs *irqs, bool disabled)
{
	pthread_mutex_lock(&irqs->lock);
	irqs->disabled = disabled;
	sim_irqs_drive(irqs);
	pthread_mutex_unlock(&irqs->lock);
}

bool sim_irqs_level(struct sim_irqs *irqs)
{
	bool level;

	pthread_mutex_lock(&irqs->lock);
	level = irqs->level;
	pthread_mutex_unlock(&irqs->lock);
	return level;
}

void sim_irqs_trigger(struct sim_irqs *irqs, uint32_t index, uint32_t vector)
{
	pthread_mutex_lock(&irqs->lock);
	if (index < SIM_IRQ_INDICES && vector < irqs->count[index])
		sim_irqs_signal(irqs, &irqs->vectors[index][vector]);
	pthread_mutex_unlock(&irqs->lock);
}

void sim_irqs_unmask(struct sim_irqs *irqs)
{
	pthread_mutex_lock(&irqs->lock);
	irqs->masked = false;
	sim_irqs_drive(irqs);
	pthread_mutex_unlock(&irqs->lock);
}

uint32_t sim_irqs_pending(struct sim_irqs *irqs, uint32_t n)
{
	uint32_t bits = 0;

	pthread_mutex_lock(&irqs->lock);
	for (uint32_t i = 0; i < 32; i++) {
		uint64_t vector = (uint64_t)n * 32 + i;

		if (vector < irqs->count[SIM_IRQ_MSIX] &&
		    irqs->vectors[SIM_IRQ_MSIX][vector].pending)
			bits |= 1u << i;
	}
	pthread_mutex_unlock(&irqs->lock);
	return bits;
}

void sim_irqs_reset(struct sim_irqs *irqs)
{
	pthread_mutex_lock(&irqs->lock);
	irqs->level = false;
	irqs->disabled = false;
	irqs->masked = false;
	for (uint32_t i = 0; i < irqs->count[SIM_IRQ_MSIX]; i++)
		irqs->vectors[SIM_IRQ_MSIX][i].pending = false;
	pthread_mutex_unlock(&irqs->lock);
}

static int sim_irqs_set_trigger(struct sim_irqs *irqs, uint32_t index, uint32_t data,
				uint32_t start, uint32_t count, const uint8_t *bools, int *fds,
				uint32_t fd_count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct sim_irq_vector *vector = &irqs->vectors[index][start + i];

		if (data == VFIO_IRQ_SET_DATA_NONE || (data == VFIO_IRQ_SET_DATA_BOOL && bools[i]))
			sim_irqs_signal(irqs, vector);
		if (data != VFIO_IRQ_SET_DATA_EVENTFD)
			continue;
		sim_fd_close(&vector->eventfd);
		if (fd_count == 0)
			continue;
		vector->eventfd = fds[i];
		fds[i] = -1;
		/* What fired while the vector was detached is delivered now. */
		if (vector->pending)
			sim_irqs_signal(irqs, vector);
	}
	if (index == SIM_IRQ_INTX && data == VFIO_IRQ_SET_DATA_EVENTFD) {
		irqs->vectors[SIM_IRQ_INTX][0].pending = false;
		irqs->masked = false;
		sim_irqs_drive(irqs);
	}
	return 0;
}

static int sim_irqs_set_mask(struct sim_irqs *irqs, bool mask, uint32_t data, const uint8_t *bools,
			     int *fds, uint32_t fd_count)
{
	if (data == VFIO_IRQ_SET_DATA_EVENTFD) {
		if (mask)
			return -EINVAL; /* as vfio-pci: only unmask takes an eventfd */
		sim_fd_close(&irqs->unmask_eventfd);
		if (fd_count != 0) {
			irqs->unmask_eventfd = fds[0];
			fds[0] = -1;
		}
		return 0;
	}
	if (data == VFIO_IRQ_SET_DATA_BOOL && !bools[0])
		return 0;
	irqs->masked = mask;
	sim_irqs_drive(irqs);
	return 0;
}

int sim_irqs_set(struct sim_irqs *irqs, uint32_t index, uint32_t flags, uint32_t start,
		 uint32_t count, const uint8_t *bools, uint32_t bool_size, int *fds,
		 uint32_t fd_count)
{
	uint32_t data = flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	uint32_t action = flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;
	uint32_t end;
	int result;

	if (index >= SIM_IRQ_INDICES || __builtin_popcount(data) != 1 ||
	    __builtin_popcount(action) != 1 || (data | action) != flags)
		return -EINVAL;
	if (__builtin_add_overflow(start, count, &end) || end > irqs->count[index])
		return -EINVAL;
	if (data != VFIO_IRQ_SET_DATA_EVENTFD && fd_count != 0)
		return -EINVAL;
	if (data == VFIO_IRQ_SET_DATA_EVENTFD && fd_count != 0 && fd_count != count)
		return -EINVAL;
	if (bool_size != (data == VFIO_IRQ_SET_DATA_BOOL ? count : 0))
		return -EINVAL;
	if (count == 0 &&
	    (start != 0 || data != VFIO_IRQ_SET_DATA_NONE || action != VFIO_IRQ_SET_ACTION_TRIGGER))
		return -EINVAL;
	if (action != VFIO_IRQ_SET_ACTION_TRIGGER && index != SIM_IRQ_INTX)
		return -EINVAL;

	pthread_mutex_lock(&irqs->lock);
	if (count == 0) {
		/* The special case of the specification: disable the whole index. */
		for (uint32_t i = 0; i < irqs->count[index]; i++) {
			sim_fd_close(&irqs->vectors[index][i].eventfd);
			irqs->vectors[index][i].pending = false;
		}
		result = 0;
	} else if (action == VFIO_IRQ_SET_ACTION_TRIGGER) {
		result =
			sim_irqs_set_trigger(irqs, index, data, start, count, bools, fds, fd_count);
	} else {
		result = sim_irqs_set_mask(irqs, action == VFIO_IRQ_SET_ACTION_MASK, data, bools,
					   fds, fd_count);
	}
	pthread_mutex_unlock(&irqs->lock);
	return result;
}
