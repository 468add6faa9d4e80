/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/pci.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/fd.h"
#include "devices/pci/msix.h"
#include "devices/virtio/pci_internal.h"

#define VIRTIO_PCI_VENDOR      0x1af4u
#define VIRTIO_PCI_DEVICE_BASE 0x1040u /* + VIRTIO_ID_* (4.1.2) */

static void signal_fd(int fd)
{
	uint64_t one = 1;
	ssize_t n = write(fd, &one, sizeof(one));

	(void)n; /* EAGAIN: the counter is at its maximum, so the reader is told anyway */
}

/* Interrupts: from any thread, without the transport's lock. */

static void set_isr(struct virtio_pci *transport, uint8_t bit)
{
	pthread_mutex_lock(&transport->irq_lock);
	transport->isr |= bit;
	if (!transport->line) {
		transport->line = true;
		pci_set_intx(&transport->function, true);
	}
	pthread_mutex_unlock(&transport->irq_lock);
}

/* 4.1.4.5: reading resets the status and takes the line back. */
uint8_t virtio_pci_read_isr(struct virtio_pci *transport)
{
	uint8_t isr;

	pthread_mutex_lock(&transport->irq_lock);
	isr = transport->isr;
	transport->isr = 0;
	if (transport->line) {
		transport->line = false;
		pci_set_intx(&transport->function, false);
	}
	pthread_mutex_unlock(&transport->irq_lock);
	return isr;
}

static void interrupt(struct virtio_pci *transport, uint16_t vector, uint8_t isr)
{
	if (!pci_msix_enabled(&transport->function))
		set_isr(transport, isr);
	else if (vector != VIRTIO_MSI_NO_VECTOR)
		pci_msix_notify(&transport->function, vector);
}

static void queue_interrupt(void *opaque, uint16_t queue)
{
	struct virtio_pci *transport = opaque;

	interrupt(transport, atomic_load(&transport->queues[queue].vector), 1);
}

static void config_interrupt(void *opaque)
{
	struct virtio_pci *transport = opaque;

	if (atomic_load(&transport->status) & VIRTIO_CONFIG_S_DRIVER_OK)
		interrupt(transport, atomic_load(&transport->config_vector), 2);
}

static void needs_reset(void *opaque)
{
	struct virtio_pci *transport = opaque;
	uint8_t old = atomic_fetch_or(&transport->status, VIRTIO_CONFIG_S_NEEDS_RESET);

	virtio_pci_event(transport, VIRTIO_EVENT_BROKEN);
	/* 2.1.2: tell the driver, when there is one that was told it may use the device. */
	if (!(old & VIRTIO_CONFIG_S_NEEDS_RESET))
		config_interrupt(transport);
}

static int kick_fd(void *opaque, uint16_t queue)
{
	struct virtio_pci *transport = opaque;

	return transport->queues[queue].kick_fd;
}

/* From the loop's thread, or under the lock: the fd does not close under it. */
static void kick(void *opaque, uint16_t queue)
{
	virtio_pci_kick(opaque, queue);
}

static void call_ready(void *opaque, uint32_t events)
{
	struct virtio_pci_queue *queue = opaque;

	(void)events;
	interrupt(queue->transport, atomic_load(&queue->vector), 1);
}

/* The eventfd that the kernel signals: the vector's own, or one that we turn into INTx. */
static int call_fd(void *opaque, uint16_t index)
{
	struct virtio_pci *transport = opaque;
	struct virtio_pci_queue *queue = &transport->queues[index];
	uint16_t vector = atomic_load(&queue->vector);

	if (pci_msix_enabled(&transport->function) && vector != VIRTIO_MSI_NO_VECTOR)
		return pci_msix_eventfd(&transport->function, vector);
	if (queue->call_fd < 0) {
		queue->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (queue->call_fd < 0)
			return -errno;
	}
	if (!queue->call_source) {
		int result =
			event_loop_add(transport->device->environment.loop, queue->call_fd,
				       EPOLLIN | EPOLLET, call_ready, queue, &queue->call_source);

		if (result)
			return result;
	}
	return queue->call_fd;
}

static const struct virtio_transport_ops transport_ops = {
	.queue_interrupt = queue_interrupt,
	.config_interrupt = config_interrupt,
	.needs_reset = needs_reset,
	.kick = kick,
	.kick_fd = kick_fd,
	.call_fd = call_fd,
};

/* Kicks. */

static void kick_ready(void *opaque, uint32_t events)
{
	struct virtio_pci_queue *queue = opaque;
	struct virtio_device *device = queue->transport->device;

	(void)events;
	/* Edge triggered: the eventfd needs no read, which saves a system call for each kick. */
	device->ops->queue_notify(device, queue->index);
}

void virtio_pci_kick(struct virtio_pci *transport, uint16_t queue)
{
	if (transport->queues[queue].kick_fd >= 0)
		signal_fd(transport->queues[queue].kick_fd);
}

static void unassign_ioeventfd(struct virtio_pci *transport, struct virtio_pci_queue *queue)
{
	if (!queue->ioeventfd)
		return;
	kvm_vm_ioeventfd(transport->vm, queue->kick_fd, queue->ioeventfd_address,
			 transport->ioeventfd_length, false, NULL, false);
	queue->ioeventfd = false;
}

static void assign_ioeventfd(struct virtio_pci *transport, struct virtio_pci_queue *queue)
{
	struct virtio_device *device = transport->device;
	int result;

	if (!transport->vm || !transport->mapped || queue->kick_fd < 0 || queue->ioeventfd)
		return;
	queue->ioeventfd_address = transport->bar_address + VIRTIO_PCI_NOTIFY_OFFSET +
				   (uint64_t)queue->index * VIRTIO_PCI_MULTIPLIER;
	result = kvm_vm_ioeventfd(transport->vm, queue->kick_fd, queue->ioeventfd_address,
				  transport->ioeventfd_length, false, NULL, true);
	if (result)
		/* The trapped write does the same, only slower. */
		log_limited(device->environment.logger, &device->error_limit, LOG_LEVEL_WARNING,
			    device->name,
			    "queue %u: KVM_IOEVENTFD at 0x%" PRIx64 ": %s; kicks are slow",
			    queue->index, queue->ioeventfd_address, strerror(-result));
	else
		queue->ioeventfd = true;
}

static int watch_kicks(struct virtio_pci *transport)
{
	struct virtio_device *device = transport->device;
	uint16_t i;
	int result;

	for (i = device->kernel_queues; i < device->queue_count; i++) {
		struct virtio_pci_queue *queue = &transport->queues[i];

		if (queue->kick_fd < 0 || queue->kick_source)
			continue;
		result = event_loop_add(device->environment.loop, queue->kick_fd, EPOLLIN | EPOLLET,
					kick_ready, queue, &queue->kick_source);
		if (result)
			return result;
	}
	return 0;
}

static void unwatch_kicks(struct virtio_pci *transport)
{
	uint16_t i;

	for (i = 0; i < transport->device->queue_count; i++) {
		event_source_remove(transport->queues[i].kick_source);
		transport->queues[i].kick_source = NULL;
	}
}

/* The state machine, under the lock. */

static void stop_queues(struct virtio_pci *transport)
{
	uint16_t i;

	unwatch_kicks(transport);
	for (i = 0; i < transport->device->queue_count; i++) {
		struct virtio_pci_queue *queue = &transport->queues[i];

		unassign_ioeventfd(transport, queue);
		event_source_remove(queue->call_source);
		queue->call_source = NULL;
		fd_close(&queue->call_fd);
		fd_close(&queue->kick_fd);
	}
}

static int start_queues(struct virtio_pci *transport)
{
	struct virtio_device *device = transport->device;
	uint16_t i;
	int result;

	for (i = 0; i < device->queue_count; i++) {
		struct virtqueue *queue = &device->queues[i];

		if (!queue->enabled)
			continue;
		result = virtqueue_start(queue, device->environment.memory,
					 virtio_device_has(device, VIRTIO_RING_F_EVENT_IDX),
					 virtio_device_has(device, VIRTIO_RING_F_INDIRECT_DESC));
		if (result)
			return result;
		transport->queues[i].kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (transport->queues[i].kick_fd < 0)
			return -errno;
		assign_ioeventfd(transport, &transport->queues[i]);
	}
	return 0;
}

static void kick_all(struct virtio_pci *transport)
{
	for (uint16_t i = 0; i < transport->device->queue_count; i++)
		virtio_pci_kick(transport, i);
}

static void start(struct virtio_pci *transport)
{
	struct virtio_device *device = transport->device;
	bool activated = false;
	int result;

	result = start_queues(transport);
	if (!result && device->ops->activate)
		result = device->ops->activate(device);
	if (!result) {
		activated = true;
		result = watch_kicks(transport);
	}
	if (result) {
		log_limited(device->environment.logger, &device->error_limit, LOG_LEVEL_WARNING,
			    device->name, "DRIVER_OK: cannot start the queues: %s%s",
			    strerror(-result),
			    result == -EFAULT   ? " (a ring is outside guest memory)"
			    : result == -EINVAL ? " (a ring is misaligned)"
						: "");
		unwatch_kicks(transport); /* from here on queue_notify() does not run */
		if (activated)
			device->ops->reset(device);
		stop_queues(transport);
		virtio_pci_event(transport, VIRTIO_EVENT_START_FAILED);
		needs_reset(transport);
		return;
	}
	/* Buffers may be there already; a driver that kicked too early is not left waiting. */
	kick_all(transport);
}

static void stop(struct virtio_pci *transport)
{
	unwatch_kicks(transport); /* from here on queue_notify() does not run */
	transport->device->ops->reset(transport->device);
	stop_queues(transport);
}

static void pause_device(struct virtio_pci *transport)
{
	struct virtio_device *device = transport->device;

	unwatch_kicks(transport); /* the eventfds keep what arrives now */
	if (device->ops->pause)
		device->ops->pause(device);
}

static void resume_device(struct virtio_pci *transport)
{
	struct virtio_device *device = transport->device;

	if (device->ops->resume)
		device->ops->resume(device);
	if (watch_kicks(transport))
		virtio_device_broken(device, "cannot watch the queues again");
	kick_all(transport);
}

bool virtio_pci_event(struct virtio_pci *transport, enum virtio_event event)
{
	enum virtio_state from = atomic_load(&transport->device->state);
	const struct virtio_transition *row;

	/* Again when the device broke in another thread meanwhile: then another row holds. */
	do {
		row = virtio_transition_find(from, event);
		if (!row)
			return false;
	} while (!atomic_compare_exchange_weak(&transport->device->state, &from, row->to));
	switch (row->action) {
	case VIRTIO_ACTION_START:
		start(transport);
		break;
	case VIRTIO_ACTION_STOP:
		stop(transport);
		break;
	case VIRTIO_ACTION_PAUSE:
		pause_device(transport);
		break;
	case VIRTIO_ACTION_RESUME:
		resume_device(transport);
		break;
	case VIRTIO_ACTION_NONE:
		break;
	}
	return true;
}

void virtio_pci_reset_locked(struct virtio_pci *transport)
{
	struct virtio_device *device = transport->device;
	uint16_t i;

	virtio_pci_event(transport, VIRTIO_EVENT_RESET);
	for (i = 0; i < device->queue_count; i++) {
		virtqueue_reset(&device->queues[i]);
		atomic_store(&transport->queues[i].vector, VIRTIO_MSI_NO_VECTOR);
	}
	atomic_store(&transport->config_vector, VIRTIO_MSI_NO_VECTOR);
	atomic_store(&transport->status, 0);
	transport->device_feature_select = 0;
	transport->driver_feature_select = 0;
	transport->driver_features = 0;
	transport->queue_select = 0;
	device->driver_features = 0;
	virtio_pci_read_isr(transport);
}

static void function_reset(struct pci_device *function, enum pci_reset_kind kind)
{
	struct virtio_pci *transport = virtio_pci_of(function);

	(void)kind; /* nothing of a virtio device is sticky */
	pthread_mutex_lock(&transport->lock);
	virtio_pci_reset_locked(transport);
	pthread_mutex_unlock(&transport->lock);
}

static int bar_mapped(struct pci_device *function, unsigned int bar, uint64_t address)
{
	struct virtio_pci *transport = virtio_pci_of(function);
	uint16_t i;

	if (bar != VIRTIO_PCI_BAR)
		return 0;
	pthread_mutex_lock(&transport->lock);
	transport->mapped = true;
	transport->bar_address = address;
	for (i = 0; i < transport->device->queue_count; i++) {
		unassign_ioeventfd(transport, &transport->queues[i]);
		assign_ioeventfd(transport, &transport->queues[i]);
	}
	pthread_mutex_unlock(&transport->lock);
	return 0;
}

static void bar_unmapped(struct pci_device *function, unsigned int bar)
{
	struct virtio_pci *transport = virtio_pci_of(function);
	uint16_t i;

	if (bar != VIRTIO_PCI_BAR)
		return;
	pthread_mutex_lock(&transport->lock);
	transport->mapped = false;
	for (i = 0; i < transport->device->queue_count; i++)
		unassign_ioeventfd(transport, &transport->queues[i]);
	pthread_mutex_unlock(&transport->lock);
}

static const struct pci_device_ops function_ops = {
	.config_read = virtio_pci_config_read,
	.config_written = virtio_pci_config_written,
	.bar_mapped = bar_mapped,
	.bar_unmapped = bar_unmapped,
	.reset = function_reset,
};

void virtio_pci_pause(struct virtio_pci *transport)
{
	pthread_mutex_lock(&transport->lock);
	virtio_pci_event(transport, VIRTIO_EVENT_PAUSE);
	pthread_mutex_unlock(&transport->lock);
}

void virtio_pci_resume(struct virtio_pci *transport)
{
	pthread_mutex_lock(&transport->lock);
	virtio_pci_event(transport, VIRTIO_EVENT_RESUME);
	pthread_mutex_unlock(&transport->lock);
}

/* Creation. */

/* One vendor capability (4.1.4): where a structure is. */
static int add_structure(struct virtio_pci *transport, uint8_t type, uint32_t offset,
			 uint32_t length, uint8_t capability_bytes)
{
	struct pci_device *function = &transport->function;
	int at = pci_add_capability(function, PCI_CAP_ID_VNDR, capability_bytes);

	if (at < 0)
		return at;
	function->config[at + VIRTIO_PCI_CAP_LEN] = capability_bytes;
	function->config[at + VIRTIO_PCI_CAP_CFG_TYPE] = type;
	function->config[at + VIRTIO_PCI_CAP_BAR] = VIRTIO_PCI_BAR;
	bytes_put_le32(function->config + (uint32_t)at + VIRTIO_PCI_CAP_OFFSET, offset);
	bytes_put_le32(function->config + (uint32_t)at + VIRTIO_PCI_CAP_LENGTH, length);
	return at;
}

static int add_structures(struct virtio_pci *transport)
{
	struct pci_device *function = &transport->function;
	struct virtio_device *device = transport->device;
	const uint8_t plain = sizeof(struct virtio_pci_cap);
	int at;

	at = add_structure(transport, VIRTIO_PCI_CAP_COMMON_CFG, VIRTIO_PCI_COMMON_OFFSET,
			   sizeof(struct virtio_pci_common_cfg), plain);
	if (at < 0)
		return at;
	at = add_structure(transport, VIRTIO_PCI_CAP_ISR_CFG, VIRTIO_PCI_ISR_OFFSET, 1, plain);
	if (at < 0)
		return at;
	if (device->config_size) {
		at = add_structure(transport, VIRTIO_PCI_CAP_DEVICE_CFG, VIRTIO_PCI_DEVICE_OFFSET,
				   device->config_size, plain);
		if (at < 0)
			return at;
	}
	at = add_structure(transport, VIRTIO_PCI_CAP_NOTIFY_CFG, VIRTIO_PCI_NOTIFY_OFFSET,
			   device->queue_count * VIRTIO_PCI_MULTIPLIER, plain + 4);
	if (at < 0)
		return at;
	bytes_put_le32(function->config + (uint32_t)at + plain, VIRTIO_PCI_MULTIPLIER);
	at = add_structure(transport, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, plain + 4);
	if (at < 0)
		return at;
	transport->pci_cfg_offset = (uint32_t)at;
	function->writable[at + VIRTIO_PCI_CAP_BAR] = 0xff;
	memset(function->writable + at + VIRTIO_PCI_CAP_OFFSET, 0xff,
	       12); /* offset, length, data */
	return 0;
}

int virtio_pci_create(struct virtio_pci **created, struct virtio_device *device, struct kvm_vm *vm)
{
	struct virtio_pci *transport;
	struct pci_msix_options msix = {
		.vectors = (uint16_t)(device->queue_count + 1),
		.table_bar = VIRTIO_PCI_BAR,
		.table_offset = VIRTIO_PCI_TABLE_OFFSET,
		.pba_bar = VIRTIO_PCI_BAR,
		.pba_offset = VIRTIO_PCI_PBA_OFFSET,
	};
	uint16_t i;
	int result;

	if (device->queue_count > VIRTIO_PCI_MAX_QUEUES || device->config_size > VIRTIO_PCI_PAGE)
		return -EINVAL;
	transport = calloc(1, sizeof(*transport));
	if (!transport)
		return -ENOMEM;
	transport->queues = calloc(device->queue_count, sizeof(*transport->queues));
	if (!transport->queues) {
		free(transport);
		return -ENOMEM;
	}
	pthread_mutex_init(&transport->lock, NULL);
	pthread_mutex_init(&transport->irq_lock, NULL);
	transport->device = device;
	transport->vm = vm;
	for (i = 0; i < device->queue_count; i++) {
		transport->queues[i].transport = transport;
		transport->queues[i].index = i;
		transport->queues[i].kick_fd = -1;
		transport->queues[i].call_fd = -1;
		atomic_store(&transport->queues[i].vector, VIRTIO_MSI_NO_VECTOR);
	}
	atomic_store(&transport->config_vector, VIRTIO_MSI_NO_VECTOR);
	/* Any width means that KVM need not decode the instruction that kicked. */
	transport->ioeventfd_length =
		vm && kvm_vm_check_extension(vm, KVM_CAP_IOEVENTFD_ANY_LENGTH) > 0 ? 0 : 2;

	transport->function.name = device->name;
	transport->function.ops = &function_ops;
	pci_device_init(&transport->function, VIRTIO_PCI_VENDOR,
			(uint16_t)(VIRTIO_PCI_DEVICE_BASE + device->type), device->class_code, 1,
			VIRTIO_PCI_VENDOR, (uint16_t)(VIRTIO_PCI_DEVICE_BASE + device->type));
	transport->function.config[PCI_INTERRUPT_PIN] = 1;
	result = pci_register_bar(&transport->function, VIRTIO_PCI_BAR, PCI_BAR_MEMORY_32, false,
				  VIRTIO_PCI_BAR_SIZE, &virtio_pci_bar_ops, transport);
	if (!result)
		result = pci_msix_init(&transport->function, &msix);
	if (!result)
		result = add_structures(transport);
	if (result) {
		transport->device = NULL; /* stays the caller's */
		virtio_pci_destroy(transport);
		return result;
	}
	device->transport = &transport_ops;
	device->transport_opaque = transport;
	*created = transport;
	return 0;
}

void virtio_pci_destroy(struct virtio_pci *transport)
{
	if (!transport)
		return;
	if (transport->device) {
		pthread_mutex_lock(&transport->lock);
		virtio_pci_reset_locked(transport);
		pthread_mutex_unlock(&transport->lock);
		transport->device->transport = NULL;
		virtio_device_destroy(transport->device);
	}
	if (transport->function.msix)
		pci_msix_destroy(&transport->function);
	pthread_mutex_destroy(&transport->lock);
	pthread_mutex_destroy(&transport->irq_lock);
	free(transport->queues);
	free(transport);
}

struct pci_device *virtio_pci_function(struct virtio_pci *transport)
{
	return &transport->function;
}
