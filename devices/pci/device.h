/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_PCI_DEVICE_H
#define DEVICES_PCI_DEVICE_H

#include <linux/pci_regs.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/bus.h"
#include "core/guest_memory.h"
#include "core/irq.h"
#include "core/log.h"

/*
 * One PCI Express function: its 4 KiB configuration space (PCIe 7.5), its BARs, and how both are
 * reached.
 *
 * Locking: every configuration access, and everything it causes (bar_mapped, bar_unmapped,
 * config_written, reset), runs under the lock of the struct pci_root (devices/pci/root.h). MMIO
 * and port handlers run without it. Order of locks: pci_root, then the device's own, then bus / irq
 * / guest_memory.
 */
#define PCI_CONFIG_SIZE 4096u
#define PCI_BAR_COUNT   6u
#define PCI_ROM_BAR     6u /* index of the expansion ROM */

struct pci_root;
struct pci_bus;
struct pci_msix;
struct pci_device;

/*
 * How far a reset reaches. Some registers survive a function-level reset only: sticky ones, and
 * what belongs to CXL.cache and CXL.mem (CXL 9.5).
 */
enum pci_reset_kind {
	PCI_RESET_FUNCTION,     /* FLR, PCIe 6.6.2 */
	PCI_RESET_CONVENTIONAL, /* a bridge's secondary bus reset or a machine reset, PCIe 6.6.1 */
};

enum pci_bar_kind {
	PCI_BAR_NONE = 0,
	PCI_BAR_IO,
	PCI_BAR_MEMORY_32,
	PCI_BAR_MEMORY_64, /* takes this index and the next */
	PCI_BAR_ROM,
};

struct pci_bar {
	enum pci_bar_kind kind;
	bool prefetchable;
	uint64_t size; /* power of two; at least 4 (I/O) or 16 (memory) bytes */
	const struct bus_ops
		*ops;     /* trapped as a whole by these, or NULL: only bar_mapped() is told */
	void *opaque;     /* for ops */
	bool mapped;      /* decoded now: enabled in PCI_COMMAND and a valid address */
	uint64_t address; /* where it is decoded; valid while mapped */
	bool refused;     /* the guest asked for a place that cannot be had: refused_address */
	uint64_t refused_address;
	struct bus_region region;
};

struct pci_device_ops {
	/*
	 * All optional. config_read: replace the generic answer; return false to let the generic
	 * code answer. config_write: take the write; return false to let the generic code apply the
	 * write masks. Offsets are within PCI_CONFIG_SIZE, size is 1, 2 or 4 and the access does
	 * not cross a dword.
	 */
	bool (*config_read)(struct pci_device *device, uint32_t offset, unsigned int size,
			    uint32_t *value);
	bool (*config_write)(struct pci_device *device, uint32_t offset, unsigned int size,
			     uint32_t value);
	/*
	 * After the generic code stored a write (masks applied). BARs that the write takes away
	 * are unmapped already, those that it brings are mapped afterwards.
	 */
	void (*config_written)(struct pci_device *device, uint32_t offset, unsigned int size);
	/*
	 * The guest enabled or placed BAR @bar at @address / took it away. bar_mapped() returns 0,
	 * or -errno when the place is impossible (overlaps RAM ...): the BAR then stays unmapped
	 * and reads all-ones.
	 */
	int (*bar_mapped)(struct pci_device *device, unsigned int bar, uint64_t address);
	void (*bar_unmapped)(struct pci_device *device, unsigned int bar);
	/*
	 * The function was unplugged, its BARs are unmapped: wait (bus_remove()) until nobody is
	 * inside a region that the device put on a bus itself in bar_mapped(). Regions with
	 * pci_bar.ops need nothing. Called without a lock.
	 */
	void (*wait_quiet)(struct pci_device *device);
	/* Return to the power-on state, as far as @kind reaches (the generic configuration is
	 * restored by the caller). */
	void (*reset)(struct pci_device *device, enum pci_reset_kind kind);
};

struct pci_device {
	/* Set by the device before pci_device_init(). */
	const char *name; /* "gpu0", "disk0": must outlive the device */
	const struct pci_device_ops *ops;

	/* Set by pci_device_init() and pci_bus_add(). */
	struct pci_root *root;
	struct pci_bus *bus;
	uint8_t devfn;
	uint8_t config[PCI_CONFIG_SIZE];
	uint8_t reset_config[PCI_CONFIG_SIZE]; /* what a reset restores; taken by pci_bus_add() */
	uint8_t writable[PCI_CONFIG_SIZE];     /* bit set: the guest's write is stored */
	uint8_t write_1_to_clear[PCI_CONFIG_SIZE];
	struct pci_bar bars[PCI_BAR_COUNT + 1];
	uint16_t next_capability; /* allocator state, conventional space */
	uint16_t last_capability;
	uint16_t next_ext_capability;
	uint16_t last_ext_capability; /* 0: none yet */
	uint16_t express;             /* offset of the PCI Express capability, 0: none */
	uint16_t power_management;    /* offset of the power management capability, 0: none */
	struct pci_msix *msix;        /* NULL: none (devices/pci/msix.h) */
	struct pci_msi *msi;          /* NULL: none (devices/pci/msi.h) */
	atomic_bool bus_master;       /* PCI_COMMAND, readable without the lock */
	atomic_bool intx_level;       /* what the device drives; see pci_intx.c */
	bool intx_disabled;           /* Interrupt Disable, as pci_intx.c knows it */
	bool intx_driven;             /* what it contributes to its line */
	struct log_ratelimit limit;   /* for everything the guest can cause */
};

/*
 * pci_device_init() - zero everything except name and ops, set the identity and the standard
 * header's write masks.
 * @class_code: 24 bits. A type 0 header; root ports make their own (devices/pci/root_port.h).
 */
void pci_device_init(struct pci_device *device, uint16_t vendor, uint16_t device_id,
		     uint32_t class_code, uint8_t revision, uint16_t subsystem_vendor,
		     uint16_t subsystem_id);

/*
 * Capability helpers: reserve @size bytes (including the header), link the header, return the
 * offset or -ENOSPC. The body is zero and read-only until the caller fills config[] and writable[].
 * Before pci_bus_add() only.
 */
int pci_add_capability(struct pci_device *device, uint8_t id, uint16_t size);
int pci_add_ext_capability(struct pci_device *device, uint16_t id, uint8_t version, uint16_t size);

/*
 * A Designated Vendor-Specific Extended Capability (PCIe 7.9.6): @length includes the 10 header
 * bytes. Returns the offset of the extended capability header or -ENOSPC.
 */
int pci_add_dvsec(struct pci_device *device, uint16_t vendor, uint8_t revision, uint16_t dvsec_id,
		  uint16_t length);

/*
 * The PCI Express capability (version 2) with port type PCI_EXP_TYPE_*. An endpoint whose ops have
 * reset() offers FLR (PCIe 6.6.2). Returns the offset or -ENOSPC.
 */
int pci_add_express(struct pci_device *device, uint8_t port_type);

/*
 * pci_register_bar() - declare BAR @index. @ops NULL: the device maps it itself in bar_mapped().
 * Before pci_bus_add(). Returns 0 or -EINVAL (size no power of two or too small, index taken or out
 * of range, 64-bit at 5).
 */
int pci_register_bar(struct pci_device *device, unsigned int index, enum pci_bar_kind kind,
		     bool prefetchable, uint64_t size, const struct bus_ops *ops, void *opaque);

/*
 * pci_bus_add() - plug the function in. @devfn: -1 takes the next free slot's function 0. The
 * device is owned by the caller and must stay until pci_bus_remove() has returned. Returns 0,
 * -EBUSY (taken), -ENOSPC (bus full).
 */
int pci_bus_add(struct pci_bus *bus, struct pci_device *device, int devfn);

/*
 * pci_bus_remove() - unplug. When it has returned, no other thread is inside a callback of the
 * function (configuration space, BARs) and none will enter; its BARs, MSI-X vectors, GSIs and its
 * interrupt line are given back, and pci_set_intx() has no effect. The device may then be freed.
 * Not under the root's lock and not inside a callback of the function, nor under a lock that one
 * takes: it would wait for ever. A bridge's secondary bus is empty before. No effect on one that is
 * not plugged in; not allowed after pci_root_destroy().
 */
void pci_bus_remove(struct pci_device *device);

/*
 * One guest access to the function's configuration space: what the root calls, and what a device
 * whose ops take an access may call for the part it does not model (the ops are not asked again
 * by the _generic ones). @size is 1, 2 or 4, [offset, offset + size) inside one dword. Under the
 * root's lock.
 */
uint32_t pci_config_read(struct pci_device *device, uint32_t offset, unsigned int size);
void pci_config_write(struct pci_device *device, uint32_t offset, unsigned int size,
		      uint32_t value);
uint32_t pci_config_read_generic(struct pci_device *device, uint32_t offset, unsigned int size);
void pci_config_write_generic(struct pci_device *device, uint32_t offset, unsigned int size,
			      uint32_t value);

/* Drive INTA of the function (level); swizzled through the bridges to an interrupt line. Any
 * thread. */
void pci_set_intx(struct pci_device *device, bool level);

/* The GSI that INTA of this function arrives at; for resampling irqfds. */
uint32_t pci_intx_gsi(const struct pci_device *device);

/* Bus master enable, as the guest set it. Any thread. */
bool pci_bus_master(const struct pci_device *device);

/*
 * Reset the function: BARs unmapped, reset_config restored, interrupts off, then ops->reset().
 * Under the root's lock.
 */
void pci_device_reset(struct pci_device *device, enum pci_reset_kind kind);

#endif
