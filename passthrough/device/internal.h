/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_DEVICE_INTERNAL_H
#define PASSTHROUGH_DEVICE_INTERNAL_H

#include <pthread.h>

#include "devices/cxl/component_registers.h"
#include "devices/cxl/hdm_decoder.h"
#include "passthrough/view/config_space.h"
#include "passthrough/discover/cxl_capability.h"
#include "passthrough/view/dvsec_body.h"
#include "passthrough/discover/cxl_geometry.h"
#include "passthrough/device/passthrough.h"
#include "passthrough/discover/region_planner.h"
#include "passthrough/iommu/address_space.h"
#include "passthrough/transport/info.h"
#include "passthrough/transport/transport.h"

/*
 * What the files of a passed-through device share.
 *
 * Locks, in this order: the PCI root's (configuration space, BAR placement, reset), the HDM
 * block's, then device->lock (windows, DPA slots, interrupt mode), then guest_memory / bus / irq.
 * The transport may call back from inside any of its operations: that callback takes no lock.
 */

/* One segment of a BAR at work. */
struct passthrough_part {
	struct passthrough_device *device;
	unsigned int bar;
	struct region_segment segment;
	struct bus_region region; /* trapped segments */
	bool on_bus;
	void *host; /* direct segments: mapping, NULL when it could not be made (then forwarded) */
	int fd;
	uint64_t fd_offset;
	uint32_t window;
	bool window_mapped;
	bool dma_mapped;
	uint64_t gpa; /* while mapped */
	char name[48];
};

struct passthrough_bar {
	struct region_plan plan;
	struct passthrough_part *parts;
	uint32_t part_count;
};

/* The memory behind one HDM decoder while it is committed. */
struct passthrough_dpa {
	bool committed;
	bool mapped; /* committed, and not taken away by a fault */
	bool dma_mapped;
	uint32_t window;
	uint64_t gpa;
	uint64_t dpa;
	uint64_t size;
	char name[48];
};

enum passthrough_irq_mode {
	PASSTHROUGH_IRQ_NONE = 0,
	PASSTHROUGH_IRQ_INTX,
	PASSTHROUGH_IRQ_MSI,
	PASSTHROUGH_IRQ_MSIX,
};

struct passthrough_device {
	struct pci_device pci; /* first */
	char *id;
	struct passthrough_options options; /* strings not kept */
	struct passthrough_environment environment;
	struct passthrough_facts facts;
	struct passthrough_timeline timeline;
	struct passthrough_counters counters; /* relaxed atomics */
	struct log_ratelimit limit;
	struct vfio_transport *transport;
	pthread_mutex_t lock;

	bool lost;               /* atomic: every access answers all-ones */
	bool lost_reported;      /* atomic exchange: one message, one clean-up */
	const char *lost_reason; /* atomic: NULL until the first reason, then that one */
	bool wanted_back;        /* atomic: the host asked for it; passthrough_serve() gives it */
	bool plugged;
	bool vectors_ready; /* MSI and MSI-X structures exist */

	/* Discovery */
	struct vfio_device info;
	uint8_t *info_image;
	struct vfio_region *regions; /* VFIO_INFO_MAX_REGIONS, by index */
	uint8_t config[PCI_CONFIG_SIZE];
	uint32_t config_length;
	struct config_facts config_facts;
	struct cxl_record record;
	struct cxl_geometry geometry;
	uint64_t page_size;

	struct passthrough_bar bars[PCI_BAR_COUNT];
	struct passthrough_part rom;
	bool windows_withdrawn; /* after a fault, until the guest enables memory decoding again */
	bool resetting;         /* atomic: passthrough_reset_transport() is at work */
	uint64_t fault_since;   /* ns; first and last refusal of the series that is tried again */
	uint64_t fault_last;

	/* CXL */
	bool cxl_ready; /* hdm, component and dvsec are initialised */
	struct hdm_decoder_block hdm;
	struct cxl_component component;
	struct cxl_dvsec_body dvsec;
	void *dpa_reserved; /* address space with room for alignment */
	uint64_t dpa_reserved_size;
	void *dpa_host; /* the device memory in this process; never touched by it */
	int dpa_fd;
	uint64_t dpa_fd_offset;
	uint64_t window_base;
	uint64_t window_size;
	struct passthrough_dpa dpa[HDM_DECODER_MAX];

	/* Interrupts */
	enum passthrough_irq_mode irq_mode;
	uint32_t irq_armed;  /* how many vectors the device's side knows */
	uint32_t intx_count; /* 0: the device's side has no line interrupt */
	int intx_fd;
	int intx_resample_fd;
	uint32_t intx_gsi;

	bool ram_held; /* guest RAM is in its address space, also on its behalf */
};

#define passthrough_count(field) __atomic_fetch_add(&(field), 1, __ATOMIC_RELAXED)

/* passthrough_device.c: passthrough_connect() on a transport that is open already; it becomes the
 * device's, also on failure. */
int passthrough_adopt(const struct passthrough_options *options,
		      const struct passthrough_environment *environment,
		      struct vfio_transport *transport, struct passthrough_device **device);

/* passthrough_discover.c: everything that is read from the device; plans, maps. */
int passthrough_discover(struct passthrough_device *device);

/* passthrough_bars.c */
int passthrough_prepare_bars(struct passthrough_device *device);  /* plans and host mappings */
int passthrough_register_bars(struct passthrough_device *device); /* into the PCI function */
int passthrough_bar_mapped(struct pci_device *pci, unsigned int bar, uint64_t address);
void passthrough_bar_unmapped(struct pci_device *pci, unsigned int bar);
void passthrough_remove_windows(struct passthrough_device *device); /* under device->lock */
void passthrough_unmap_windows(struct passthrough_device *device);  /* of this process */
/* After a reset that left the BARs in place: DMA mappings of windows that it has ended. */
void passthrough_renew_windows_dma(struct passthrough_device *device);
void passthrough_release_bars(struct passthrough_device *device);

/* passthrough_cxl.c */
int passthrough_map_dpa(struct passthrough_device *device);
int passthrough_plug_cxl(struct passthrough_device *device, const struct passthrough_place *place);
int passthrough_commit_firmware(struct passthrough_device *device);
/* memory=node: lets emulated devices reach it. Returns 0 or -errno of guest_memory_lend(). */
int passthrough_lend_dpa(struct passthrough_device *device);
/* Whether all pages of the file @fd stay reachable whatever its owner does. */
bool passthrough_file_stays(int fd);
void passthrough_reset_cxl(struct passthrough_device *device);
void passthrough_release_cxl(struct passthrough_device *device);
void passthrough_remove_dpa(struct passthrough_device *device);  /* under device->lock */
void passthrough_unmap_dpa(struct passthrough_device *device);   /* of this process */
void passthrough_restore_dpa(struct passthrough_device *device); /* what a fault took away */

/* passthrough_irq.c */
int passthrough_prepare_vectors(struct passthrough_device *device);
void passthrough_update_irqs(struct passthrough_device *device); /* under the root's lock */
void passthrough_stop_irqs(struct passthrough_device *device);

/* passthrough_dma.c */
void passthrough_dma_facts(struct passthrough_device *device); /* what its DMA asks of RAM */
/* Whether a reset takes the device's windows out of the DMA map. */
bool passthrough_dma_ends_with_reset(const struct passthrough_device *device);
int passthrough_map_ram(struct passthrough_device *device);
void passthrough_unmap_ram(struct passthrough_device *device);
int passthrough_dma_access(void *opaque, uint64_t address, void *data, uint64_t length, bool write);
/* Device memory at @gpa into the device's DMA map; a failure is a warning. */
bool passthrough_dma_map_memory(struct passthrough_device *device, uint64_t gpa, uint64_t size,
				void *host, int fd, uint64_t fd_offset, const char *what);
void passthrough_dma_unmap_memory(struct passthrough_device *device, uint64_t gpa, uint64_t size);

/* passthrough_lost.c */
void passthrough_lost(void *opaque, const char *reason);
/* The host wants the device back: it is lost, and passthrough_serve() keeps nothing of it. Any
 * thread. */
void passthrough_requested(void *opaque);

/* passthrough_reset.c */
int passthrough_reset_transport(struct passthrough_device *device);

#endif
