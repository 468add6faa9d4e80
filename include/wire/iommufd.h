/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_IOMMUFD_H
#define WIRE_IOMMUFD_H

#include <linux/ioctl.h>
#include <linux/vfio.h>
#include <stdint.h>

/*
 * Parts of the VFIO, iommufd and KVM UAPI that are younger than the oldest kernel headers that cxvm
 * is built with. Names with our prefix, values of the kernel's headers.
 */

/* <linux/vfio.h>, since 6.6: the character device */
#define VFIO_CDEV_BIND_IOMMUFD      _IO(VFIO_TYPE, VFIO_BASE + 18)
#define VFIO_CDEV_ATTACH_IOMMUFD_PT _IO(VFIO_TYPE, VFIO_BASE + 19)

struct vfio_cdev_bind {
	uint32_t argsz;
	uint32_t flags;
	int32_t iommufd;
	uint32_t out_devid;
};

struct vfio_cdev_attach {
	uint32_t argsz;
	uint32_t flags;
	uint32_t pt_id;
};

/*
 * <linux/vfio.h>, since 6.6: for a device of the character device way, the numbers in struct
 * vfio_pci_dependent_device are iommufd's, 0 for a function nobody has open in a group of ours.
 */
#define VFIO_HOT_RESET_DEV_ID       (1u << 0)
#define VFIO_HOT_RESET_DEV_ID_OWNED (1u << 1)
#define VFIO_HOT_RESET_UNOPENED     0u

/* <linux/vfio.h>, since 6.19: a dma-buf of a range of a region */
#define VFIO_FEATURE_DMA_BUF 11u

struct vfio_feature_dma_buf {
	uint32_t argsz; /* struct vfio_device_feature */
	uint32_t flags;
	uint32_t region_index; /* its data */
	uint32_t open_flags;
	uint32_t dma_buf_flags;
	uint32_t nr_ranges;
	uint64_t offset;
	uint64_t length;
};

/* <linux/iommufd.h> */
#define IOMMUFD_TYPE             ';'
#define IOMMUFD_DESTROY          _IO(IOMMUFD_TYPE, 0x80)
#define IOMMUFD_IOAS_ALLOC       _IO(IOMMUFD_TYPE, 0x81)
#define IOMMUFD_IOAS_IOVA_RANGES _IO(IOMMUFD_TYPE, 0x84)
#define IOMMUFD_IOAS_MAP         _IO(IOMMUFD_TYPE, 0x85)
#define IOMMUFD_IOAS_UNMAP       _IO(IOMMUFD_TYPE, 0x86)
#define IOMMUFD_IOAS_MAP_FILE    _IO(IOMMUFD_TYPE, 0x8f)

#define IOMMUFD_MAP_FIXED_IOVA 1u
#define IOMMUFD_MAP_WRITEABLE  2u
#define IOMMUFD_MAP_READABLE   4u

struct iommufd_destroy {
	uint32_t size;
	uint32_t id;
};

struct iommufd_ioas_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t out_ioas_id;
};

struct iommufd_iova_range {
	uint64_t start;
	uint64_t last;
};

struct iommufd_ioas_iova_ranges {
	uint32_t size;
	uint32_t ioas_id;
	uint32_t num_iovas;
	uint32_t reserved;
	uint64_t allowed_iovas; /* struct iommufd_iova_range * */
	uint64_t out_iova_alignment;
};

struct iommufd_ioas_map {
	uint32_t size;
	uint32_t flags;
	uint32_t ioas_id;
	uint32_t reserved;
	uint64_t user_va;
	uint64_t length;
	uint64_t iova;
};

struct iommufd_ioas_map_file {
	uint32_t size;
	uint32_t flags;
	uint32_t ioas_id;
	int32_t fd;
	uint64_t start;
	uint64_t length;
	uint64_t iova;
};

struct iommufd_ioas_unmap {
	uint32_t size;
	uint32_t ioas_id;
	uint64_t iova;
	uint64_t length;
};

/* <linux/kvm.h>: the same numbers as the older KVM_DEV_VFIO_GROUP ones, for any VFIO file */
#define KVM_VFIO_FILE     1u
#define KVM_VFIO_FILE_ADD 1u
#define KVM_VFIO_FILE_DEL 2u

_Static_assert(sizeof(struct iommufd_ioas_iova_ranges) == 32, "IOMMU_IOAS_IOVA_RANGES");
_Static_assert(sizeof(struct iommufd_ioas_map) == 40, "IOMMU_IOAS_MAP");
_Static_assert(sizeof(struct iommufd_ioas_map_file) == 40, "IOMMU_IOAS_MAP_FILE");
_Static_assert(sizeof(struct vfio_feature_dma_buf) == 40, "VFIO_DEVICE_FEATURE_DMA_BUF");

#endif
