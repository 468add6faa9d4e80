/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_VFIO_INTERNAL_H
#define PASSTHROUGH_VFIO_INTERNAL_H

#include "passthrough/iommu/address_space.h"
#include "passthrough/iommu/group.h"
#include "passthrough/transport/event.h"
#include "passthrough/transport/info.h"
#include "passthrough/transport/pci_address.h"
#include "passthrough/vfio/vfio.h"

#define VFIO_KERNEL_PATH 256u

struct vfio_kernel_region {
	bool known;
	uint32_t flags;
	uint64_t size;
	uint64_t offset;
};

struct vfio_kernel {
	struct vfio_transport transport; /* first */
	struct vfio_transport_options options;
	/* How it is to be reached. Good while it is opened: the names are the caller's. */
	struct vfio_kernel_options asked;
	struct vfio_system system;
	struct iommu_spaces *spaces;
	bool own_spaces; /* nobody shares them: they end with the transport */
	struct kvm_vm *vm;
	char *name;
	struct log_ratelimit limit;
	bool lost;
	bool released;
	bool weak_reset_told;

	int device_fd;
	struct iommu_group *group; /* group way; else NULL */
	bool kvm_told;             /* cdev way: KVM knows device_fd */
	struct iommu_function function;

	uint32_t device_flags;
	uint32_t num_irqs;
	struct vfio_kernel_region regions[VFIO_INFO_MAX_REGIONS];
	struct vfio_event error;
	struct vfio_event request;
};

/* ioctl.c */
int vfio_kernel_ioctl(struct vfio_kernel *kernel, unsigned long request, void *argument);
int vfio_kernel_set_irqs(struct vfio_transport *transport, uint32_t index, uint32_t flags,
			 uint32_t start, uint32_t count, const int *fds);

/* locate.c: sysfs facts of a host device. */
struct vfio_kernel_place {
	struct pci_address address;
	char bdf[PCI_ADDRESS_TEXT]; /* "": not looked for */
	char driver[64];            /* "": none */
	char group[32];             /* number; "": no IOMMU group */
	char cdev[64];              /* "vfio3"; "": none */
};
/* Of asked.host. */
int vfio_kernel_locate(struct vfio_kernel *kernel, struct vfio_kernel_place *place);

/* open.c: until device_fd is usable and transport.space is there. The fds of @asked are taken. */
int vfio_kernel_open_group(struct vfio_kernel *kernel, const struct vfio_kernel_place *place);
int vfio_kernel_open_cdev(struct vfio_kernel *kernel, const struct vfio_kernel_place *place);
/* The device is the host's again, see vfio_transport_ops.release; @with is an open file. */
void vfio_kernel_give_back(struct vfio_kernel *kernel, int with);
/* All that the two have opened. */
void vfio_kernel_close_files(struct vfio_kernel *kernel);

/*
 * clearing.c: an open was refused with EBUSY. True after a moment, when that is because the host
 * driver clears the device's memory: try again. False when it has another reason, or after 30 s
 * (logged). *@since is 0 at first.
 */
bool vfio_kernel_await_clearing(struct vfio_kernel *kernel, const char *bdf, uint64_t *since);
/* What to say behind the errno @result of an open: " (...)" or "". */
const char *vfio_kernel_open_hint(struct vfio_kernel *kernel, const char *bdf, int result);

/* events.c: the kernel's error and request interrupts. */
void vfio_kernel_watch(struct vfio_kernel *kernel);
void vfio_kernel_unwatch(struct vfio_kernel *kernel);

/* reset.c */
int vfio_kernel_reset(struct vfio_transport *transport);
/* Say so when the device has no reset of any kind. */
void vfio_kernel_warn_without_reset(struct vfio_kernel *kernel);

#endif
