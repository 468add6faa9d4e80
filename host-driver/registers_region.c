// SPDX-License-Identifier: GPL-2.0-only
/* The component register shadow as a VFIO region (COMP_REGS): 32-bit accesses, never mapped. */
#include <linux/uaccess.h>

#include "cxl_vfio.h"
#include "uapi.h"

static ssize_t cxl_registers_rw(struct vfio_pci_core_device *core, char __user *buf, size_t count,
				loff_t *ppos, bool iswrite)
{
	struct cxl_vfio_device *cdev = cxl_from_core(core);
	u64 position = *ppos & VFIO_PCI_OFFSET_MASK;
	u64 length, done;
	int ret;

	ret = access_registers(cdev->layout, decoder_region_size(&cdev->shadow), position, count,
			       &length);
	if (ret)
		return ret;
	cxl_gate_refresh(cdev);
	for (done = 0; done < length; done += 4) {
		__le32 value;

		if (iswrite && copy_from_user(&value, buf + done, sizeof(value)))
			break;
		mutex_lock(&cdev->shadow_lock);
		if (iswrite)
			decoder_region_write(&cdev->shadow, position + done, le32_to_cpu(value));
		else
			value = cpu_to_le32(decoder_region_read(&cdev->shadow, position + done));
		mutex_unlock(&cdev->shadow_lock);
		if (!iswrite && copy_to_user(buf + done, &value, sizeof(value)))
			break;
	}
	if (length && !done)
		return -EFAULT;
	*ppos += done;
	return done;
}

/* vfio-pci-core calls it unconditionally; the shadow belongs to the device. */
static void cxl_registers_release(struct vfio_pci_core_device *core, struct vfio_pci_region *region)
{
}

static const struct vfio_pci_regops cxl_registers_ops = {
	.rw = cxl_registers_rw,
	.release = cxl_registers_release,
};

int cxl_registers_register(struct cxl_vfio_device *cdev)
{
	int ret;

	ret = vfio_pci_core_register_dev_region(&cdev->core, CXL_VFIO_REGION_TYPE,
						CXL_VFIO_REGION_SUBTYPE_COMP_REGS,
						&cxl_registers_ops,
						decoder_region_size(&cdev->shadow),
						VFIO_REGION_INFO_FLAG_READ |
							VFIO_REGION_INFO_FLAG_WRITE,
						cdev);
	if (!ret)
		cdev->comp_region = VFIO_PCI_NUM_REGIONS + cdev->core.num_regions - 1;
	return ret;
}
