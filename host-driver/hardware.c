// SPDX-License-Identifier: GPL-2.0-only
/* Accesses to the device's own registers. */
#include <linux/delay.h>
#include <linux/io.h>

#include "cxl_vfio.h"

#define CACHE_WRITEBACK_MS 100

static u32 cxl_hardware_read(void *context, u32 offset)
{
	struct cxl_vfio_device *cdev = context;

	return ioread32(cdev->area + offset);
}

struct component_reader cxl_hardware_reader(struct cxl_vfio_device *cdev)
{
	return (struct component_reader){.read = cxl_hardware_read, .context = cdev};
}

int cxl_hardware_wait_active(struct cxl_vfio_device *cdev, u32 timeout_ms)
{
	struct pci_dev *pdev = cdev->core.pdev;
	unsigned long start = jiffies;
	u32 limit = timeout_ms;
	u32 low;

	for (;;) {
		pci_read_config_dword(pdev, cdev->dvsec + CXL_DEVICE_RANGE1_SIZE_LOW, &low);
		if (low == ~(u32)0)
			return -ENODEV;
		if ((low & CXL_DEVICE_RANGE_INFO_VALID) && (low & CXL_DEVICE_RANGE_ACTIVE))
			return 0;
		/*
		 * CXL 8.1.3.8.2: Memory_Info_Valid within 1 s, then Memory_Active within the time
		 * it names.
		 */
		if (!timeout_ms)
			limit = low & CXL_DEVICE_RANGE_INFO_VALID ? dvsec_active_timeout(low)
								  : 1000;
		if (time_after_eq(jiffies, start + msecs_to_jiffies(limit)))
			return -ETIMEDOUT;
		msleep(20);
	}
}

void cxl_hardware_read_dvsec(struct cxl_vfio_device *cdev, u8 *bytes)
{
	u32 at;

	/* 16 bits at a time: the body starts at an offset that is not a multiple of 4. */
	for (at = 0; at + 2 <= cdev->dvsec_length; at += 2) {
		u16 word;

		pci_read_config_word(cdev->core.pdev, cdev->dvsec + at, &word);
		bytes[at] = (u8)word;
		bytes[at + 1] = (u8)(word >> 8);
	}
}

int cxl_hardware_enable_memory(struct cxl_vfio_device *cdev)
{
	struct pci_dev *pdev = cdev->core.pdev;
	u16 control, lock;

	pci_read_config_word(pdev, cdev->dvsec + CXL_DEVICE_CONTROL, &control);
	if (control == (u16)~0)
		return -EIO;
	if (control & CXL_DEVICE_CONTROL_MEM)
		return 0;
	pci_read_config_word(pdev, cdev->dvsec + CXL_DEVICE_LOCK, &lock);
	if (lock & CXL_DEVICE_LOCK_CONFIG)
		return -EPERM;
	pci_write_config_word(pdev, cdev->dvsec + CXL_DEVICE_CONTROL,
			      control | CXL_DEVICE_CONTROL_MEM);
	pci_read_config_word(pdev, cdev->dvsec + CXL_DEVICE_CONTROL, &control);
	return control & CXL_DEVICE_CONTROL_MEM ? 0 : -EIO;
}

/* Control2 without its doorbells. False: nobody answers, and all-ones must not be written back. */
static bool cxl_hardware_control2(struct cxl_vfio_device *cdev, u16 *control2)
{
	pci_read_config_word(cdev->core.pdev, cdev->dvsec + CXL_DEVICE_CONTROL2, control2);
	if (*control2 == (u16)~0)
		return false;
	*control2 &= ~(CXL_DEVICE_CONTROL2_RESET | CXL_DEVICE_CONTROL2_CACHE_WBI);
	return true;
}

void cxl_hardware_set_caching(struct cxl_vfio_device *cdev, bool disabled)
{
	u16 control2;

	if (!cxl_hardware_control2(cdev, &control2))
		return;
	control2 &= ~CXL_DEVICE_CONTROL2_DISABLE_CACHING;
	if (disabled)
		control2 |= CXL_DEVICE_CONTROL2_DISABLE_CACHING;
	pci_write_config_word(cdev->core.pdev, cdev->dvsec + CXL_DEVICE_CONTROL2, control2);
}

void cxl_hardware_quiesce(struct cxl_vfio_device *cdev)
{
	struct pci_dev *pdev = cdev->core.pdev;
	bool written = true;
	u16 control2;

	pci_clear_master(pdev);
	if (!cdev->cache_writeback_capable)
		return;
	mutex_lock(&cdev->shadow_lock);
	/*
	 * A function level reset leaves the DVSEC as it is (CXL 9.5): what is set here has to be
	 * taken back by us.
	 */
	if (!cdev->caching_saved && cxl_hardware_control2(cdev, &control2)) {
		cdev->caching_disabled = control2 & CXL_DEVICE_CONTROL2_DISABLE_CACHING;
		cdev->caching_saved = true;
	}
	/* What the device holds dirty belongs to other memory of the host as well (CXL 9.7). */
	written = cxl_hardware_cache_writeback(cdev, true);
	mutex_unlock(&cdev->shadow_lock);
	if (!written)
		dev_warn_ratelimited(&pdev->dev,
				     "the device did not report its cache as written back\n");
}

void cxl_hardware_unquiesce(struct cxl_vfio_device *cdev)
{
	mutex_lock(&cdev->shadow_lock);
	if (cdev->caching_saved)
		cxl_hardware_set_caching(cdev, cdev->caching_disabled);
	cdev->caching_saved = false;
	mutex_unlock(&cdev->shadow_lock);
}

bool cxl_hardware_cache_writeback(struct cxl_vfio_device *cdev, bool disable_caching)
{
	struct pci_dev *pdev = cdev->core.pdev;
	unsigned long limit = jiffies + msecs_to_jiffies(CACHE_WRITEBACK_MS);
	u16 control2, status2;

	if (!cxl_hardware_control2(cdev, &control2))
		return false;
	control2 &= ~CXL_DEVICE_CONTROL2_DISABLE_CACHING;
	control2 |= CXL_DEVICE_CONTROL2_CACHE_WBI;
	if (disable_caching)
		control2 |= CXL_DEVICE_CONTROL2_DISABLE_CACHING;
	pci_write_config_word(pdev, cdev->dvsec + CXL_DEVICE_CONTROL2, control2);
	for (;;) {
		pci_read_config_word(pdev, cdev->dvsec + CXL_DEVICE_STATUS2, &status2);
		if (status2 == (u16)~0)
			return false;
		if (status2 & CXL_DEVICE_STATUS2_CACHE_INVALID)
			return true;
		if (time_after_eq(jiffies, limit))
			return false;
		usleep_range(100, 500);
	}
}

bool cxl_hardware_decodes(struct cxl_vfio_device *cdev)
{
	u16 command;

	pci_read_config_word(cdev->core.pdev, PCI_COMMAND, &command);
	return command != (u16)~0 && (command & PCI_COMMAND_MEMORY);
}

bool cxl_hardware_was_reset(struct cxl_vfio_device *cdev)
{
	struct pci_dev *pdev = cdev->core.pdev;
	struct pci_bus_region region;
	u32 low;

	pcibios_resource_to_bus(pdev->bus, &region, &pdev->resource[cdev->block.bar]);
	pci_read_config_dword(pdev, PCI_BASE_ADDRESS_0 + 4 * cdev->block.bar, &low);
	return (low & (u32)PCI_BASE_ADDRESS_MEM_MASK) != lower_32_bits(region.start);
}

bool cxl_hardware_serves(struct cxl_vfio_device *cdev)
{
	struct pci_dev *pdev = cdev->core.pdev;
	u16 power = 0;
	u32 low, control;

	if (!cxl_hardware_decodes(cdev))
		return false;
	if (pdev->pm_cap)
		pci_read_config_word(pdev, pdev->pm_cap + PCI_PM_CTRL, &power);
	if (power & PCI_PM_CTRL_STATE_MASK)
		return false;
	pci_read_config_dword(pdev, cdev->dvsec + CXL_DEVICE_RANGE1_SIZE_LOW, &low);
	if (low == ~(u32)0 || !(low & CXL_DEVICE_RANGE_INFO_VALID) ||
	    !(low & CXL_DEVICE_RANGE_ACTIVE))
		return false;
	control = ioread32(cdev->area + cdev->map.hdm_offset + CXL_HDM_DECODER_OFFSET +
			   CXL_DECODER_CONTROL);
	return control != ~(u32)0 && (control & CXL_DECODER_COMMITTED);
}
