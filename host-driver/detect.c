// SPDX-License-Identifier: GPL-2.0-only
/* What is bound: an ordinary PCI device, a CXL device we can assign, or one we must refuse. */
#include <linux/io.h>
#include <linux/moduleparam.h>
#include <linux/pci_ids.h>

#include "cxl_vfio.h"

#define CLASS_CXL_MEMORY 0x050210

static unsigned int layout = CXL_LAYOUT_V2;
module_param(layout, uint, 0444);
MODULE_PARM_DESC(layout,
		 "Layout of the VFIO CXL capability and of the COMP_REGS region: 2 (default) or 3");

static bool disable_cxl;
module_param(disable_cxl, bool, 0444);
MODULE_PARM_DESC(disable_cxl, "Treat every device as an ordinary PCI device");

static char *disable_cxl_devices = "";
module_param(disable_cxl_devices, charp, 0444);
MODULE_PARM_DESC(disable_cxl_devices,
		 "Treat these devices (0000:01:00.0,...) as ordinary PCI devices");

static bool allow_memory_class;
module_param(allow_memory_class, bool, 0444);
MODULE_PARM_DESC(allow_memory_class,
		 "Assign CXL memory too to devices of class 0x050210 (memory expanders)");

static bool cxl_device_listed(const char *list, const char *name)
{
	size_t length = strlen(name);

	while (*list) {
		size_t item = strcspn(list, ",");

		if (item == length && !strncmp(list, name, length))
			return true;
		list += item;
		list += *list == ',';
	}
	return false;
}

static bool cxl_is_wanted(struct cxl_vfio_device *cdev)
{
	struct pci_dev *pdev = cdev->core.pdev;
	u16 capability;

	if (disable_cxl || cxl_device_listed(disable_cxl_devices, pci_name(pdev)))
		return false;
	cdev->dvsec = pci_find_dvsec_capability(pdev, CXL_DVSEC_VENDOR, CXL_DVSEC_ID_DEVICE);
	if (!cdev->dvsec)
		return false;
	pci_read_config_word(pdev, cdev->dvsec + CXL_DEVICE_CAPABILITY, &capability);
	if (!(capability & CXL_DEVICE_CAPABILITY_MEM))
		return false;
	if (pdev->class == CLASS_CXL_MEMORY && !allow_memory_class)
		return false;
	cdev->cache_capable = capability & CXL_DEVICE_CAPABILITY_CACHE;
	cdev->cache_writeback_capable =
		cdev->cache_capable && (capability & CXL_DEVICE_CAPABILITY_CACHE_WBI);
	return true;
}

static int cxl_detect_dvsec(struct cxl_vfio_device *cdev)
{
	struct pci_dev *pdev = cdev->core.pdev;
	u8 snapshot[CXL_DEVICE_DVSEC_MAX_LENGTH];
	u32 header, count;

	pci_read_config_dword(pdev, cdev->dvsec + CXL_DVSEC_HEADER1, &header);
	cdev->dvsec_length =
		min_t(u32, header >> CXL_DVSEC_LENGTH_SHIFT, CXL_DEVICE_DVSEC_MAX_LENGTH);
	if (cdev->dvsec_length < CXL_DEVICE_DVSEC_MIN_LENGTH) {
		pci_err(pdev, "CXL device DVSEC of %u bytes is too short, need %u\n",
			cdev->dvsec_length, CXL_DEVICE_DVSEC_MIN_LENGTH);
		return -EINVAL;
	}
	cxl_hardware_read_dvsec(cdev, snapshot);
	if (dvsec_body_adopt(&cdev->body, cdev->layout, snapshot, cdev->dvsec_length))
		return -EINVAL;
	count = (dvsec_body_word(&cdev->body, CXL_DEVICE_CAPABILITY) &
		 CXL_DEVICE_CAPABILITY_HDM_COUNT_MASK) >>
		CXL_DEVICE_CAPABILITY_HDM_COUNT_SHIFT;
	if (cdev->layout == CXL_LAYOUT_V3 && count != 1) {
		pci_err(pdev, "HDM_Count is %u, layout 3 supports exactly 1 (load with layout=2)\n",
			count);
		return -EOPNOTSUPP;
	}
	return 0;
}

struct cxl_dvsec_context {
	struct pci_dev *pdev;
	u16 at;
};

static u32 cxl_dvsec_read(void *context, u32 offset)
{
	struct cxl_dvsec_context *dvsec = context;
	u32 value;

	pci_read_config_dword(dvsec->pdev, dvsec->at + offset, &value);
	return value;
}

static int cxl_detect_block(struct cxl_vfio_device *cdev)
{
	struct pci_dev *pdev = cdev->core.pdev;
	struct cxl_dvsec_context dvsec = {.pdev = pdev};
	struct locator_reader reader = {.read = cxl_dvsec_read, .context = &dvsec};
	resource_size_t length;
	int ret;

	dvsec.at = pci_find_dvsec_capability(pdev, CXL_DVSEC_VENDOR, CXL_DVSEC_ID_LOCATOR);
	ret = dvsec.at ? locator_find_component(&reader, &cdev->block) : -ENXIO;
	if (ret) {
		pci_err(pdev, "no usable component block in the register locator DVSEC (%d)\n",
			ret);
		return ret;
	}
	length = pci_resource_len(pdev, cdev->block.bar);
	if (!(pci_resource_flags(pdev, cdev->block.bar) & IORESOURCE_MEM) ||
	    locator_check_fit(&cdev->block, length)) {
		pci_err(pdev, "component block at %#llx does not fit in BAR%u of %pa bytes\n",
			cdev->block.offset, cdev->block.bar, &length);
		return -EINVAL;
	}
	cdev->area = ioremap(pci_resource_start(pdev, cdev->block.bar) + cdev->block.offset +
				     CXL_CM_OFFSET,
			     CXL_CM_SIZE);
	if (!cdev->area) {
		pci_err(pdev, "cannot map the component registers\n");
		return -ENOMEM;
	}
	return 0;
}

static int cxl_detect_decoder(struct cxl_vfio_device *cdev)
{
	struct component_reader reader = cxl_hardware_reader(cdev);
	struct component_range *range = &cdev->range;
	struct pci_dev *pdev = cdev->core.pdev;
	u32 other = 0;
	int ret, accepted;

	ret = component_walk(&reader, &cdev->map);
	if (ret) {
		pci_err(pdev, "no valid HDM decoder capability in BAR%u+%#llx (%d)\n",
			cdev->block.bar, cdev->block.offset, ret);
		return ret;
	}
	cdev->shadow.layout = cdev->layout;
	cdev->shadow.cache_capable = cdev->cache_capable;
	cdev->shadow.map = cdev->map;
	component_snapshot(&reader, &cdev->map, cdev->shadow.words);
	component_range_read(cdev->shadow.words, &cdev->map, 0, range);
	accepted = component_acceptance(cdev->shadow.words, &cdev->map, &other);
	decoder_shadow_adopt(&cdev->shadow);

	ret = component_range_check(range);
	if (ret == -ENXIO)
		pci_err(pdev, "firmware committed no memory in HDM decoder 0\n");
	else if (ret == -EOPNOTSUPP)
		pci_err(pdev, "HDM decoder 0 is interleaved with other devices\n");
	else if (ret == -EFBIG)
		pci_err(pdev, "HDM decoder 0 decodes %#llx bytes, a VFIO region holds %#llx\n",
			range->size, CXL_REGION_LIMIT);
	else if (ret)
		pci_err(pdev, "HDM decoder 0 decodes an impossible range, base %#llx size %#llx\n",
			range->base, range->size);
	else if (accepted == -EIO)
		pci_err(pdev, "HDM Decoder Enable is clear: its memory does not decode\n");
	else if (accepted)
		pci_err(pdev, "HDM decoder %u is committed too, only decoder 0 can be assigned\n",
			other);
	return ret ?: accepted;
}

static int cxl_detect_memory(struct cxl_vfio_device *cdev)
{
	struct pci_dev *pdev = cdev->core.pdev;
	int ret;

	ret = cxl_hardware_enable_memory(cdev);
	if (ret) {
		pci_err(pdev, "Mem_Enable is clear and cannot be set (%d)\n", ret);
		return ret;
	}
	ret = cxl_hardware_wait_active(cdev, 0);
	if (ret) {
		pci_err(pdev, "the device's memory did not become active (%d)\n", ret);
		return ret;
	}
	ret = cxl_detect_decoder(cdev);
	if (ret)
		return ret;
	ret = cxl_memory_claim(cdev);
	if (ret)
		pci_err(pdev,
			"the memory range [%#llx, +%#llx] is system RAM or in use by another driver\n",
			cdev->range.base, cdev->range.size);
	return ret;
}

int cxl_detect(struct cxl_vfio_device *cdev)
{
	struct pci_dev *pdev = cdev->core.pdev;
	int ret;

	if (layout != CXL_LAYOUT_V2 && layout != CXL_LAYOUT_V3) {
		pci_err(pdev, "module parameter layout=%u is neither 2 nor 3\n", layout);
		return -EINVAL;
	}
	cdev->layout = layout;
	if (!cxl_is_wanted(cdev))
		return -ENODEV;

	ret = pci_enable_device_mem(pdev);
	if (ret) {
		pci_err(pdev, "cannot enable memory decoding (%d)\n", ret);
		return ret;
	}
	ret = cxl_detect_dvsec(cdev);
	if (!ret)
		ret = cxl_detect_block(cdev);
	if (!ret)
		ret = cxl_detect_memory(cdev);
	if (!ret)
		ret = cxl_config_plan(cdev);
	if (!ret) {
		pci_save_state(pdev);
		cdev->state = pci_store_saved_state(pdev);
		if (!cdev->state)
			ret = -ENOMEM;
	}
	pci_disable_device(pdev);
	if (ret) {
		cxl_forget(cdev);
		/* -ENODEV would let the caller take it for an ordinary PCI device. */
		return ret == -ENODEV ? -ENXIO : ret;
	}
	cdev->cxl = true;
	pci_info(pdev,
		 "CXL memory [%#llx, +%#llx], component registers in BAR%u+%#llx, layout %u\n",
		 cdev->range.base, cdev->range.size, cdev->block.bar, cdev->block.offset,
		 cdev->layout);
	return 0;
}

void cxl_forget(struct cxl_vfio_device *cdev)
{
	if (cdev->area)
		iounmap(cdev->area);
	cdev->area = NULL;
	kfree(cdev->state);
	cdev->state = NULL;
	cxl_memory_release(cdev);
}
