// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gate in front of the device memory, and the resets that close it.
 *
 * Every way to reset the device (VFIO_DEVICE_RESET, the FLR bit in config
 * space, hot reset, sysfs, error recovery) ends up in the PCI core, which calls
 * reset_prepare before and reset_done after. Between them no mapping exists,
 * faults raise SIGBUS and reads fail: an access to memory that does not decode
 * can take the whole host down.
 */
#include <linux/mm.h>

#include "cxl_vfio.h"

/* How long reset_done waits for the memory; later accesses look again. */
#define RESET_ACTIVE_MS 1000

void cxl_gate_zap(struct cxl_vfio_device *cdev)
{
	unmap_mapping_range(cdev->core.vdev.inode->i_mapping,
			    (loff_t)VFIO_PCI_INDEX_TO_OFFSET(cdev->memory_region),
			    (loff_t)cdev->range.size, true);
}

/*
 * Forbid memory accesses and remove all mappings; the state must be read again before they are
 * allowed. @reason, one of the flags under the gate, keeps it closed until it is cleared.
 */
static void cxl_gate_close(struct cxl_vfio_device *cdev, bool *reason)
{
	bool opened;

	down_write(&cdev->gate);
	opened = cdev->opened;
	cdev->active = false;
	cdev->stale = true;
	*reason = true;
	up_write(&cdev->gate);
	if (opened)
		cxl_gate_zap(cdev);
}

/*
 * The hardware's state into the shadows. 0; -EAGAIN: no answer yet; -ENXIO: not what firmware had
 * committed.
 */
static int cxl_gate_reload(struct cxl_vfio_device *cdev, u32 timeout_ms)
{
	struct component_reader reader = cxl_hardware_reader(cdev);
	u8 snapshot[CXL_DEVICE_DVSEC_MAX_LENGTH];
	struct component_range range = {};
	struct component_map map;
	int accepted;
	u32 other;
	bool same;

	if (cxl_hardware_enable_memory(cdev) || cxl_hardware_wait_active(cdev, timeout_ms ?: 1))
		return -EAGAIN;
	cxl_hardware_read_dvsec(cdev, snapshot);
	same = !component_walk(&reader, &map) && !memcmp(&map, &cdev->map, sizeof(map));
	if (!same)
		return -EAGAIN;

	mutex_lock(&cdev->shadow_lock);
	component_snapshot(&reader, &cdev->map, cdev->shadow.words);
	component_range_read(cdev->shadow.words, &cdev->map, 0, &range);
	accepted = component_acceptance(cdev->shadow.words, &cdev->map, &other);
	decoder_shadow_adopt(&cdev->shadow);
	dvsec_body_adopt(&cdev->body, cdev->layout, snapshot, cdev->dvsec_length);
	mutex_unlock(&cdev->shadow_lock);

	if (accepted || component_range_check(&range) || range.base != cdev->range.base ||
	    range.size != cdev->range.size)
		return -ENXIO;
	return 0;
}

static void cxl_gate_reopen_locked(struct cxl_vfio_device *cdev, u32 timeout_ms)
{
	int ret;

	if (!(cdev->opened || cdev->scrubbing) || !cdev->stale || cdev->resetting || cdev->error)
		return;
	ret = cxl_gate_reload(cdev, timeout_ms);
	if (ret) {
		dev_warn_ratelimited(
			&cdev->core.pdev->dev, "CXL memory stays closed after the reset: %s\n",
			ret == -ENXIO ? "decoder 0 is no longer committed as firmware left it"
				      : "the device does not answer or its memory is not active");
		if (ret == -EAGAIN) {
			mutex_lock(&cdev->shadow_lock);
			decoder_shadow_lose(&cdev->shadow);
			mutex_unlock(&cdev->shadow_lock);
			return;
		}
	}
	cdev->active = !ret;
	cdev->stale = false;
}

void cxl_gate_reopen(struct cxl_vfio_device *cdev, u32 timeout_ms)
{
	down_write(&cdev->gate);
	cxl_gate_reopen_locked(cdev, timeout_ms);
	up_write(&cdev->gate);
}

void cxl_gate_refresh(struct cxl_vfio_device *cdev)
{
	struct pci_dev *pdev = cdev->core.pdev;
	u16 command;

	if (!READ_ONCE(cdev->stale))
		return;
	down_write(&cdev->core.memory_lock);
	down_write(&cdev->gate);
	/* What a reset restores meanwhile must not be undone. */
	if (cdev->resetting || cdev->error)
		goto out;
	pci_read_config_word(pdev, PCI_COMMAND, &command);
	if (!(command & PCI_COMMAND_MEMORY))
		pci_write_config_word(pdev, PCI_COMMAND, command | PCI_COMMAND_MEMORY);
	cxl_gate_reopen_locked(cdev, 0);
	if (!(command & PCI_COMMAND_MEMORY))
		pci_write_config_word(pdev, PCI_COMMAND, command);
out:
	up_write(&cdev->gate);
	up_write(&cdev->core.memory_lock);
}

/* The same test as vfio-pci-core's for BARs. Caller holds memory_lock. */
static bool cxl_memory_decoding(struct cxl_vfio_device *cdev)
{
	struct vfio_pci_core_device *core = &cdev->core;
	u16 command = le16_to_cpu(*(__le16 *)&core->vconfig[PCI_COMMAND]);

	return !core->pm_runtime_engaged &&
	       (__force int)core->pdev->current_state < (__force int)PCI_D3hot &&
	       (core->pdev->no_command_memory || (command & PCI_COMMAND_MEMORY));
}

int cxl_gate_enter(struct cxl_vfio_device *cdev)
{
	down_read(&cdev->core.memory_lock);
	if (!cxl_memory_decoding(cdev))
		goto closed;
	if (READ_ONCE(cdev->stale))
		cxl_gate_reopen(cdev, 0);
	down_read(&cdev->gate);
	if (cdev->active)
		return 0;
	up_read(&cdev->gate);
closed:
	up_read(&cdev->core.memory_lock);
	return -EIO;
}

int cxl_gate_enter_asking(struct cxl_vfio_device *cdev)
{
	int ret = cxl_gate_enter(cdev);

	if (ret || cxl_hardware_serves(cdev))
		return ret;
	cxl_gate_leave(cdev);
	/* Something else than a reset that we know of has taken it: look again next time. */
	down_write(&cdev->gate);
	cdev->active = false;
	cdev->stale = true;
	up_write(&cdev->gate);
	dev_warn_ratelimited(&cdev->core.pdev->dev,
			     "CXL memory is closed: the device says that it does not decode it\n");
	return -EIO;
}

void cxl_gate_leave(struct cxl_vfio_device *cdev)
{
	up_read(&cdev->gate);
	up_read(&cdev->core.memory_lock);
}

void cxl_gate_scrub_begin(struct cxl_vfio_device *cdev)
{
	down_write(&cdev->gate);
	cdev->scrubbing = true;
	cdev->stale = true;
	up_write(&cdev->gate);
}

void cxl_gate_scrub_end(struct cxl_vfio_device *cdev)
{
	down_write(&cdev->gate);
	cdev->scrubbing = false;
	cdev->active = false;
	up_write(&cdev->gate);
}

int cxl_gate_scrub_enter(struct cxl_vfio_device *cdev)
{
	int ret;

	if (READ_ONCE(cdev->stale) && cxl_hardware_decodes(cdev))
		cxl_gate_reopen(cdev, RESET_ACTIVE_MS);
	down_read(&cdev->gate);
	if (cdev->active && !cdev->stale)
		return 0;
	/* Read again and found wanting: only another reset could change that. */
	ret = cdev->stale ? -EAGAIN : -ENXIO;
	up_read(&cdev->gate);
	return ret;
}

void cxl_gate_scrub_leave(struct cxl_vfio_device *cdev)
{
	up_read(&cdev->gate);
}

/*
 * Called with the device locked; memory_lock may or may not be held by the one who asked for the
 * reset.
 */
static void cxl_reset_prepare(struct pci_dev *pdev)
{
	struct cxl_vfio_device *cdev = cxl_from_core(dev_get_drvdata(&pdev->dev));

	if (!cdev->cxl)
		return;
	cxl_gate_close(cdev, &cdev->resetting);
	cxl_hardware_quiesce(cdev);
}

/* One of the reasons to keep the gate closed is over; the other may not be. */
static void cxl_gate_allow(struct cxl_vfio_device *cdev, bool *reason)
{
	down_write(&cdev->gate);
	*reason = false;
	up_write(&cdev->gate);
	cxl_hardware_unquiesce(cdev);
	/*
	 * With memory decoding off the registers cannot be read; whoever needs them next will do
	 * it.
	 */
	if (cxl_hardware_decodes(cdev))
		cxl_gate_reopen(cdev, RESET_ACTIVE_MS);
}

static void cxl_reset_done(struct pci_dev *pdev)
{
	struct cxl_vfio_device *cdev = cxl_from_core(dev_get_drvdata(&pdev->dev));

	if (cdev->cxl)
		cxl_gate_allow(cdev, &cdev->resetting);
}

/*
 * A fatal error freezes the link, and the PCI core resets the bus below the port whatever is
 * answered here. It does not restore config space then, as it does for every other reset.
 */
static pci_ers_result_t cxl_error_detected(struct pci_dev *pdev, pci_channel_state_t state)
{
	struct cxl_vfio_device *cdev = cxl_from_core(dev_get_drvdata(&pdev->dev));
	pci_ers_result_t answer;

	/*
	 * Whatever the channel's state: when another function below the port asks for a reset, the
	 * bus is reset without reset_prepare, also after an error that was not fatal.
	 */
	if (cdev->cxl)
		cxl_gate_close(cdev, &cdev->error);
	answer = vfio_pci_core_aer_err_detected(pdev, state);
	return cdev->cxl && state == pci_channel_io_frozen ? PCI_ERS_RESULT_NEED_RESET : answer;
}

static pci_ers_result_t cxl_slot_reset(struct pci_dev *pdev)
{
	struct cxl_vfio_device *cdev = cxl_from_core(dev_get_drvdata(&pdev->dev));
	u32 id;

	if (!cdev->cxl)
		return PCI_ERS_RESULT_RECOVERED;
	if (pci_read_config_dword(pdev, PCI_VENDOR_ID, &id) || PCI_POSSIBLE_ERROR(id)) {
		pci_err(pdev, "the device does not answer after the reset for an error\n");
		return PCI_ERS_RESULT_DISCONNECT;
	}
	/* 6.12 says "slot reset" after an error that was not fatal without resetting anything. */
	if (!cxl_hardware_was_reset(cdev))
		return PCI_ERS_RESULT_RECOVERED;
	/*
	 * As it was when the device was bound: memory decodes, and the device is no bus master
	 * until its user says so again. The PCI core holds the device's lock, which excludes other
	 * resets, and pci_bus_sem, which a hot reset takes with memory_lock held: that lock is not
	 * for us. The gate excludes those who switch memory decoding to look at the registers.
	 */
	down_write(&cdev->gate);
	pci_load_saved_state(pdev, cdev->state);
	pci_restore_state(pdev);
	pci_clear_master(pdev);
	up_write(&cdev->gate);
	return PCI_ERS_RESULT_RECOVERED;
}

static void cxl_error_resume(struct pci_dev *pdev)
{
	struct cxl_vfio_device *cdev = cxl_from_core(dev_get_drvdata(&pdev->dev));

	if (cdev->cxl)
		cxl_gate_allow(cdev, &cdev->error);
}

const struct pci_error_handlers cxl_error_handlers = {
	.error_detected = cxl_error_detected,
	.slot_reset = cxl_slot_reset,
	.reset_prepare = cxl_reset_prepare,
	.reset_done = cxl_reset_done,
	.resume = cxl_error_resume,
};
