// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clears the device memory before the first user and after each, in the
 * background: an open is refused until the whole of it has been cleared once.
 * The states are in scrub.c; the gate excludes resets, chunk by chunk.
 */
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/ktime.h>
#include <linux/moduleparam.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/sysfs.h>
#include <linux/workqueue.h>

#include "cxl_vfio.h"

/* A reset waits for as much as one thread clears between two looks at the gate. */
#define SCRUB_CHUNK SZ_64M
/* How long a scrub waits for a reset or an error recovery to end. */
#define SCRUB_PATIENCE (30 * HZ)

static bool scrub = true;
module_param(scrub, bool, 0644);
MODULE_PARM_DESC(scrub,
		 "Clear the device memory before the first user and after each one (default: on)");

static void cxl_scrub_notify(struct cxl_vfio_device *cdev)
{
	sysfs_notify(&cdev->core.pdev->dev.kobj, "cxl_vfio", "scrub_state");
}

static bool cxl_scrub_stopped(struct cxl_vfio_device *cdev)
{
	return READ_ONCE(cdev->scrub.stop) || READ_ONCE(cdev->scrub.error);
}

/*
 * Plain stores: what is cleared is far larger than any cache, so that memory sets the pace, and not
 * every processor has fast string instructions for memory of this kind.
 */
static void cxl_scrub_zero(void *memory, size_t length)
{
	u64 *words = memory, *end = memory + length;

	for (; words < end; words += 8) {
		WRITE_ONCE(words[0], 0);
		WRITE_ONCE(words[1], 0);
		WRITE_ONCE(words[2], 0);
		WRITE_ONCE(words[3], 0);
		WRITE_ONCE(words[4], 0);
		WRITE_ONCE(words[5], 0);
		WRITE_ONCE(words[6], 0);
		WRITE_ONCE(words[7], 0);
	}
}

/* Clear [@at, +@length) with the gate held. 0, -ENXIO, -ETIMEDOUT, -ENOMEM or -EINTR. */
static int cxl_scrub_chunk(struct cxl_vfio_device *cdev, u64 at, u64 length)
{
	unsigned long limit = jiffies + SCRUB_PATIENCE;
	void *memory;
	int ret;

	while ((ret = cxl_gate_scrub_enter(cdev))) {
		if (cxl_scrub_stopped(cdev))
			return -EINTR;
		if (ret != -EAGAIN || time_after_eq(jiffies, limit))
			return ret == -EAGAIN ? -ETIMEDOUT : ret;
		msleep(20);
	}
	/*
	 * Mapped while the gate is held only: a lasting mapping would let the CPU speculate into
	 * memory that does not decode.
	 */
	memory = memremap(cdev->range.base + at, length, MEMREMAP_WB);
	if (memory) {
		u64 done;

		for (done = 0; done < length; done += SZ_2M) {
			cxl_scrub_zero(memory + done, min_t(u64, SZ_2M, length - done));
			cond_resched();
		}
		memunmap(memory);
	}
	cxl_gate_scrub_leave(cdev);
	return memory ? 0 : -ENOMEM;
}

static void cxl_scrub_clear(struct cxl_vfio_device *cdev)
{
	while (!cxl_scrub_stopped(cdev)) {
		u64 at = atomic64_fetch_add(SCRUB_CHUNK, &cdev->scrub.next);
		u64 length;
		int ret;

		if (at >= cdev->range.size)
			break;
		length = min_t(u64, SCRUB_CHUNK, cdev->range.size - at);
		ret = cxl_scrub_chunk(cdev, at, length);
		if (ret)
			WRITE_ONCE(cdev->scrub.error, ret);
		else
			atomic64_add(length, &cdev->scrub.done);
	}
}

static void cxl_scrub_thread(struct work_struct *work)
{
	struct cxl_scrub_worker *worker = container_of(work, struct cxl_scrub_worker, work);

	cxl_scrub_clear(worker->cdev);
}

static int cxl_scrub_all(struct cxl_vfio_device *cdev)
{
	u32 threads = scrub_thread_count(cdev->range.size, num_online_cpus()), i;
	int ret;

	ret = pci_enable_device_mem(cdev->core.pdev);
	if (ret)
		return ret;
	atomic64_set(&cdev->scrub.next, 0);
	atomic64_set(&cdev->scrub.done, 0);
	cdev->scrub.error = 0;
	cxl_gate_scrub_begin(cdev);
	for (i = 1; i < threads; i++)
		queue_work(system_unbound_wq, &cdev->scrub.workers[i].work);
	cxl_scrub_clear(cdev);
	for (i = 1; i < threads; i++)
		flush_work(&cdev->scrub.workers[i].work);
	cxl_gate_scrub_end(cdev);
	pci_disable_device(cdev->core.pdev);
	if (cdev->scrub.stop)
		return -EINTR;
	return cdev->scrub.error;
}

static void cxl_scrub_work(struct work_struct *work)
{
	struct cxl_scrub_worker *worker = container_of(work, struct cxl_scrub_worker, work);
	struct cxl_vfio_device *cdev = worker->cdev;
	struct pci_dev *pdev = cdev->core.pdev;
	ktime_t begun = ktime_get();
	int ret;

	ret = cxl_scrub_all(cdev);
	mutex_lock(&cdev->scrub.lock);
	scrub_step(&cdev->scrub.state, ret ? SCRUB_FAIL : SCRUB_DONE);
	mutex_unlock(&cdev->scrub.lock);
	if (!ret)
		pci_info(pdev, "cleared %llu MiB of CXL memory in %u ms\n", cdev->range.size >> 20,
			 (u32)ktime_ms_delta(ktime_get(), begun));
	else if (ret != -EINTR)
		pci_err(pdev,
			"cannot clear the CXL memory (%d): it cannot be opened until \"1\" is written to cxl_vfio/scrub and that succeeds\n",
			ret);
	cxl_scrub_notify(cdev);
}

static int cxl_scrub_start(struct cxl_vfio_device *cdev)
{
	int ret;

	mutex_lock(&cdev->scrub.lock);
	ret = cdev->scrub.stop ? -ENODEV : scrub_step(&cdev->scrub.state, SCRUB_START);
	mutex_unlock(&cdev->scrub.lock);
	if (!ret)
		queue_work(system_unbound_wq, &cdev->scrub.workers[0].work);
	return ret;
}

void cxl_scrub_init(struct cxl_vfio_device *cdev)
{
	u32 i;

	mutex_init(&cdev->scrub.lock);
	for (i = 0; i < SCRUB_THREADS; i++) {
		cdev->scrub.workers[i].cdev = cdev;
		INIT_WORK(&cdev->scrub.workers[i].work, i ? cxl_scrub_thread : cxl_scrub_work);
	}
	cdev->scrub.enabled = READ_ONCE(scrub);
	if (cdev->scrub.enabled)
		cxl_scrub_start(cdev);
}

void cxl_scrub_stop(struct cxl_vfio_device *cdev)
{
	mutex_lock(&cdev->scrub.lock);
	cdev->scrub.stop = true;
	mutex_unlock(&cdev->scrub.lock);
	flush_work(&cdev->scrub.workers[0].work);
	mutex_destroy(&cdev->scrub.lock);
}

int cxl_scrub_open(struct cxl_vfio_device *cdev)
{
	int ret;

	mutex_lock(&cdev->scrub.lock);
	if (cdev->scrub.enabled) {
		ret = scrub_step(&cdev->scrub.state, SCRUB_OPEN);
	} else {
		/* As its last user left it. Whoever turns clearing on again gets it cleared first. */
		ret = cdev->scrub.state == SCRUB_RUNNING ? -EBUSY : 0;
		if (!ret)
			cdev->scrub.state = SCRUB_USED;
	}
	mutex_unlock(&cdev->scrub.lock);
	if (ret == -EIO)
		pci_err(cdev->core.pdev,
			"not opened: its CXL memory could not be cleared of its last user's data\n");
	return ret;
}

void cxl_scrub_close(struct cxl_vfio_device *cdev)
{
	bool enabled;

	mutex_lock(&cdev->scrub.lock);
	scrub_step(&cdev->scrub.state, SCRUB_CLOSE);
	enabled = cdev->scrub.enabled;
	mutex_unlock(&cdev->scrub.lock);
	if (enabled)
		cxl_scrub_start(cdev);
	cxl_scrub_notify(cdev);
}

/* --- sysfs: <device>/cxl_vfio/ ------------------------------------------------------------ */

static struct cxl_vfio_device *cxl_from_dev(struct device *dev)
{
	return cxl_from_core(dev_get_drvdata(dev));
}

static ssize_t scrub_state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct cxl_vfio_device *cdev = cxl_from_dev(dev);
	enum scrub_state state;
	bool enabled;

	mutex_lock(&cdev->scrub.lock);
	state = cdev->scrub.state;
	enabled = cdev->scrub.enabled;
	mutex_unlock(&cdev->scrub.lock);
	return sysfs_emit(buf, "%s\n",
			  !enabled && state == SCRUB_NEEDED ? "off" : scrub_state_name(state));
}
static DEVICE_ATTR_RO(scrub_state);

/* Bytes cleared, and of how many. */
static ssize_t scrub_progress_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct cxl_vfio_device *cdev = cxl_from_dev(dev);

	return sysfs_emit(buf, "%lld %llu\n", (long long)atomic64_read(&cdev->scrub.done),
			  cdev->range.size);
}
static DEVICE_ATTR_RO(scrub_progress);

static ssize_t scrub_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(cxl_from_dev(dev)->scrub.enabled));
}

/* 0: not this device; 1: this device, and at once unless it is in use. */
static ssize_t scrub_store(struct device *dev, struct device_attribute *attr, const char *buf,
			   size_t count)
{
	struct cxl_vfio_device *cdev = cxl_from_dev(dev);
	bool enabled;
	int ret;

	ret = kstrtobool(buf, &enabled);
	if (ret)
		return ret;
	mutex_lock(&cdev->scrub.lock);
	WRITE_ONCE(cdev->scrub.enabled, enabled);
	mutex_unlock(&cdev->scrub.lock);
	if (enabled)
		cxl_scrub_start(cdev);
	return count;
}
static DEVICE_ATTR_RW(scrub);

static struct attribute *cxl_scrub_attributes[] = {
	&dev_attr_scrub_state.attr,
	&dev_attr_scrub_progress.attr,
	&dev_attr_scrub.attr,
	NULL,
};

static umode_t cxl_scrub_visible(struct kobject *kobj, struct attribute *attribute, int index)
{
	return cxl_from_dev(kobj_to_dev(kobj))->cxl ? attribute->mode : 0;
}

static const struct attribute_group cxl_scrub_group = {
	.name = "cxl_vfio",
	.attrs = cxl_scrub_attributes,
	.is_visible = cxl_scrub_visible,
};

const struct attribute_group *cxl_vfio_groups[] = {&cxl_scrub_group, NULL};
