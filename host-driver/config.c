// SPDX-License-Identifier: GPL-2.0-only
/*
 * Config space: the CXL DVSECs are virtual, power states are refused, and a
 * write of the Command register excludes page faults.
 */
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/uaccess.h>

#include "cxl_vfio.h"

/* A write of the Command register is repeated when its buffer was paged out meanwhile. */
#define COMMAND_ATTEMPTS 16

static int cxl_config_protect(struct cxl_vfio_device *cdev, u32 start, u32 end,
			      enum access_kind kind)
{
	int ret = access_window_insert(cdev->windows, &cdev->window_count, CXL_CONFIG_WINDOWS,
				       start, end, kind);

	if (ret)
		pci_err(cdev->core.pdev, "capabilities overlap in config space at %#x\n", start);
	return ret;
}

/*
 * The bodies of the other CXL DVSECs steer the link and power failure handling: the host's
 * business.
 */
static int cxl_config_protect_dvsecs(struct cxl_vfio_device *cdev)
{
	struct pci_dev *pdev = cdev->core.pdev;
	u16 at = 0;

	while ((at = pci_find_next_ext_capability(pdev, at, PCI_EXT_CAP_ID_DVSEC))) {
		u32 header, length;
		int ret;

		pci_read_config_dword(pdev, at + CXL_DVSEC_HEADER1, &header);
		length = header >> CXL_DVSEC_LENGTH_SHIFT;
		if ((header & 0xffff) != CXL_DVSEC_VENDOR || length <= CXL_DVSEC_BODY ||
		    at == cdev->dvsec)
			continue;
		ret = cxl_config_protect(cdev, at + CXL_DVSEC_BODY, at + length, ACCESS_READ_ONLY);
		if (ret)
			return ret;
	}
	return 0;
}

int cxl_config_plan(struct cxl_vfio_device *cdev)
{
	struct pci_dev *pdev = cdev->core.pdev;
	int ret;

	cdev->window_count = 0;
	ret = cxl_config_protect(cdev, PCI_COMMAND, PCI_COMMAND + 1, ACCESS_COMMAND);
	/* The byte with the power state: leaving D0 would lose CXL.mem. */
	if (!ret && pdev->pm_cap)
		ret = cxl_config_protect(cdev, pdev->pm_cap + PCI_PM_CTRL,
					 pdev->pm_cap + PCI_PM_CTRL + 1, ACCESS_READ_ONLY);
	if (!ret)
		ret = cxl_config_protect(cdev, cdev->dvsec + CXL_DVSEC_BODY,
					 cdev->dvsec + cdev->dvsec_length, ACCESS_DEVICE_DVSEC);
	return ret ?: cxl_config_protect_dvsecs(cdev);
}

static int cxl_config_read_body(struct cxl_vfio_device *cdev, char __user *buf, u32 position,
				u32 count)
{
	u8 bytes[CXL_DEVICE_DVSEC_MAX_LENGTH];

	cxl_gate_refresh(cdev);
	mutex_lock(&cdev->shadow_lock);
	dvsec_body_read(&cdev->body, position - cdev->dvsec, bytes, count);
	mutex_unlock(&cdev->shadow_lock);
	return copy_to_user(buf, bytes, count) ? -EFAULT : 0;
}

static int cxl_config_write_body(struct cxl_vfio_device *cdev, const char __user *buf, u32 position,
				 u32 count)
{
	u8 bytes[CXL_DEVICE_DVSEC_MAX_LENGTH];
	struct dvsec_effects effects;

	if (copy_from_user(bytes, buf, count))
		return -EFAULT;
	cxl_gate_refresh(cdev);
	mutex_lock(&cdev->shadow_lock);
	dvsec_body_write(&cdev->body, position - cdev->dvsec, bytes, count, &effects);
	/* Under shadow_lock, so that two doorbells do not mix; it takes at most 100 ms. */
	if (effects.caching && !effects.cache_writeback && cdev->cache_capable)
		cxl_hardware_set_caching(cdev, effects.disable_caching);
	if (effects.cache_writeback)
		dvsec_body_cache_written(&cdev->body,
					 cxl_hardware_cache_writeback(cdev,
								      effects.disable_caching));
	mutex_unlock(&cdev->shadow_lock);
	return 0;
}

/*
 * While memory decoding changes, no mapping of the device memory may exist: it is removed first,
 * and faults wait. The core reads the value from user memory itself, so the value that we could
 * read proves nothing and every write is treated alike. Its read must not fault while faults wait
 * for us; hence the retry.
 */
static ssize_t cxl_config_write_command(struct cxl_vfio_device *cdev, const char __user *buf,
					size_t count, loff_t *ppos)
{
	loff_t start = *ppos;
	int attempt;
	ssize_t ret;

	for (attempt = 0; attempt < COMMAND_ATTEMPTS; attempt++) {
		if (fault_in_readable(buf, count))
			return -EFAULT;
		*ppos = start;
		down_write(&cdev->config_lock);
		cxl_gate_zap(cdev);
		pagefault_disable();
		ret = vfio_pci_core_write(&cdev->core.vdev, buf, count, ppos);
		pagefault_enable();
		up_write(&cdev->config_lock);
		if (ret != -EFAULT)
			return ret;
	}
	return -EFAULT;
}

static ssize_t cxl_config_span(struct cxl_vfio_device *cdev, char __user *buf, size_t count,
			       loff_t *ppos, bool iswrite)
{
	u64 position = *ppos & VFIO_PCI_OFFSET_MASK;
	enum access_kind kind;
	u64 length;
	int ret;

	kind = access_config_span(cdev->windows, cdev->window_count, position, count, &length);
	if (kind == ACCESS_DEVICE_DVSEC) {
		if (iswrite)
			ret = cxl_config_write_body(cdev, buf, position, length);
		else
			ret = cxl_config_read_body(cdev, buf, position, length);
		if (ret)
			return ret;
		*ppos += length;
		return length;
	}
	if (!iswrite)
		return vfio_pci_core_read(&cdev->core.vdev, buf, length, ppos);
	if (kind == ACCESS_READ_ONLY) {
		*ppos += length;
		return length;
	}
	if (kind == ACCESS_COMMAND)
		return cxl_config_write_command(cdev, buf, length, ppos);
	return vfio_pci_core_write(&cdev->core.vdev, buf, length, ppos);
}

static ssize_t cxl_config_rw(struct cxl_vfio_device *cdev, char __user *buf, size_t count,
			     loff_t *ppos, bool iswrite)
{
	u64 position = *ppos & VFIO_PCI_OFFSET_MASK;
	size_t done = 0;

	/* -EFAULT is what vfio-pci-core answers beyond the end of config space. */
	if (position >= cdev->core.pdev->cfg_size || count > cdev->core.pdev->cfg_size - position)
		return -EFAULT;
	while (done < count) {
		ssize_t ret = cxl_config_span(cdev, buf + done, count - done, ppos, iswrite);

		if (ret <= 0)
			return done ? done : ret;
		done += ret;
	}
	return done;
}

ssize_t cxl_config_read(struct cxl_vfio_device *cdev, char __user *buf, size_t count, loff_t *ppos)
{
	return cxl_config_rw(cdev, buf, count, ppos, false);
}

ssize_t cxl_config_write(struct cxl_vfio_device *cdev, const char __user *buf, size_t count,
			 loff_t *ppos)
{
	return cxl_config_rw(cdev, (char __user *)buf, count, ppos, true);
}
