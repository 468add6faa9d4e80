/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_PCI_BUS_H
#define DEVICES_PCI_BUS_H

#include <linux/pci.h>
#include <pthread.h>

#include "devices/pci/root.h"

/* What the files of devices/pci share about buses and the root. Not for other directories. */

#ifndef PCI_HEADER_TYPE_MFD
#define PCI_HEADER_TYPE_MFD 0x80 /* multi-function device (PCIe 7.5.1.1.9) */
#endif

/* Bridges below each other; deeper ones are neither walked nor assigned. */
#define PCI_MAX_DEPTH 8u

struct pci_bus {
	struct pci_root *root;
	struct pci_device *bridge; /* the function this is the secondary bus of; NULL: root bus */
	struct pci_bus *next;      /* all buses of the root, in order of creation */
	uint8_t first_bus;         /* root buses: the range of the host bridge */
	uint8_t last_bus;
	bool in_reset; /* secondary bus reset: nothing below answers */
	bool has_windows;
	struct pci_host_windows windows; /* root buses: set by pci_assign_resources() */
	struct pci_device *devices[256]; /* by devfn */
	struct pci_device host_bridge;   /* the function 0:0.0, on bus 0 only */
};

struct pci_root {
	struct pci_root_options options;
	pthread_mutex_t lock;
	struct pci_bus *buses;
	struct bus_region ecam;
	struct bus_region ports;
	uint32_t config_address; /* CF8 */
	pthread_mutex_t intx_lock;
	uint32_t intx_count[PCI_INTX_GSI_COUNT]; /* functions that drive the pin */
};

/* A new empty bus behind @bridge (NULL: a root bus). Returns NULL when memory is short. */
struct pci_bus *pci_bus_create(struct pci_root *root, struct pci_device *bridge);

/* Takes an empty bus away again. */
void pci_bus_destroy(struct pci_bus *bus);

/* Reset every function on @bus and below (PCIe 7.5.1.3.13). Under the lock. */
void pci_bus_reset(struct pci_bus *bus);

/* The secondary bus of a bridge function, or NULL. */
struct pci_bus *pci_bridge_secondary(const struct pci_device *device);

static inline bool pci_is_bridge(const struct pci_device *device)
{
	return (device->config[PCI_HEADER_TYPE] & PCI_HEADER_TYPE_MASK) == PCI_HEADER_TYPE_BRIDGE;
}

/* Offset of BAR @index in this header type, or 0 when it has no such BAR. */
uint32_t pci_bar_offset(const struct pci_device *device, unsigned int index);

/* A type 0 or type 1 header with nothing behind it; pci_device_init() and root ports. */
void pci_header_init(struct pci_device *device, uint8_t header_type, uint16_t vendor,
		     uint16_t device_id, uint32_t class_code, uint8_t revision);

/* The host bridge function of bus 0. */
void pci_host_bridge_init(struct pci_device *device);

/* What a bridge forwards downstream (PCIe 7.5.1.3.6 to .9); false when the window is closed. */
bool pci_bridge_window(const struct pci_device *bridge, enum pci_bar_kind kind, bool prefetchable,
		       struct pci_window *window);

/*
 * Bring the mapping of every BAR below the root in line with the configuration: first
 * pci_unmap_stale() takes away everything that must go, then pci_map_wanted() gives what may come.
 * Between the two a device hears of the write, so that it decodes before it is reached and is out
 * of reach before it stops. Bounded by the number of functions. Under the lock.
 */
void pci_unmap_stale(struct pci_root *root);
void pci_map_wanted(struct pci_root *root);

/* Unmap all BARs of one function, whatever its configuration says. Under the lock. */
void pci_unmap_bars(struct pci_device *device);

/* The level that the function contributes to its pin changed (level, Interrupt Disable). */
void pci_update_intx(struct pci_device *device, bool interrupt_disable);

/* The function leaves its bus: the line is released, and nothing drives it afterwards. Under the
 * root's lock. */
void pci_unplug_intx(struct pci_device *device);

#endif
