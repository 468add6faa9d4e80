/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_VIRTIO_PCI_INTERNAL_H
#define DEVICES_VIRTIO_PCI_INTERNAL_H

#include <linux/virtio_pci.h>
#include <pthread.h>

#include "devices/virtio/pci.h"

/*
 * The one BAR. Each structure has a page of its own, so that a guest can map the notification area
 * alone. MSI-X shares it: one BAR less to size, place and move.
 */
#define VIRTIO_PCI_BAR           0u
#define VIRTIO_PCI_COMMON_OFFSET 0x0000u
#define VIRTIO_PCI_ISR_OFFSET    0x1000u
#define VIRTIO_PCI_DEVICE_OFFSET 0x2000u
#define VIRTIO_PCI_TABLE_OFFSET  0x3000u
#define VIRTIO_PCI_PBA_OFFSET    0x4000u
#define VIRTIO_PCI_NOTIFY_OFFSET 0x5000u
#define VIRTIO_PCI_PAGE          0x1000u
#define VIRTIO_PCI_BAR_SIZE      0x8000u
#define VIRTIO_PCI_MULTIPLIER    4u /* notify_off_multiplier (4.1.4.4) */
#define VIRTIO_PCI_COMMON_BYTES  64u
#define VIRTIO_PCI_MAX_QUEUES    255u /* with the configuration vector: one page of table */

struct virtio_pci_queue {
	struct virtio_pci *transport;
	uint16_t index;
	_Atomic uint16_t vector;
	int kick_fd; /* -1: not active */
	struct event_source *kick_source;
	uint64_t ioeventfd_address;
	bool ioeventfd; /* assigned at ioeventfd_address */
	int call_fd;    /* proxy to INTx for kernel queues; -1: none */
	struct event_source *call_source;
};

struct virtio_pci {
	struct pci_device function;
	struct virtio_device *device;
	struct kvm_vm *vm;
	uint32_t ioeventfd_length;
	uint32_t pci_cfg_offset; /* of the VIRTIO_PCI_CAP_PCI_CFG capability */

	/*
	 * lock: the registers, the state machine, the BAR's address. Taken by vCPU threads and
	 * control threads, never by callbacks of the event loop, because reset and pause wait for
	 * those with the lock held. irq_lock: isr and the INTx line; a leaf.
	 */
	pthread_mutex_t lock;
	pthread_mutex_t irq_lock;

	uint32_t device_feature_select;
	uint32_t driver_feature_select;
	uint64_t driver_features;
	uint16_t queue_select;
	_Atomic uint16_t config_vector;
	_Atomic uint8_t status;
	bool mapped;
	uint64_t bar_address;
	struct virtio_pci_queue *queues;

	uint8_t isr;
	bool line;
};

extern const struct bus_ops virtio_pci_bar_ops;

/*
 * virtio_pci_event() - move the device along the table of virtio/state.h and do what the row says.
 * False when there is no row: nothing happens. BROKEN comes from any thread; all others under the
 * lock.
 */
bool virtio_pci_event(struct virtio_pci *transport, enum virtio_event event);

/* pci.c; all under the lock. */
void virtio_pci_reset_locked(struct virtio_pci *transport);
void virtio_pci_kick(struct virtio_pci *transport, uint16_t queue);
uint8_t virtio_pci_read_isr(struct virtio_pci *transport);

/* virtio_pci_registers.c: the window in configuration space onto the BAR (4.1.4.9). Under the
 * root's lock. */
bool virtio_pci_config_read(struct pci_device *function, uint32_t offset, unsigned int size,
			    uint32_t *value);
void virtio_pci_config_written(struct pci_device *function, uint32_t offset, unsigned int size);

static inline struct virtio_pci *virtio_pci_of(struct pci_device *function)
{
	return (struct virtio_pci *)(void *)((char *)function -
					     offsetof(struct virtio_pci, function));
}

#endif
