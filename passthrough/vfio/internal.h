/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_VFIO_INTERNAL_H
#define PASSTHROUGH_VFIO_INTERNAL_H

#include "passthrough/transport/event.h"
#include "passthrough/transport/info.h"
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
	const struct vfio_system_ops *system;
	void *system_opaque;
	struct kvm_vm *vm;
	char *name;
	char group[32]; /* number of its IOMMU group; "" when only fds were given */
	struct log_ratelimit limit;
	bool lost;
	bool weak_reset_told;

	int device_fd;
	int group_fd;     /* group way */
	int container_fd; /* group way */
	int iommufd_fd;   /* cdev way */
	bool no_iommu;
	bool kvm_told;      /* KVM knows group_fd (or device_fd) */
	uint32_t ioas;      /* cdev way */
	uint32_t device_id; /* cdev way: iommufd's number of the device */

	uint32_t device_flags;
	uint32_t num_irqs;
	struct vfio_kernel_region regions[VFIO_INFO_MAX_REGIONS];
	struct vfio_event error;
	struct vfio_event request;
};

int vfio_kernel_ioctl(struct vfio_kernel *kernel, int fd, unsigned long request, void *argument);

/* vfio_kernel_locate.c: sysfs facts of a host device. */
struct vfio_kernel_place {
	char bdf[32];
	char driver[64]; /* "": none */
	char group[32];  /* number; "": no IOMMU group */
	char cdev[64];   /* "vfio3"; "": none */
};
int vfio_kernel_locate(struct vfio_kernel *kernel, const char *host,
		       struct vfio_kernel_place *place);

/* vfio_kernel_group.c, vfio_kernel_cdev.c: until device_fd is usable. */
int vfio_kernel_open_group(struct vfio_kernel *kernel, const struct vfio_kernel_place *place,
			   bool allow_no_iommu);
int vfio_kernel_open_cdev(struct vfio_kernel *kernel, const struct vfio_kernel_place *place);
/* Tell KVM about a VFIO file; best effort. */
void vfio_kernel_tell_kvm(struct vfio_kernel *kernel, int fd, bool add);

/* vfio_kernel_dma.c */
int vfio_kernel_dma_map(struct vfio_transport *transport, const struct vfio_transport_dma *dma);
int vfio_kernel_dma_unmap(struct vfio_transport *transport, uint64_t address, uint64_t size);

/* vfio_kernel_aperture.c */
uint64_t vfio_kernel_dma_limit(struct vfio_transport *transport);

/* vfio_kernel_events.c: the kernel's error and request interrupts, and reset. */
void vfio_kernel_watch(struct vfio_kernel *kernel);
void vfio_kernel_unwatch(struct vfio_kernel *kernel);
int vfio_kernel_reset(struct vfio_transport *transport);
void vfio_kernel_release(struct vfio_transport *transport);
/* Say so when the device has no reset of any kind. */
void vfio_kernel_warn_without_reset(struct vfio_kernel *kernel);
int vfio_kernel_set_irqs(struct vfio_transport *transport, uint32_t index, uint32_t flags,
			 uint32_t start, uint32_t count, const int *fds);

#endif
