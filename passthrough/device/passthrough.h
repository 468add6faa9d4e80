/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_DEVICE_PASSTHROUGH_H
#define PASSTHROUGH_DEVICE_PASSTHROUGH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/pci/root.h"
#include "core/event_loop.h"
#include "core/guest_memory.h"
#include "core/irq.h"
#include "core/kvm.h"
#include "core/log.h"
#include "passthrough/device/options.h"
#include "passthrough/iommu/spaces.h"

/*
 * One passed-through PCI function, with or without CXL. For the machine layer it goes in two steps,
 * because the guest's address map can only be planned when the sizes of all devices are known:
 *
 *   passthrough_connect()  reach the device, discover it, plan its BARs (no guest state is touched)
 *   passthrough_facts()    sizes for the address plan and for the firmware tables
 *   passthrough_plug()     give it to the guest: BARs, CXL window, interrupts, DMA
 *   passthrough_detach()   take everything back; also after a failed or missing plug
 *
 * connect and plug run in one thread before the first KVM_RUN or, for hotplug, in the thread that
 * does it; detach after the vCPUs are stopped (or after the guest has powered the slot off).
 */
struct passthrough_device;

/* The machine's parts that the device lives on. Everything must outlive the device. */
struct passthrough_environment {
	const struct logger *logger;
	struct kvm_vm *vm;           /* for KVM_DEV_VFIO; NULL in tests */
	struct iommu_spaces *spaces; /* of the machine's kernel VFIO devices; NULL: one each */
	struct guest_memory *memory; /* RAM blocks already added when plug is called */
	struct irq_router *irq;
	struct bus *mmio;
	struct event_loop *loop; /* for the transport's own events; NULL in tests */
	/*
	 * The device wants passthrough_serve(). From any thread, with any lock held, also inside
	 * passthrough_connect(): it may only post. NULL: the owner calls passthrough_serve() when
	 * it likes.
	 */
	void (*attention)(void *opaque, struct passthrough_device *device);
	/* Told once when the device is lost, from passthrough_serve(): metrics, events. */
	void (*lost)(void *opaque, struct passthrough_device *device, const char *reason);
	/* Told once, after lost, when nothing of the device is left here: the host has it again.
	 * The guest should be told that its function is gone. From passthrough_serve(). */
	void (*returned)(void *opaque, struct passthrough_device *device);
	void *opaque;
};

/* What discovery found out. Constant after passthrough_connect(). */
struct passthrough_facts {
	uint16_t vendor;
	uint16_t device;
	uint32_t class_code;   /* 24 bits */
	bool needs_shared_ram; /* vfio-user: the RAM must be MAP_SHARED memfd */
	uint64_t dma_limit;    /* its IOMMU translates no address from here on; 0: no limit */
	bool cxl;              /* the following are valid */
	enum passthrough_memory memory;
	uint64_t dpa_size;       /* bytes of device memory */
	uint64_t window_size;    /* of the CFMWS it wants: dpa_size rounded up to 256 MiB */
	uint64_t window_align;   /* preferred alignment: 256 MiB, 1 GiB when that lets the host use
				    1 GiB pages */
	unsigned int decoders;   /* HDM decoders the guest will see */
	bool firmware_committed; /* the guest finds decoder 0 committed and locked at the window's
				    base: the host's firmware did that, or memory=node asks for it
				    */
	bool host_only;          /* HDM-H; else HDM-D or HDM-DB */
	bool cache_capable;      /* CXL.cache: flex bus of the port must show it too */
	uint16_t window_restrictions; /* for the CFMWS record (CXL 9.17.1.3) */
};

/* One part of a BAR or of the DPA, for the map listing. */
enum passthrough_segment_kind {
	PASSTHROUGH_SEGMENT_DIRECT,    /* the guest touches the device, no exit */
	PASSTHROUGH_SEGMENT_FORWARDED, /* trapped, each access is a region read or write */
	PASSTHROUGH_SEGMENT_COMPONENT, /* trapped, CXL component registers served by the VMM */
	PASSTHROUGH_SEGMENT_MSIX,      /* trapped, MSI-X table or PBA served by the VMM */
	PASSTHROUGH_SEGMENT_EMPTY,     /* BAR space behind the region's end: all-ones */
	PASSTHROUGH_SEGMENT_DPA,       /* CXL memory behind a committed decoder, no exit */
};

struct passthrough_segment {
	enum passthrough_segment_kind kind;
	unsigned int bar; /* 0 to 6; the decoder's number for DPA */
	uint64_t offset;  /* in the BAR; device physical address for DPA */
	uint64_t size;
	bool io;      /* of an I/O BAR: gpa is an I/O port */
	bool mapped;  /* the guest can reach it now */
	uint64_t gpa; /* valid while mapped */
};

/* How long each phase of the attachment took, in nanoseconds of CLOCK_MONOTONIC. */
struct passthrough_timeline {
	uint64_t connect; /* socket or device open and negotiation */
	uint64_t info;    /* device, region and interrupt information, config space snapshot */
	uint64_t plan;    /* capability parsing and segment planning */
	uint64_t map;     /* mmap of windows and DPA */
	uint64_t plug;    /* config space, BARs and decoder into the guest's PCI tree */
	uint64_t slots;   /* memory slots set during plug */
	uint64_t dma;     /* DMA map */
};

/*
 * passthrough_connect() - phase 1. Returns 0 and *@device, or -EINVAL (options contradict each
 * other), -ENOENT/-EACCES/-ECONNREFUSED (not there), -EPROTO (what the device's side says
 * contradicts itself), -ENODEV (lost), -EOPNOTSUPP (no-IOMMU without permission, not PCI), -ENOMEM
 * or another -errno; the log says what would fix it. @environment is copied.
 */
int passthrough_connect(const struct passthrough_options *options,
			const struct passthrough_environment *environment,
			struct passthrough_device **device);

const char *passthrough_id(const struct passthrough_device *device);
const struct passthrough_facts *passthrough_get_facts(const struct passthrough_device *device);

struct passthrough_place {
	struct pci_bus *bus; /* secondary bus of its (CXL) root port, or any bus with a free slot */
	int devfn;           /* -1: next free */
	uint64_t window_base; /* CXL only: the CFMWS of its host bridge, 256 MiB aligned */
	uint64_t window_size; /* at least facts.window_size */
};

/*
 * passthrough_plug() - phase 2. The guest's RAM and the place in the PCI tree exist;
 * pci_assign_resources() comes later. Firmware-committed DPA is mapped now. Returns 0, -EINVAL
 * (window misplaced or too small), -EBUSY/-ENOSPC (PCI slot), -ENOMEM (with the memory lock limit
 * that would be needed), -ENODEV (lost) or another -errno. After a failure only detach is allowed.
 */
int passthrough_plug(struct passthrough_device *device, const struct passthrough_place *place);

/* Takes the function off its bus, unmaps, unmaps DMA, closes. NULL is allowed. vCPUs stopped. */
void passthrough_detach(struct passthrough_device *device);

/* The function in the PCI tree; for listings. */
struct pci_device *passthrough_pci_device(struct passthrough_device *device);

/*
 * passthrough_handle_fault() - KVM_RUN returned EFAULT. @gpa: where, or PASSTHROUGH_GPA_UNKNOWN.
 * When the memory behind one of the device's windows is really gone, the device becomes lost, its
 * windows disappear (the guest reads all-ones) and the vCPU may run again. Kernel VFIO may also
 * refuse for a while (memory decoding off, a reset): 0 is returned after 1 ms so that the vCPU
 * tries again, during a reset of the guest's as long as it takes, else for 500 ms; then the windows
 * disappear until the guest enables memory decoding again. Any thread. Returns 0 (handled, run
 * again) or -ENOENT (not this device).
 */
#define PASSTHROUGH_GPA_UNKNOWN UINT64_MAX
int passthrough_handle_fault(struct passthrough_device *device, uint64_t gpa);

/*
 * passthrough_handle_proven_fault() - the same for an unknown address, but only when this device's
 * memory is known to be refused: its file no longer covers a window, or the guest has turned memory
 * decoding off. With several devices it is asked of all of them first: passthrough_handle_fault()
 * only guesses then, and tries again without an end rather than take device memory away.
 */
int passthrough_handle_proven_fault(struct passthrough_device *device);

/* Whether the device is lost. Any thread. */
bool passthrough_is_lost(const struct passthrough_device *device);

/*
 * passthrough_serve() - what the device's threads could only post: the clean-up of a loss (register
 * windows away, environment.lost told), and giving the device back to a host that wants it
 * (everything away, environment.returned told). Nothing to do is allowed. One thread at a time, the
 * one that owns changes, without locks; it waits for the PCI root's and the device's.
 */
void passthrough_serve(struct passthrough_device *device);

/* Counters for metrics. Any thread; a snapshot. */
struct passthrough_counters {
	uint64_t forwarded_reads;
	uint64_t forwarded_writes;
	uint64_t component_reads;
	uint64_t component_writes;
	uint64_t commits;
	uint64_t decommits;
	uint64_t resets;
	uint64_t lost; /* 0 or 1 */
};
void passthrough_get_counters(const struct passthrough_device *device,
			      struct passthrough_counters *counters);

/* Calls @visit for each segment, BARs first, ascending; under the device's lock. */
void passthrough_visit_segments(struct passthrough_device *device,
				void (*visit)(void *opaque,
					      const struct passthrough_segment *segment),
				void *opaque);

const char *passthrough_segment_name(enum passthrough_segment_kind kind);
const struct passthrough_timeline *
passthrough_get_timeline(const struct passthrough_device *device);

#endif
