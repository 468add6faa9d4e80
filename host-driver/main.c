// SPDX-License-Identifier: GPL-2.0-only
/*
 * cxl-vfio-pci: a vfio-pci variant driver for CXL Type-2 accelerators.
 *
 * On top of what vfio-pci does, user space gets the device memory that firmware
 * committed to the device as a mappable region, a shadow of its component
 * registers, and the description of both (VFIO_DEVICE_INFO_CAP_CXL).
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/vfio.h>
#include <linux/vfio_pci_core.h>

#include "compat.h"
#include "cxl_vfio.h"

static int cxl_register_regions(struct cxl_vfio_device *cdev)
{
	int ret;

	/* The order in which the generations register their regions. */
	if (cdev->layout == CXL_LAYOUT_V3)
		ret = cxl_registers_register(cdev) ?: cxl_memory_register(cdev);
	else
		ret = cxl_memory_register(cdev) ?: cxl_registers_register(cdev);
	return ret;
}

static void cxl_open_gate(struct cxl_vfio_device *cdev)
{
	down_write(&cdev->gate);
	cdev->opened = true;
	cdev->stale = true;
	/* A recovery that has failed ends here; one that goes on, or a dead link, does not. */
	cdev->error = cdev->core.pdev->error_state != pci_channel_io_normal;
	up_write(&cdev->gate);
	cxl_hardware_unquiesce(cdev);
	/* The core has reset the function: what was read at bind time is history. */
	cxl_gate_reopen(cdev, 1000);
}

static int cxl_open_device(struct vfio_device *vdev)
{
	struct cxl_vfio_device *cdev = cxl_from_vdev(vdev);
	int ret;

	if (cdev->cxl) {
		ret = cxl_scrub_open(cdev);
		if (ret)
			return ret;
	}
	ret = vfio_pci_core_enable(&cdev->core);
	if (ret)
		goto unused;
	if (!cdev->cxl)
		goto out;

	ret = cxl_memory_map(cdev);
	if (ret) {
		pci_err(cdev->core.pdev, "cannot map the memory range [%#llx, +%#llx] (%d)\n",
			cdev->range.base, cdev->range.size, ret);
		goto disable;
	}
	ret = cxl_bar_map(cdev);
	if (ret)
		goto unmap_memory;
	ret = cxl_register_regions(cdev);
	if (ret)
		goto unmap;
	cxl_open_gate(cdev);
out:
	vfio_pci_core_finish_enable(&cdev->core);
	return 0;

unmap:
	cxl_bar_unmap(cdev);
unmap_memory:
	cxl_memory_unmap(cdev);
disable:
	vfio_pci_core_disable(&cdev->core);
unused:
	if (cdev->cxl)
		cxl_scrub_close(cdev);
	return ret;
}

static void cxl_close_device(struct vfio_device *vdev)
{
	struct cxl_vfio_device *cdev = cxl_from_vdev(vdev);

	if (!cdev->cxl) {
		vfio_pci_core_close_device(vdev);
		return;
	}
	down_write(&cdev->gate);
	cdev->opened = false;
	cdev->active = false;
	up_write(&cdev->gate);
	cxl_ioeventfd_release(cdev);
	cxl_bar_unmap(cdev);
	/*
	 * The core's reset below does not pass through reset_prepare, and none happens when the
	 * device is being unbound: the engine must be quiet before.
	 */
	cxl_hardware_quiesce(cdev);
	vfio_pci_core_close_device(vdev);
	cxl_memory_unmap(cdev);
	/* After the reset in there: a running engine could write again what has been cleared. */
	cxl_scrub_close(cdev);
}

static long cxl_ioctl(struct vfio_device *vdev, unsigned int cmd, unsigned long arg)
{
	struct cxl_vfio_device *cdev = cxl_from_vdev(vdev);
	void __user *uarg = (void __user *)arg;

	if (cdev->cxl) {
		switch (cmd) {
		case VFIO_DEVICE_GET_INFO:
			return cxl_ioctl_get_info(cdev, uarg);
		case VFIO_DEVICE_GET_REGION_INFO:
			return cxl_ioctl_get_region_info(cdev, arg);
		case VFIO_DEVICE_IOEVENTFD:
			return cxl_ioeventfd(cdev, uarg);
		}
	}
	return vfio_pci_core_ioctl(vdev, cmd, arg);
}

static int cxl_device_feature(struct vfio_device *vdev, u32 flags, void __user *arg, size_t argsz)
{
	struct cxl_vfio_device *cdev = cxl_from_vdev(vdev);

	/* A device with CXL memory stays in D0: any other state loses the memory. */
	if (cdev->cxl) {
		switch (flags & VFIO_DEVICE_FEATURE_MASK) {
		case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY:
		case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP:
		case VFIO_DEVICE_FEATURE_LOW_POWER_EXIT:
			return -ENOTTY;
		}
	}
	return vfio_pci_core_ioctl_feature(vdev, flags, arg, argsz);
}

/* Reads and writes of the block through the BAR would bypass the shadow. */
static bool cxl_rw_blocked(struct cxl_vfio_device *cdev, size_t count, loff_t pos)
{
	return cdev->cxl && cxl_bar_blocked(cdev, VFIO_PCI_OFFSET_TO_INDEX(pos),
					    pos & VFIO_PCI_OFFSET_MASK, count);
}

static ssize_t cxl_read(struct vfio_device *vdev, char __user *buf, size_t count, loff_t *ppos)
{
	struct cxl_vfio_device *cdev = cxl_from_vdev(vdev);

	if (cxl_rw_blocked(cdev, count, *ppos))
		return -EINVAL;
	if (cdev->cxl && VFIO_PCI_OFFSET_TO_INDEX(*ppos) == VFIO_PCI_CONFIG_REGION_INDEX)
		return cxl_config_read(cdev, buf, count, ppos);
	return vfio_pci_core_read(vdev, buf, count, ppos);
}

static ssize_t cxl_write(struct vfio_device *vdev, const char __user *buf, size_t count,
			 loff_t *ppos)
{
	struct cxl_vfio_device *cdev = cxl_from_vdev(vdev);

	if (cxl_rw_blocked(cdev, count, *ppos))
		return -EINVAL;
	if (cdev->cxl && VFIO_PCI_OFFSET_TO_INDEX(*ppos) == VFIO_PCI_CONFIG_REGION_INDEX)
		return cxl_config_write(cdev, buf, count, ppos);
	return vfio_pci_core_write(vdev, buf, count, ppos);
}

static int cxl_mmap(struct vfio_device *vdev, struct vm_area_struct *vma)
{
	struct cxl_vfio_device *cdev = cxl_from_vdev(vdev);
	int ret = cdev->cxl ? cxl_bar_mmap_check(cdev, vma) : 0;

	return ret ?: vfio_pci_core_mmap(vdev, vma);
}

static int cxl_init_dev(struct vfio_device *vdev)
{
	struct cxl_vfio_device *cdev = cxl_from_vdev(vdev);

	init_rwsem(&cdev->config_lock);
	init_rwsem(&cdev->gate);
	mutex_init(&cdev->shadow_lock);
	mutex_init(&cdev->ioeventfd_lock);
	INIT_LIST_HEAD(&cdev->ioeventfds);
	return vfio_pci_core_init_dev(vdev);
}

static void cxl_release_dev(struct vfio_device *vdev)
{
	struct cxl_vfio_device *cdev = cxl_from_vdev(vdev);

	mutex_destroy(&cdev->ioeventfd_lock);
	mutex_destroy(&cdev->shadow_lock);
	vfio_pci_core_release_dev(vdev);
}

static const struct vfio_device_ops cxl_vfio_ops = {
	.name = CXL_VFIO_NAME,
	.init = cxl_init_dev,
	.release = cxl_release_dev,
	.open_device = cxl_open_device,
	.close_device = cxl_close_device,
	.ioctl = cxl_ioctl,
#ifdef CXL_VFIO_HAVE_REGION_INFO_CAPS
	.get_region_info_caps = cxl_get_region_info_caps,
#endif
	.device_feature = cxl_device_feature,
	.read = cxl_read,
	.write = cxl_write,
	.mmap = cxl_mmap,
	.request = vfio_pci_core_request,
	.match = vfio_pci_core_match,
#ifdef CXL_VFIO_HAVE_MATCH_TOKEN_UUID
	.match_token_uuid = vfio_pci_core_match_token_uuid,
#endif
	.bind_iommufd = vfio_iommufd_physical_bind,
	.unbind_iommufd = vfio_iommufd_physical_unbind,
	.attach_ioas = vfio_iommufd_physical_attach_ioas,
	.detach_ioas = vfio_iommufd_physical_detach_ioas,
};

static int cxl_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct cxl_vfio_device *cdev;
	int ret;

	cdev = vfio_alloc_device(cxl_vfio_device, core.vdev, &pdev->dev, &cxl_vfio_ops);
	if (IS_ERR(cdev))
		return PTR_ERR(cdev);
	dev_set_drvdata(&pdev->dev, &cdev->core);

	ret = cxl_detect(cdev);
	if (ret && ret != -ENODEV)
		goto put;
	cxl_bar_set_dmabuf_ops(cdev);
	if (cdev->cxl)
		compat_disable_idle_d3(&cdev->core);
	/* Before anybody can open it. */
	if (cdev->cxl)
		cxl_scrub_init(cdev);
	ret = vfio_pci_core_register_device(&cdev->core);
	if (ret)
		goto stop;
	return 0;

stop:
	if (cdev->cxl) {
		cxl_scrub_stop(cdev);
		compat_allow_idle_d3(&cdev->core);
	}
	cxl_forget(cdev);
put:
	vfio_put_device(&cdev->core.vdev);
	return ret;
}

static void cxl_remove(struct pci_dev *pdev)
{
	struct cxl_vfio_device *cdev = cxl_from_core(dev_get_drvdata(&pdev->dev));

	vfio_pci_core_unregister_device(&cdev->core);
	if (cdev->cxl) {
		cxl_scrub_stop(cdev);
		cxl_hardware_unquiesce(cdev);
		compat_allow_idle_d3(&cdev->core);
	}
	cxl_forget(cdev);
	vfio_put_device(&cdev->core.vdev);
}

/* Only devices with driver_override set to this driver: CXL accelerators share no PCI id. */
static const struct pci_device_id cxl_vfio_ids[] = {
	{PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_ANY_ID, PCI_ANY_ID)}, {}};
MODULE_DEVICE_TABLE(pci, cxl_vfio_ids);

static struct pci_driver cxl_vfio_driver = {
	.name = CXL_VFIO_NAME,
	.id_table = cxl_vfio_ids,
	.probe = cxl_probe,
	.remove = cxl_remove,
	.err_handler = &cxl_error_handlers,
	.dev_groups = cxl_vfio_groups,
	.driver_managed_dma = true,
};
module_pci_driver(cxl_vfio_driver);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The cxvm authors");
MODULE_DESCRIPTION("VFIO PCI driver for CXL Type-2 devices");
MODULE_VERSION("0.1.0");
