// SPDX-License-Identifier: GPL-2.0-only
/* The device memory as a VFIO region: claim, lazy huge mappings, file access. */
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/moduleparam.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "cxl_vfio.h"
#include "uapi.h"

static bool region_rw;
module_param(region_rw, bool, 0444);
MODULE_PARM_DESC(
	region_rw,
	"Serve read and write of the memory region too, for tests (default: EIO, only mappings)");

static bool cxl_memory_is_ram(struct cxl_vfio_device *cdev)
{
	return region_intersects(cdev->range.base, cdev->range.size, IORESOURCE_SYSTEM_RAM,
				 IORES_DESC_NONE) != REGION_DISJOINT;
}

int cxl_memory_claim(struct cxl_vfio_device *cdev)
{
	/*
	 * A second cacheable mapping of the same memory (the direct map of RAM) could corrupt or
	 * abort.
	 */
	if (cxl_memory_is_ram(cdev))
		return -EBUSY;
	/* Exclusive: /dev/mem must not map it either. */
	cdev->claim =
		request_mem_region_exclusive(cdev->range.base, cdev->range.size, CXL_VFIO_NAME);
	return cdev->claim ? 0 : -EBUSY;
}

void cxl_memory_release(struct cxl_vfio_device *cdev)
{
	if (cdev->claim)
		release_mem_region(cdev->range.base, cdev->range.size);
	cdev->claim = NULL;
}

int cxl_memory_map(struct cxl_vfio_device *cdev)
{
	/*
	 * The mapping is not touched. It registers the range as write-back memory, without which
	 * x86 would map it uncached into user space too.
	 */
	cdev->memory = memremap(cdev->range.base, cdev->range.size, MEMREMAP_WB);
	return cdev->memory ? 0 : -ENOMEM;
}

void cxl_memory_unmap(struct cxl_vfio_device *cdev)
{
	if (cdev->memory)
		memunmap(cdev->memory);
	cdev->memory = NULL;
}

static vm_fault_t cxl_memory_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	struct cxl_vfio_device *cdev = vma->vm_private_data;
	unsigned long size = PAGE_SIZE << order;
	unsigned long address = ALIGN_DOWN(vmf->address, size);
	unsigned long in_region =
		vma->vm_pgoff & ((1UL << (VFIO_PCI_OFFSET_SHIFT - PAGE_SHIFT)) - 1);
	unsigned long pfn;
	vm_fault_t ret;

	if (order && (address < vma->vm_start || address + size > vma->vm_end))
		return VM_FAULT_FALLBACK;
	pfn = PHYS_PFN(cdev->range.base) + in_region + ((address - vma->vm_start) >> PAGE_SHIFT);
	if (!IS_ALIGNED(pfn, 1UL << order))
		return VM_FAULT_FALLBACK;

	down_read(&cdev->config_lock);
	if (cxl_gate_enter_asking(cdev)) {
		ret = VM_FAULT_SIGBUS;
	} else {
		ret = compat_insert_pfn(&cdev->core, vmf, pfn, order);
		cxl_gate_leave(cdev);
	}
	up_read(&cdev->config_lock);
	return ret;
}

static vm_fault_t cxl_memory_fault(struct vm_fault *vmf)
{
	return cxl_memory_huge_fault(vmf, 0);
}

static const struct vm_operations_struct cxl_memory_vm_ops = {
	.fault = cxl_memory_fault,
#ifdef CONFIG_ARCH_SUPPORTS_HUGE_PFNMAP
	.huge_fault = cxl_memory_huge_fault,
#endif
};

static int cxl_memory_mmap(struct vfio_pci_core_device *core, struct vfio_pci_region *region,
			   struct vm_area_struct *vma)
{
	struct cxl_vfio_device *cdev = cxl_from_core(core);
	u64 in_region = vma->vm_pgoff & ((1UL << (VFIO_PCI_OFFSET_SHIFT - PAGE_SHIFT)) - 1);
	int ret;

	ret = access_memory_map(region->size, in_region << PAGE_SHIFT, vma->vm_end - vma->vm_start);
	if (ret)
		return ret;
	vma->vm_private_data = cdev;
	/*
	 * The page protection stays write-back; vm_pgoff keeps the region index, so that the zap
	 * finds the mapping.
	 */
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_ops = &cxl_memory_vm_ops;
	return 0;
}

/* Between the device and a page of ours, so that no lock is held while user memory is touched. */
static int cxl_memory_copy(struct cxl_vfio_device *cdev, u64 position, void *page, size_t length,
			   bool iswrite)
{
	void *memory = cdev->memory + position;
	int ret;

	ret = cxl_gate_enter(cdev);
	if (ret)
		return ret;
	if (iswrite)
		memcpy(memory, page, length);
#ifdef CONFIG_ARCH_HAS_COPY_MC
	else if (copy_mc_to_kernel(page, memory, length))
		ret = -EIO;
#else
	else
		memcpy(page, memory, length);
#endif
	cxl_gate_leave(cdev);
	return ret;
}

static ssize_t cxl_memory_rw(struct vfio_pci_core_device *core, char __user *buf, size_t count,
			     loff_t *ppos, bool iswrite)
{
	struct cxl_vfio_device *cdev = cxl_from_core(core);
	u64 position = *ppos & VFIO_PCI_OFFSET_MASK;
	u64 length, done = 0;
	void *page;
	int ret;

	ret = access_memory(cdev->layout, cdev->range.size, position, count, &length);
	if (ret || !length)
		return ret;
	/* The kernel's own loads have no SIGBUS to end in when the device stops answering. */
	if (!region_rw)
		return -EIO;
	page = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (!page)
		return -ENOMEM;
	while (done < length) {
		size_t piece = min_t(u64, length - done, PAGE_SIZE);

		if (iswrite && copy_from_user(page, buf + done, piece)) {
			ret = -EFAULT;
			break;
		}
		ret = cxl_memory_copy(cdev, position + done, page, piece, iswrite);
		if (ret)
			break;
		if (!iswrite && copy_to_user(buf + done, page, piece)) {
			ret = -EFAULT;
			break;
		}
		done += piece;
		cond_resched();
		if (done < length && fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
	}
	/*
	 * The page has held device memory of this user; the next owner of the page is somebody
	 * else.
	 */
	memzero_explicit(page, PAGE_SIZE);
	free_page((unsigned long)page);
	if (!done)
		return ret;
	*ppos += done;
	return done;
}

/* vfio-pci-core calls it unconditionally; the mapping outlives the region, see cxl_close_device(). */
static void cxl_memory_region_release(struct vfio_pci_core_device *core,
				      struct vfio_pci_region *region)
{
}

static const struct vfio_pci_regops cxl_memory_ops = {
	.rw = cxl_memory_rw,
	.mmap = cxl_memory_mmap,
	.release = cxl_memory_region_release,
};

int cxl_memory_register(struct cxl_vfio_device *cdev)
{
	int ret;

	ret = vfio_pci_core_register_dev_region(&cdev->core, CXL_VFIO_REGION_TYPE,
						CXL_VFIO_REGION_SUBTYPE_MEMORY, &cxl_memory_ops,
						cdev->range.size,
						VFIO_REGION_INFO_FLAG_READ |
							VFIO_REGION_INFO_FLAG_WRITE |
							VFIO_REGION_INFO_FLAG_MMAP,
						cdev);
	if (!ret)
		cdev->memory_region = VFIO_PCI_NUM_REGIONS + cdev->core.num_regions - 1;
	return ret;
}
