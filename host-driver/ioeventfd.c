// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO_DEVICE_IOEVENTFD.
 *
 * vfio-pci-core reads the request from user memory a second time, so a check
 * in front of it could be deceived into letting an eventfd write to the
 * component block. The request is therefore carried out here, from one copy.
 */
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "cxl_vfio.h"

#define IOEVENTFD_MAX 1000 /* as in vfio-pci-core */

struct cxl_ioeventfd {
	struct list_head next;
	struct vfio_pci_core_device *core;
	struct virqfd *virqfd;
	void __iomem *address;
	u64 data;
	u64 position;
	u32 bar;
	u32 count;
};

static void cxl_ioeventfd_write(void *opaque, void *unused)
{
	struct cxl_ioeventfd *entry = opaque;

	switch (entry->count) {
	case 1:
		vfio_pci_core_iowrite8(entry->core, true, entry->data, entry->address);
		break;
	case 2:
		vfio_pci_core_iowrite16(entry->core, true, entry->data, entry->address);
		break;
	case 4:
		vfio_pci_core_iowrite32(entry->core, true, entry->data, entry->address);
		break;
#ifdef iowrite64
	case 8:
		vfio_pci_core_iowrite64(entry->core, true, entry->data, entry->address);
		break;
#endif
	}
}

/*
 * In atomic context; the write may sleep on memory_lock, so it is always the thread that does it.
 */
static int cxl_ioeventfd_signalled(void *opaque, void *unused)
{
	return 1;
}

static void cxl_ioeventfd_remove(struct cxl_vfio_device *cdev, struct cxl_ioeventfd *entry)
{
	vfio_virqfd_disable(&entry->virqfd);
	list_del(&entry->next);
	cdev->ioeventfd_count--;
	kfree(entry);
}

/* 0, or -EINVAL: not a place where an eventfd may write. */
static int cxl_ioeventfd_check(struct cxl_vfio_device *cdev, u32 bar, u64 position, u32 count)
{
	struct vfio_pci_core_device *core = &cdev->core;

	if (bar > VFIO_PCI_BAR5_REGION_INDEX ||
	    position + count > pci_resource_len(core->pdev, bar) ||
	    !(pci_resource_flags(core->pdev, bar) & IORESOURCE_MEM))
		return -EINVAL;
	if (cxl_bar_blocked(cdev, bar, position, count))
		return -EINVAL;
	/* The MSI-X table is the host's. */
	if (bar == core->msix_bar && position + count > core->msix_offset &&
	    position < core->msix_offset + core->msix_size)
		return -EINVAL;
	return 0;
}

static int cxl_ioeventfd_add(struct cxl_vfio_device *cdev, const struct cxl_ioeventfd *request,
			     int fd)
{
	struct vfio_pci_core_device *core = &cdev->core;
	struct cxl_ioeventfd *entry;
	int ret;

	if (cdev->ioeventfd_count >= IOEVENTFD_MAX)
		return -ENOSPC;
	if (IS_ERR_OR_NULL(core->barmap[request->bar]))
		return -ENODEV;
	entry = kmemdup(request, sizeof(*request), GFP_KERNEL_ACCOUNT);
	if (!entry)
		return -ENOMEM;
	entry->core = core;
	entry->address = core->barmap[request->bar] + request->position;
	ret = vfio_virqfd_enable(entry, cxl_ioeventfd_signalled, cxl_ioeventfd_write, NULL,
				 &entry->virqfd, fd);
	if (ret) {
		kfree(entry);
		return ret;
	}
	list_add(&entry->next, &cdev->ioeventfds);
	cdev->ioeventfd_count++;
	return 0;
}

int cxl_ioeventfd(struct cxl_vfio_device *cdev, void __user *arg)
{
	size_t minimum = offsetofend(struct vfio_device_ioeventfd, fd);
	struct vfio_device_ioeventfd info;
	struct cxl_ioeventfd request = {}, *entry;
	int ret;

	if (copy_from_user(&info, arg, minimum))
		return -EFAULT;
	request.count = info.flags & VFIO_DEVICE_IOEVENTFD_SIZE_MASK;
	request.bar = VFIO_PCI_OFFSET_TO_INDEX((u64)info.offset);
	request.position = info.offset & VFIO_PCI_OFFSET_MASK;
	request.data = info.data;
	if (info.argsz < minimum || info.flags & ~VFIO_DEVICE_IOEVENTFD_SIZE_MASK ||
	    hweight8(request.count) != 1 || info.fd < -1)
		return -EINVAL;
#ifndef iowrite64
	if (request.count == 8)
		return -EINVAL;
#endif
	ret = cxl_ioeventfd_check(cdev, request.bar, request.position, request.count);
	if (ret)
		return ret;

	mutex_lock(&cdev->ioeventfd_lock);
	list_for_each_entry(entry, &cdev->ioeventfds, next) {
		if (entry->position != request.position || entry->bar != request.bar ||
		    entry->data != request.data || entry->count != request.count)
			continue;
		ret = -EEXIST;
		if (info.fd == -1) {
			cxl_ioeventfd_remove(cdev, entry);
			ret = 0;
		}
		goto unlock;
	}
	ret = info.fd == -1 ? -ENODEV : cxl_ioeventfd_add(cdev, &request, info.fd);
unlock:
	mutex_unlock(&cdev->ioeventfd_lock);
	return ret;
}

void cxl_ioeventfd_release(struct cxl_vfio_device *cdev)
{
	struct cxl_ioeventfd *entry, *next;

	mutex_lock(&cdev->ioeventfd_lock);
	list_for_each_entry_safe(entry, next, &cdev->ioeventfds, next)
		cxl_ioeventfd_remove(cdev, entry);
	mutex_unlock(&cdev->ioeventfd_lock);
}
