/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between the kernels this driver is built for, from 6.12 on. What
 * a kernel has is found by Kbuild in its headers (CXL_VFIO_HAVE_...):
 *
 * PFN_T             huge mappings take a pfn_t (gone in 6.17)
 * VMF_INSERT_PFN    vfio-pci-core inserts a PFN of any order itself
 * REGION_INFO_CAPS  the core asks the driver for a region's capabilities
 * MATCH_TOKEN_UUID  the core calls match_token_uuid() without looking for it
 * DMABUF_PHYS       BARs can be exported as dma-bufs
 * DISABLE_IDLE_D3   a flag of the device keeps it out of D3 while it is idle
 */
#ifndef CXL_VFIO_COMPAT_H
#define CXL_VFIO_COMPAT_H

#include <linux/mm.h>
#include <linux/version.h>
#include <linux/vfio_pci_core.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#error "cxl-vfio-pci needs Linux 6.12 or later"
#endif

#ifndef CXL_VFIO_HAVE_HEADERS
#error "cxl-vfio-pci: include/linux/vfio_pci_core.h is not among these kernel headers"
#endif

#include <linux/huge_mm.h>
#include <linux/pm_runtime.h>
#ifdef CXL_VFIO_HAVE_PFN_T
#include <linux/pfn_t.h>
#endif

#ifdef CXL_VFIO_HAVE_VMF_INSERT_PFN

/* Caller holds memory_lock for reading. */
static inline vm_fault_t compat_insert_pfn(struct vfio_pci_core_device *vdev, struct vm_fault *vmf,
					   unsigned long pfn, unsigned int order)
{
	return vfio_pci_vmf_insert_pfn(vdev, vmf, pfn, order);
}

#else

#ifdef CXL_VFIO_HAVE_PFN_T
#define compat_pfn(pfn) __pfn_to_pfn_t(pfn, PFN_DEV)
#else
#define compat_pfn(pfn) (pfn)
#endif

static inline vm_fault_t compat_insert_pfn(struct vfio_pci_core_device *vdev, struct vm_fault *vmf,
					   unsigned long pfn, unsigned int order)
{
	if (!order)
		return vmf_insert_pfn(vmf->vma, vmf->address, pfn);
#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
	if (order == PMD_ORDER)
		return vmf_insert_pfn_pmd(vmf, compat_pfn(pfn), false);
#endif
#ifdef CONFIG_ARCH_SUPPORTS_PUD_PFNMAP
	if (order == PUD_ORDER)
		return vmf_insert_pfn_pud(vmf, compat_pfn(pfn), false);
#endif
	return VM_FAULT_FALLBACK;
}

#endif

/*
 * An idle device in D3 does not decode its memory. Without the flag, a use
 * that never ends keeps it awake; compat_allow_idle_d3() ends it.
 */
static inline void compat_disable_idle_d3(struct vfio_pci_core_device *core)
{
#ifdef CXL_VFIO_HAVE_DISABLE_IDLE_D3
	core->disable_idle_d3 = true;
#else
	pm_runtime_get_noresume(&core->pdev->dev);
#endif
}

static inline void compat_allow_idle_d3(struct vfio_pci_core_device *core)
{
#ifndef CXL_VFIO_HAVE_DISABLE_IDLE_D3
	pm_runtime_put_noidle(&core->pdev->dev);
#endif
}

#endif
