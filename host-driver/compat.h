/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between the kernels this driver is built for: 6.12 and 7.2 or later.
 *
 * 6.12 has no region-info operation, maps BARs when they are first used and
 * takes pfn_t; 7.x asks the driver for region info, maps BARs when the device
 * is enabled, can export BARs as dma-bufs, and takes plain PFNs.
 */
#ifndef CXL_VFIO_COMPAT_H
#define CXL_VFIO_COMPAT_H

#include <linux/mm.h>
#include <linux/version.h>
#include <linux/vfio_pci_core.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#error "cxl-vfio-pci needs Linux 6.12 or later"
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)

#define COMPAT_REGION_INFO_OP 1
#define COMPAT_MATCH_TOKEN_OP 1
#define COMPAT_DMABUF_OP      1

/* Caller holds memory_lock for reading. */
static inline vm_fault_t compat_insert_pfn(struct vfio_pci_core_device *vdev, struct vm_fault *vmf,
					   unsigned long pfn, unsigned int order)
{
	return vfio_pci_vmf_insert_pfn(vdev, vmf, pfn, order);
}

#else

#include <linux/huge_mm.h>
#include <linux/pfn_t.h>

static inline vm_fault_t compat_insert_pfn(struct vfio_pci_core_device *vdev, struct vm_fault *vmf,
					   unsigned long pfn, unsigned int order)
{
	if (!order)
		return vmf_insert_pfn(vmf->vma, vmf->address, pfn);
#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
	if (order == PMD_ORDER)
		return vmf_insert_pfn_pmd(vmf, __pfn_to_pfn_t(pfn, PFN_DEV), false);
#endif
#ifdef CONFIG_ARCH_SUPPORTS_PUD_PFNMAP
	if (order == PUD_ORDER)
		return vmf_insert_pfn_pud(vmf, __pfn_to_pfn_t(pfn, PFN_DEV), false);
#endif
	return VM_FAULT_FALLBACK;
}

#endif

#endif
