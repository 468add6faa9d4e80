/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_VIRTIO_PCI_H
#define DEVICES_VIRTIO_PCI_H

#include "devices/pci/device.h"
#include "devices/virtio/device.h"
#include "core/kvm.h"

/*
 * The modern PCI transport (virtio 1.2, 4.1): one function with one 32-bit memory BAR that holds
 * all register structures and the MSI-X table; a vector per queue and one for configuration
 * changes, INTx when the driver does not enable MSI-X; an ioeventfd per queue that follows the BAR.
 *
 *	struct virtio_device *disk;
 *	struct virtio_pci *function;
 *	virtio_blk_create(&blk_options, &disk);
 *	virtio_pci_create(&function, disk, vm);
 *	pci_bus_add(bus, virtio_pci_function(function), -1);
 */
struct virtio_pci;

/*
 * virtio_pci_create() - @device belongs to the transport from a success on. @vm NULL (unit tests):
 * no ioeventfds, kicks are noticed as trapped writes. Returns 0, -EINVAL (too many queues),
 * -ENOMEM, -ENOSPC, or the errno of pci_msix_init().
 */
int virtio_pci_create(struct virtio_pci **transport, struct virtio_device *device,
		      struct kvm_vm *vm);

/* Resets the device if the driver did not, destroys it and the function (pci_bus_remove() and the
 * stop of the vCPUs come before). NULL is allowed. */
void virtio_pci_destroy(struct virtio_pci *transport);

/* The function to plug in; valid until virtio_pci_destroy(). */
struct pci_device *virtio_pci_function(struct virtio_pci *transport);

/* Quiesce / continue. vCPUs are paused. Any thread but a vCPU's; both may be repeated. */
void virtio_pci_pause(struct virtio_pci *transport);
void virtio_pci_resume(struct virtio_pci *transport);

#endif
