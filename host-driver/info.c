// SPDX-License-Identifier: GPL-2.0-only
/* VFIO_DEVICE_GET_INFO and VFIO_DEVICE_GET_REGION_INFO. */
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "chain.h"
#include "compat.h"
#include "cxl_vfio.h"

/*
 * As vfio-pci-core reports it; the core's own answer cannot be extended, it goes straight to user
 * memory.
 */
static int cxl_info_add_atomics(struct pci_dev *pdev, struct chain *chain)
{
	static const struct {
		u32 capability;
		u32 flag;
	} widths[] = {
		{PCI_EXP_DEVCAP2_ATOMIC_COMP32, VFIO_PCI_ATOMIC_COMP32},
		{PCI_EXP_DEVCAP2_ATOMIC_COMP64, VFIO_PCI_ATOMIC_COMP64},
		{PCI_EXP_DEVCAP2_ATOMIC_COMP128, VFIO_PCI_ATOMIC_COMP128},
	};
	struct vfio_device_info_cap_pci_atomic_comp cap = {
		.header = {.id = VFIO_DEVICE_INFO_CAP_PCI_ATOMIC_COMP, .version = 1},
	};
	struct pci_dev *physfn = pci_physfn(pdev);
	u32 capabilities;
	size_t i;

	pcie_capability_read_dword(physfn, PCI_EXP_DEVCAP2, &capabilities);
	for (i = 0; i < ARRAY_SIZE(widths); i++)
		if ((capabilities & widths[i].capability) &&
		    !pci_enable_atomic_ops_to_root(physfn, widths[i].capability))
			cap.flags |= widths[i].flag;
	return cap.flags ? chain_add(chain, &cap, sizeof(cap)) : 0;
}

long cxl_ioctl_get_info(struct cxl_vfio_device *cdev, void __user *arg)
{
	u32 minimum = offsetofend(struct vfio_device_info, num_irqs);
	struct chain_cxl cxl = {
		.layout = cdev->layout,
		.bar = cdev->block.bar,
		.block_offset = cdev->block.offset,
		.memory_region = cdev->memory_region,
		.comp_region = cdev->comp_region,
		.committed = true, /* or the device would not have been bound */
		.cache_capable = cdev->cache_capable,
	};
	struct vfio_device_info info = {};
	struct chain chain = {};
	struct chain_reply reply;
	int ret;

	if (copy_from_user(&info, arg, minimum))
		return -EFAULT;
	if (info.argsz < minimum)
		return -EINVAL;

	ret = chain_add_cxl(&chain, &cxl);
	if (!ret)
		ret = cxl_info_add_atomics(cdev->core.pdev, &chain);
	if (!ret)
		ret = chain_reply(&chain, info.argsz, minimum, sizeof(info), &reply);
	if (ret)
		return ret;

	chain_shift(&chain, sizeof(info));
	if (reply.cap_offset && copy_to_user(arg + reply.cap_offset, chain.bytes, chain.length))
		return -EFAULT;
	info.argsz = reply.argsz;
	info.cap_offset = reply.cap_offset;
	info.flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_CXL | VFIO_DEVICE_FLAGS_CAPS;
	if (cdev->core.reset_works)
		info.flags |= VFIO_DEVICE_FLAGS_RESET;
	info.num_regions = VFIO_PCI_NUM_REGIONS + cdev->core.num_regions;
	info.num_irqs = VFIO_PCI_NUM_IRQS;
	return copy_to_user(arg, &info, reply.info_length) ? -EFAULT : 0;
}

#ifdef CXL_VFIO_HAVE_REGION_INFO_CAPS

int cxl_get_region_info_caps(struct vfio_device *vdev, struct vfio_region_info *info,
			     struct vfio_info_cap *caps)
{
	struct cxl_vfio_device *cdev = cxl_from_vdev(vdev);

	if (cdev->cxl && info->index == cdev->block.bar)
		return cxl_bar_region_info(cdev, info, caps);
	return vfio_pci_ioctl_get_region_info(vdev, info, caps);
}

long cxl_ioctl_get_region_info(struct cxl_vfio_device *cdev, unsigned long arg)
{
	/* The vfio core asks cxl_get_region_info_caps() and does the rest itself. */
	return -ENOTTY;
}

#else

long cxl_ioctl_get_region_info(struct cxl_vfio_device *cdev, unsigned long arg)
{
	size_t minimum = offsetofend(struct vfio_region_info, offset);
	void __user *uarg = (void __user *)arg;
	struct vfio_region_info info = {};
	struct vfio_info_cap caps = {};
	int ret;

	if (copy_from_user(&info, uarg, minimum))
		return -EFAULT;
	if (info.argsz < minimum)
		return -EINVAL;
	if (info.index != cdev->block.bar)
		return vfio_pci_core_ioctl(&cdev->core.vdev, VFIO_DEVICE_GET_REGION_INFO, arg);

	ret = cxl_bar_region_info(cdev, &info, &caps);
	if (ret)
		goto free;
	info.cap_offset = 0;
	if (caps.size) {
		info.flags |= VFIO_REGION_INFO_FLAG_CAPS;
		if (info.argsz < sizeof(info) + caps.size) {
			info.argsz = sizeof(info) + caps.size;
		} else {
			vfio_info_cap_shift(&caps, sizeof(info));
			if (copy_to_user(uarg + sizeof(info), caps.buf, caps.size)) {
				ret = -EFAULT;
				goto free;
			}
			info.cap_offset = sizeof(info);
		}
	}
	if (copy_to_user(uarg, &info, minimum))
		ret = -EFAULT;
free:
	kfree(caps.buf);
	return ret;
}

#endif
