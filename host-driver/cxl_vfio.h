/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One device bound to cxl-vfio-pci.
 *
 * Locks, outermost first:
 *
 *   config_lock    a write of the Command register excludes page faults
 *   memory_lock    vfio-pci-core's: memory decoding and resets
 *   gate           may the device memory be touched? resets write, users read
 *   shadow_lock    the register shadows
 *
 * No lock is held while user memory is copied: the buffer may be a mapping of
 * the very memory that the lock protects.
 */
#ifndef CXL_VFIO_H
#define CXL_VFIO_H

#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/rwsem.h>
#include <linux/vfio_pci_core.h>

#include "access.h"
#include "component.h"
#include "decoder.h"
#include "dvsec.h"
#include "locator.h"
#include "scrub.h"

#define CXL_VFIO_NAME      "cxl-vfio-pci"
#define CXL_CONFIG_WINDOWS 16

struct cxl_vfio_device;

struct cxl_scrub_worker {
	struct cxl_vfio_device *cdev;
	struct work_struct work; /* of the first: the whole scrub; of the others: a thread of it */
};

struct cxl_vfio_device {
	struct vfio_pci_core_device core;

	/* Facts found when the device was bound. */
	bool cxl; /* false: an ordinary PCI device, everything is vfio-pci-core's */
	enum cxl_layout layout;
	u16 dvsec;
	u16 dvsec_length;
	bool cache_capable;
	bool cache_writeback_capable;
	struct locator_block block;
	struct component_map map;
	struct component_range range;  /* decoder 0 as firmware committed it */
	void __iomem *area;            /* the 4 KiB CXL.mem register area, mapped while bound */
	struct pci_saved_state *state; /* config space at that time, for error recovery */
	struct access_window windows[CXL_CONFIG_WINDOWS];
	u32 window_count;

	struct resource *claim; /* of range, from probe to remove */

	/* While open. */
	void *memory;      /* write-back mapping of the whole range */
	u32 memory_region; /* absolute region indices */
	u32 comp_region;
	struct list_head ioeventfds; /* under ioeventfd_lock */
	u32 ioeventfd_count;
	struct mutex ioeventfd_lock; /* of the list above */

	struct rw_semaphore config_lock;
	struct rw_semaphore gate;
	bool opened;    /* under gate */
	bool active;    /* under gate: the memory may be mapped and touched */
	bool stale;     /* under gate: the hardware was reset since it was last read */
	bool resetting; /* under gate: a reset is going on, the hardware must not be read */
	bool error;     /* under gate: an error was reported, its recovery has not ended */

	bool scrubbing; /* under gate: a scrub reads the hardware's state and touches the memory */

	struct {
		struct mutex lock; /* of state, enabled and stop */
		enum scrub_state state;
		bool enabled;
		bool stop;       /* the device is being unbound */
		int error;       /* of the scrub that is running */
		atomic64_t next; /* where the next chunk starts */
		atomic64_t done; /* bytes cleared */
		struct cxl_scrub_worker workers[SCRUB_THREADS];
	} scrub;

	/* Disable_Caching as it was before the driver set it; under shadow_lock. */
	bool caching_saved;
	bool caching_disabled;

	struct mutex shadow_lock; /* of shadow and body */
	struct decoder_shadow shadow;
	struct dvsec_body body;
};

static inline struct cxl_vfio_device *cxl_from_core(struct vfio_pci_core_device *core)
{
	return container_of(core, struct cxl_vfio_device, core);
}

static inline struct cxl_vfio_device *cxl_from_vdev(struct vfio_device *vdev)
{
	return container_of(vdev, struct cxl_vfio_device, core.vdev);
}

/* detect.c */

/*
 * Find out what the device is; map its register area. 0: CXL, all facts filled in. -ENODEV: an
 * ordinary PCI device, or the opt-out is set. Anything else: a CXL device that cannot be assigned;
 * one line in the log says why.
 */
int cxl_detect(struct cxl_vfio_device *cdev);
/* Undo cxl_detect(). */
void cxl_forget(struct cxl_vfio_device *cdev);

/* hardware.c: the only file that touches the device's registers */

/* Read the device's registers 32 bits at a time; see component_reader. */
struct component_reader cxl_hardware_reader(struct cxl_vfio_device *cdev);
/*
 * Wait up to @timeout_ms for Memory_Active; 0: the device's own limit. 0 or -ETIMEDOUT, -ENODEV
 * when nobody answers.
 */
int cxl_hardware_wait_active(struct cxl_vfio_device *cdev, u32 timeout_ms);
/* Copy the device DVSEC. Buffer of CXL_DEVICE_DVSEC_MAX_LENGTH bytes. */
void cxl_hardware_read_dvsec(struct cxl_vfio_device *cdev, u8 *bytes);
/* Set Mem_Enable if it is clear. 0; -EPERM: the register is locked; -EIO: it stays clear. */
int cxl_hardware_enable_memory(struct cxl_vfio_device *cdev);
/* Have the device write back and invalidate its cache. True when it says that it did. */
bool cxl_hardware_cache_writeback(struct cxl_vfio_device *cdev, bool disable_caching);
/* Write Disable_Caching of Control2 and nothing else. */
void cxl_hardware_set_caching(struct cxl_vfio_device *cdev, bool disabled);
/*
 * Before the device changes hands or is reset: no more bus mastering, its cache disabled, written
 * back and invalidated. Takes shadow_lock.
 */
void cxl_hardware_quiesce(struct cxl_vfio_device *cdev);
/* Disable_Caching as it was before cxl_hardware_quiesce(). Takes shadow_lock. */
void cxl_hardware_unquiesce(struct cxl_vfio_device *cdev);
/* Has the component BAR lost its address, as it does in every reset of the bus? */
bool cxl_hardware_was_reset(struct cxl_vfio_device *cdev);
/*
 * Would an access to the memory be answered now, by what the device itself says: Memory Space on,
 * D0, memory active, decoder 0 committed? A load that nobody answers is a fatal error of the host.
 */
bool cxl_hardware_serves(struct cxl_vfio_device *cdev);
/* Is memory decoding on in the device's own Command register? */
bool cxl_hardware_decodes(struct cxl_vfio_device *cdev);

/* gate.c */

/*
 * Read the hardware again if it was reset, and allow memory accesses if decoder 0 is committed as
 * it was. Memory decoding must be on. Waits up to @timeout_ms for the memory.
 */
void cxl_gate_reopen(struct cxl_vfio_device *cdev, u32 timeout_ms);
/* Make the register shadows current, whatever the state of memory decoding. Takes memory_lock. */
void cxl_gate_refresh(struct cxl_vfio_device *cdev);
/*
 * Begin and end an access to the memory. -EIO: gated, or memory decoding is off. Between the two
 * calls no reset and no change of memory decoding happens.
 */
int cxl_gate_enter(struct cxl_vfio_device *cdev);
/* The same, and the device is asked whether it would answer: before a mapping is made. */
int cxl_gate_enter_asking(struct cxl_vfio_device *cdev);
void cxl_gate_leave(struct cxl_vfio_device *cdev);
/*
 * As above, for a scrub of a device that nobody has open. Between begin and end the gate follows the
 * hardware as it does for a user; enter answers -EAGAIN while a reset or a recovery goes on, -ENXIO
 * when the decoder is not committed as firmware left it.
 */
void cxl_gate_scrub_begin(struct cxl_vfio_device *cdev);
void cxl_gate_scrub_end(struct cxl_vfio_device *cdev);
int cxl_gate_scrub_enter(struct cxl_vfio_device *cdev);
void cxl_gate_scrub_leave(struct cxl_vfio_device *cdev);
/* Remove all mappings of the memory region. */
void cxl_gate_zap(struct cxl_vfio_device *cdev);

extern const struct pci_error_handlers cxl_error_handlers;

/* memory.c and registers_region.c */

/* -EBUSY: the range is RAM or somebody has claimed it. */
int cxl_memory_claim(struct cxl_vfio_device *cdev);
void cxl_memory_release(struct cxl_vfio_device *cdev);
/* The kernel's own mapping, while open. 0 or -ENOMEM. */
int cxl_memory_map(struct cxl_vfio_device *cdev);
void cxl_memory_unmap(struct cxl_vfio_device *cdev);
int cxl_memory_register(struct cxl_vfio_device *cdev);
int cxl_registers_register(struct cxl_vfio_device *cdev);

/* bar.c and ioeventfd.c: the component BAR */

int cxl_bar_map(struct cxl_vfio_device *cdev);
void cxl_bar_unmap(struct cxl_vfio_device *cdev);
/* Does [position, position + count) of BAR @index touch the component block? */
bool cxl_bar_blocked(struct cxl_vfio_device *cdev, u32 index, u64 position, u64 count);
int cxl_bar_mmap_check(struct cxl_vfio_device *cdev, struct vm_area_struct *vma);
int cxl_bar_region_info(struct cxl_vfio_device *cdev, struct vfio_region_info *info,
			struct vfio_info_cap *caps);
void cxl_bar_set_dmabuf_ops(struct cxl_vfio_device *cdev);
int cxl_ioeventfd(struct cxl_vfio_device *cdev, void __user *arg);
void cxl_ioeventfd_release(struct cxl_vfio_device *cdev);

/* scrubber.c */

extern const struct attribute_group *cxl_vfio_groups[];

/* The device has just been bound; starts the first scrub. */
void cxl_scrub_init(struct cxl_vfio_device *cdev);
/* Ends what is running. Nobody has the device open, or will. */
void cxl_scrub_stop(struct cxl_vfio_device *cdev);
/* 0; -EBUSY: it is being cleared; -EIO: it could not be cleared, the log says so. */
int cxl_scrub_open(struct cxl_vfio_device *cdev);
/* After cxl_scrub_open() with 0: the last user has left, the core has reset the device. */
void cxl_scrub_close(struct cxl_vfio_device *cdev);

/* info.c */

long cxl_ioctl_get_info(struct cxl_vfio_device *cdev, void __user *arg);
long cxl_ioctl_get_region_info(struct cxl_vfio_device *cdev, unsigned long arg);
int cxl_get_region_info_caps(struct vfio_device *vdev, struct vfio_region_info *info,
			     struct vfio_info_cap *caps);

/* config.c */

int cxl_config_plan(struct cxl_vfio_device *cdev);
ssize_t cxl_config_read(struct cxl_vfio_device *cdev, char __user *buf, size_t count, loff_t *ppos);
ssize_t cxl_config_write(struct cxl_vfio_device *cdev, const char __user *buf, size_t count,
			 loff_t *ppos);

#endif
