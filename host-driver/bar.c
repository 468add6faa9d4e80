// SPDX-License-Identifier: GPL-2.0-only
/* The component BAR: mapped without a claim, and closed where the component block is. */
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vfio.h>

#include "compat.h"
#include "cxl_vfio.h"
#include "sparse.h"
#include "uapi.h"

/*
 * Parts of this BAR may be claimed by the kernel's own CXL code, so a claim of the whole can fail.
 * The core uses a mapping that is there already, and releases only what it claimed itself.
 */
int cxl_bar_map(struct cxl_vfio_device *cdev)
{
	struct vfio_pci_core_device *core = &cdev->core;
	u32 bar = cdev->block.bar;

	if (!IS_ERR_OR_NULL(core->barmap[bar])) {
		/* A core that maps at enable time has claimed it. */
		pci_release_selected_regions(core->pdev, 1 << bar);
		return 0;
	}
	core->barmap[bar] = pci_iomap(core->pdev, bar, 0);
	return core->barmap[bar] ? 0 : -ENOMEM;
}

void cxl_bar_unmap(struct cxl_vfio_device *cdev)
{
	struct vfio_pci_core_device *core = &cdev->core;
	u32 bar = cdev->block.bar;

	if (!IS_ERR_OR_NULL(core->barmap[bar]))
		pci_iounmap(core->pdev, core->barmap[bar]);
	core->barmap[bar] = NULL;
}

bool cxl_bar_blocked(struct cxl_vfio_device *cdev, u32 index, u64 position, u64 count)
{
	return index == cdev->block.bar &&
	       sparse_overlaps(cdev->block.offset, CXL_COMPONENT_BLOCK_SIZE, position, count);
}

int cxl_bar_mmap_check(struct cxl_vfio_device *cdev, struct vm_area_struct *vma)
{
	u32 index = vma->vm_pgoff >> (VFIO_PCI_OFFSET_SHIFT - PAGE_SHIFT);
	u64 start = vma->vm_pgoff & ((1UL << (VFIO_PCI_OFFSET_SHIFT - PAGE_SHIFT)) - 1);

	if (cxl_bar_blocked(cdev, index, start << PAGE_SHIFT, vma->vm_end - vma->vm_start))
		return -EINVAL;
	return 0;
}

static int cxl_bar_add_sparse(const struct sparse_plan *plan, struct vfio_info_cap *caps)
{
	struct {
		struct vfio_region_info_cap_sparse_mmap sparse;
		struct vfio_region_sparse_mmap_area areas[2];
	} cap = {};
	u32 i;

	static_assert(offsetof(typeof(cap), areas) == sizeof(cap.sparse));
	cap.sparse.header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
	cap.sparse.header.version = 1;
	cap.sparse.nr_areas = plan->area_count;
	for (i = 0; i < plan->area_count; i++) {
		cap.areas[i].offset = plan->areas[i].offset;
		cap.areas[i].size = plan->areas[i].size;
	}
	return vfio_info_add_capability(caps, &cap.sparse.header,
					sizeof(cap.sparse) +
						plan->area_count * sizeof(cap.areas[0]));
}

int cxl_bar_region_info(struct cxl_vfio_device *cdev, struct vfio_region_info *info,
			struct vfio_info_cap *caps)
{
	struct vfio_info_cap_header msix = {.id = VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, .version = 1};
	struct vfio_pci_core_device *core = &cdev->core;
	u32 bar = cdev->block.bar;
	struct sparse_request request = {
		.bar_length = pci_resource_len(core->pdev, bar),
		.block_offset = cdev->block.offset,
		.block_size = CXL_COMPONENT_BLOCK_SIZE,
		.page_size = PAGE_SIZE,
		.mappable = core->bar_mmap_supported[bar],
	};
	struct sparse_plan plan;
	int ret;

	ret = sparse_plan_bar(&request, &plan);
	if (ret)
		return ret;
	info->offset = VFIO_PCI_INDEX_TO_OFFSET(bar);
	info->size = request.bar_length;
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (plan.map)
		info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
	if (plan.sparse)
		ret = cxl_bar_add_sparse(&plan, caps);
	if (!ret && plan.map && bar == core->msix_bar)
		ret = vfio_info_add_capability(caps, &msix, sizeof(msix));
	return ret;
}

#ifdef CXL_VFIO_HAVE_DMABUF_PHYS

/* A dma-buf of the component block would be one more way around the shadow. */
static int cxl_bar_get_dmabuf_phys(struct vfio_pci_core_device *core,
				   struct p2pdma_provider **provider, unsigned int index,
				   struct phys_vec *phys_vec, struct vfio_region_dma_range *ranges,
				   size_t range_count)
{
	struct cxl_vfio_device *cdev = cxl_from_core(core);
	size_t i;

	for (i = 0; cdev->cxl && i < range_count; i++)
		if (cxl_bar_blocked(cdev, index, ranges[i].offset, ranges[i].length))
			return -EINVAL;
	return vfio_pci_core_get_dmabuf_phys(core, provider, index, phys_vec, ranges, range_count);
}

static const struct vfio_pci_device_ops cxl_dmabuf_ops = {
	.get_dmabuf_phys = cxl_bar_get_dmabuf_phys,
};

void cxl_bar_set_dmabuf_ops(struct cxl_vfio_device *cdev)
{
	cdev->core.pci_ops = &cxl_dmabuf_ops;
}

#else

void cxl_bar_set_dmabuf_ops(struct cxl_vfio_device *cdev)
{
}

#endif
