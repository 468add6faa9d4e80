/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_DEVICE_INTERNAL_H
#define PASSTHROUGH_DEVICE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "devices/cxl/component_registers.h"
#include "devices/cxl/hdm_decoder.h"
#include "passthrough/view/config_space.h"
#include "passthrough/discover/cxl_capability.h"
#include "passthrough/view/dvsec_body.h"
#include "passthrough/discover/cxl_geometry.h"
#include "passthrough/device/passthrough.h"
#include "passthrough/device/state.h"
#include "passthrough/device/trap.h"
#include "passthrough/device/window.h"
#include "passthrough/discover/region_planner.h"
#include "passthrough/iommu/address_space.h"
#include "passthrough/transport/info.h"
#include "passthrough/transport/transport.h"

/*
 * What the files of a passed-through device share.
 *
 * Locks, in this order: the PCI root's (configuration space, BAR placement, interrupt mode, reset),
 * the HDM block's, then device->lock (windows, traps), then guest_memory / bus / irq. The state
 * needs none.
 * The transport may call back from inside any of its operations: that callback takes no lock.
 */

/* The whole device memory, which is only mapped here, and a slice for each decoder. */
#define PASSTHROUGH_CXL_WINDOWS (1u + HDM_DECODER_MAX)

/* What the guest sees of a CXL device beyond a PCI function's. */
struct passthrough_cxl {
	struct hdm_decoder_block hdm;
	struct cxl_component component;
	struct cxl_dvsec_body dvsec;
	uint64_t window_base; /* of the CFMWS */
	uint64_t window_size;
};

/* What passthrough_get_counters() takes its snapshot of. */
struct passthrough_counts {
	_Atomic uint64_t forwarded_reads;
	_Atomic uint64_t forwarded_writes;
	_Atomic uint64_t commits;
	_Atomic uint64_t decommits;
	_Atomic uint64_t resets;
};

struct passthrough_device {
	struct pci_device pci; /* first */
	char *id;
	struct passthrough_options options; /* strings not kept */
	struct passthrough_environment environment;
	struct passthrough_facts facts;
	struct passthrough_timeline timeline;
	struct passthrough_counts counts;
	struct log_ratelimit limit;
	struct vfio_transport *transport;
	pthread_mutex_t lock;

	struct passthrough_life life;
	atomic_bool decoding;    /* the guest's Command has Memory on */
	atomic_bool wanted_back; /* the host asked for it; passthrough_serve() gives it */

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

	/* BARs */
	uint64_t bar_size[PCI_BAR_COUNT];
	struct bar_segment *segments;
	uint32_t segment_count;
	struct bar_segment rom;

	/* Under lock */
	struct window *windows;
	uint32_t window_count;
	uint32_t window_room;
	uint64_t fault_since; /* ns; first and last refusal of the series that is tried again */
	uint64_t fault_last;

	/* CXL */
	struct window *memory;       /* in windows: all of it */
	struct window *decoders;     /* in windows: HDM_DECODER_MAX */
	struct passthrough_cxl *cxl; /* NULL until it is plugged, and for others */

	/* Interrupts */
	enum passthrough_irq_mode irq_mode;
	uint32_t irq_armed;                   /* how many vectors the device's side knows */
	enum passthrough_irq_mode irq_failed; /* what could not be armed; NONE: nothing */
	uint32_t irq_failed_vectors;
	uint32_t intx_count; /* 0: the device's side has no line interrupt */
	int intx_fd;
	int intx_resample_fd;
	uint32_t intx_gsi;

	bool ram_held; /* guest RAM is in its address space, also on its behalf */
};

/* Nobody orders anything by them. */
#define passthrough_count(field) atomic_fetch_add_explicit(&(field), 1, memory_order_relaxed)

/* connect.c: passthrough_connect() on a transport that is open already; it becomes the device's,
 * also on failure. */
int passthrough_adopt(const struct passthrough_options *options,
		      const struct passthrough_environment *environment,
		      struct vfio_transport *transport, struct passthrough_device **device);

/* discover.c: everything that is read from the device. */
int passthrough_discover(struct passthrough_device *device);

/* bars.c: segments; their mappings here; into the PCI function. */
int passthrough_plan_bars(struct passthrough_device *device);
void passthrough_map_bars(struct passthrough_device *device);
int passthrough_register_bars(struct passthrough_device *device);
int passthrough_bar_mapped(struct pci_device *pci, unsigned int bar, uint64_t address);
void passthrough_bar_unmapped(struct pci_device *pci, unsigned int bar);
/* Unplugged: waits until nobody is inside a trapped segment. Under no lock. */
void passthrough_wait_quiet(struct pci_device *pci);
/* After a reset that left the BARs in place: DMA mappings of windows that it has ended. */
void passthrough_renew_bars(struct passthrough_device *device);
/* Register windows that a fault took away from where the guest still has its BARs. */
void passthrough_restore_bars(struct passthrough_device *device);
void passthrough_release_bars(struct passthrough_device *device);

/* cxl.c */
int passthrough_map_memory(struct passthrough_device *device);
int passthrough_plug_cxl(struct passthrough_device *device, const struct passthrough_place *place);
int passthrough_commit_firmware(struct passthrough_device *device);
/* memory=node: lets emulated devices reach it. Returns 0 or -errno of guest_memory_lend(). */
int passthrough_lend_memory(struct passthrough_device *device);
/* Whether all pages of the file @fd below @end are there, and stay whatever its owner does. */
bool passthrough_file_stays(int fd, uint64_t end);
void passthrough_reset_cxl(struct passthrough_device *device);
void passthrough_release_cxl(struct passthrough_device *device);
/* The memory behind committed decoders that a fault took away. */
void passthrough_restore_memory(struct passthrough_device *device);

/* irq.c */
int passthrough_prepare_vectors(struct passthrough_device *device);
void passthrough_update_irqs(struct passthrough_device *device); /* under the root's lock */
void passthrough_stop_irqs(struct passthrough_device *device);

/* dma.c */
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

/* loss.c */
void passthrough_lost(void *opaque, const char *reason);
/* The host wants the device back: it is lost, and passthrough_serve() keeps nothing of it. Any
 * thread. */
void passthrough_requested(void *opaque);

/* reset.c: returns 0, or -errno after the device was declared lost or left as it was. Under the
 * root's lock once it is plugged. */
int passthrough_reset_transport(struct passthrough_device *device);

#endif
