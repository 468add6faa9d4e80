/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUEST_FW_ACPI_ACPI_H
#define GUEST_FW_ACPI_ACPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The ACPI tables of a machine as a pure function of a description (ACPI 6.5 unless a
 * comment names another text). Nothing here touches KVM, guest memory or files, keeps state or
 * allocates memory; every function may be called from any thread, in any machine state. All input
 * arrays belong to the caller and are only read during the call. guest-fw/acpi/README.md explains
 * the choices.
 */

#define ACPI_CPU_MAX                1024
#define ACPI_IOAPIC_MAX             8
#define ACPI_INTERRUPT_OVERRIDE_MAX 16
#define ACPI_ECAM_MAX               16
#define ACPI_BRIDGE_MAX             64
#define ACPI_BRIDGE_WINDOW_MAX      8
#define ACPI_SERIAL_MAX             4
#define ACPI_CFMWS_MAX              64
#define ACPI_CFMWS_TARGET_MAX       16
#define ACPI_MEMORY_AFFINITY_MAX    256
#define ACPI_GENERIC_AFFINITY_MAX   128
#define ACPI_PROXIMITY_MAX          256
#define ACPI_LOCALITY_MAX           32
#define ACPI_TABLE_MAX              16

/* Where a register lives (the two address spaces of a Generic Address Structure that we use). */
enum acpi_space {
	ACPI_SPACE_MEMORY = 0,
	ACPI_SPACE_IO = 1,
};

/* A device register. An address of 0 means "absent". */
struct acpi_register {
	enum acpi_space space;
	uint64_t address;
};

/* One vCPU (MADT, SRAT). Its ACPI processor UID is its index in acpi_machine.cpus. */
struct acpi_cpu {
	uint32_t apic_id;          /* ids >= 255 get x2APIC entries; unique */
	uint32_t proximity_domain; /* used when an SRAT is built */
	bool disabled;             /* present in the tables, online capable, not enabled at boot */
};

struct acpi_ioapic {
	uint8_t id;
	uint32_t address;
	uint32_t gsi_base;
	uint32_t gsi_count; /* 24 for KVM's; only used to check GSIs */
};

/* MADT interrupt source override: ISA irq -> GSI, with MPS INTI flags (5.2.12.5). */
struct acpi_interrupt_override {
	uint8_t irq;
	uint32_t gsi;
	uint16_t flags; /* 0 conforms to ISA; 0x000d level, active high; 0x000f level, active low */
};

/* MCFG: one configuration window. */
struct acpi_ecam {
	uint64_t base; /* address that bus 0 would have (PCI Firmware 4.1.2); 1 MiB aligned */
	uint16_t segment;
	uint8_t first_bus;
	uint8_t last_bus;
};

enum acpi_window_kind {
	ACPI_WINDOW_IO,
	ACPI_WINDOW_MEMORY, /* wholly below or wholly above 4 GiB */
};

struct acpi_bridge_window {
	enum acpi_window_kind kind;
	/*
	 * Memory only. Linux accepts prefetchable BARs and bridge windows in any window, but others
	 * only in windows without this, so false is right unless the hardware says otherwise.
	 */
	bool prefetchable;
	uint64_t base;
	uint64_t size;
};

enum acpi_bridge_kind {
	ACPI_BRIDGE_PCIE, /* PNP0A08, compatible with PNP0A03 */
	ACPI_BRIDGE_CXL,  /* ACPI0016, compatible with PNP0A08 and PNP0A03 */
};

/* What _OSC grants by default: native hot plug, SHPC, PME, AER, capability structure (CXL 9.18.2).
 */
#define ACPI_OSC_PCI_CONTROL_DEFAULT 0x1fu
/* CXL memory error reporting. */
#define ACPI_OSC_CXL_CONTROL_DEFAULT 0x01u

struct acpi_bridge {
	enum acpi_bridge_kind kind;
	uint32_t uid; /* _UID, and for CXL the UID of its CHBS; unique among bridges of one kind */
	uint16_t segment;
	uint8_t first_bus; /* _BBN */
	uint8_t last_bus;
	bool config_ports; /* this bridge owns ports 0xcf8 to 0xcff (one bridge at most) */
	bool preserve_configuration; /* _DSM function 5: the guest keeps the BARs and buses it finds
				      */
	const struct acpi_bridge_window *windows;
	size_t window_count;
	/* INTx: pin (0 = INTA) of slot goes to acpi_bridge_gsi(). gsi_count 0: no _PRT. */
	uint32_t gsi_base;
	uint32_t gsi_count;
	bool has_proximity_domain; /* else that of cpus[0], if there is an SRAT */
	uint32_t proximity_domain;
	uint32_t osc_pci_control; /* _OSC control bits granted, ACPI_OSC_PCI_CONTROL_DEFAULT */
	uint32_t osc_cxl_control; /* the same for CXL bridges, ACPI_OSC_CXL_CONTROL_DEFAULT */
	/* CHBS, CXL only (contract 5.1). length is 0x10000. */
	uint64_t component_base;
};

/* acpi_bridge_gsi() - the GSI of INTx pin 0..3 of slot 0..31; the _PRT says the same. */
static inline uint32_t acpi_bridge_gsi(const struct acpi_bridge *bridge, unsigned int slot,
				       unsigned int pin)
{
	return bridge->gsi_count ? bridge->gsi_base + (slot + pin) % bridge->gsi_count : 0;
}

/* A 16550 (PNP0501). The first one is also the SPCR console. */
struct acpi_serial {
	uint16_t port;
	uint32_t gsi;
};

/* CFMWS (CXL 9.18.1.3): one fixed memory window. Restriction bits: */
#define ACPI_CFMWS_DEVICE_COHERENT  0x0001u /* Type 2: HDM-D, and HDM-DB with BACK_INVALIDATE */
#define ACPI_CFMWS_HOST_ONLY        0x0002u /* Type 3: HDM-H */
#define ACPI_CFMWS_VOLATILE         0x0004u
#define ACPI_CFMWS_PERSISTENT       0x0008u
#define ACPI_CFMWS_FIXED            0x0010u
#define ACPI_CFMWS_BACK_INVALIDATE  0x0020u
#define ACPI_CFMWS_RESTRICTION_MASK 0x003fu

struct acpi_cfmws {
	uint64_t base;               /* 256 MiB aligned */
	uint64_t size;               /* multiple of 256 MiB times the number of targets */
	uint8_t encoded_granularity; /* 0 = 256 bytes .. 6 = 16 KiB */
	uint16_t restrictions;
	uint16_t qtg_id;
	uint8_t target_count;                    /* 1, 2, 3, 4, 6, 8, 12 or 16; modulo arithmetic */
	uint32_t targets[ACPI_CFMWS_TARGET_MAX]; /* _UIDs of CXL bridges */
};

/* SRAT memory affinity (5.2.16.2). */
struct acpi_memory_affinity {
	uint64_t base;
	uint64_t size;
	uint32_t proximity_domain;
	bool hot_pluggable;
	bool non_volatile;
};

enum acpi_generic_kind {
	ACPI_GENERIC_INITIATOR, /* SRAT type 5 */
	ACPI_GENERIC_PORT,      /* SRAT type 6 */
};

enum acpi_handle_kind {
	ACPI_HANDLE_ACPI, /* hid + uid, e.g. "ACPI0016" and a bridge's uid */
	ACPI_HANDLE_PCI,
};

/* SRAT generic initiator / generic port affinity (5.2.16.6, 5.2.16.7). */
struct acpi_generic_affinity {
	enum acpi_generic_kind kind;
	enum acpi_handle_kind handle;
	uint32_t proximity_domain;
	char hid[9]; /* exactly 8 characters and a NUL, for ACPI_HANDLE_ACPI */
	uint32_t uid;
	uint16_t segment; /* for ACPI_HANDLE_PCI */
	uint8_t bus;
	uint8_t devfn;
};

/* HMAT system locality latency and bandwidth information (5.2.28.4). */
enum acpi_locality_data {
	ACPI_LOCALITY_ACCESS_LATENCY = 0,
	ACPI_LOCALITY_READ_LATENCY = 1,
	ACPI_LOCALITY_WRITE_LATENCY = 2,
	ACPI_LOCALITY_ACCESS_BANDWIDTH = 3,
	ACPI_LOCALITY_READ_BANDWIDTH = 4,
	ACPI_LOCALITY_WRITE_BANDWIDTH = 5,
};

struct acpi_locality {
	enum acpi_locality_data data;
	uint64_t base_unit; /* picoseconds or MB/s that an entry of 1 stands for; not 0 */
	const uint32_t *initiators;
	size_t initiator_count;
	const uint32_t *targets;
	size_t target_count;
	const uint16_t *entries; /* [initiator][target]; 0xffff: not reachable */
};

/* HMAT memory proximity domain attributes (5.2.28.3): the initiator a memory is attached to. */
struct acpi_memory_attachment {
	uint32_t initiator_domain;
	uint32_t memory_domain;
};

/*
 * General event device (ACPI0013, 5.6.9). Its 32-bit event register returns the pending bits and
 * clears them when read; the VMM sets a bit and raises the (edge triggered) GSI.
 */
#define ACPI_GED_POWER_BUTTON 0x1u /* Notify(PNP0C0C, 0x80) */
#define ACPI_GED_PCI_RESCAN   0x2u /* Notify(every host bridge, 0): bus check */

struct acpi_ged {
	struct acpi_register event; /* address 0: no GED */
	uint32_t gsi;
	uint32_t events; /* the ACPI_GED_* bits the VMM may raise */
};

/* The machine. Zero-initialise, then fill: zero means absent everywhere. */
struct acpi_machine {
	const struct acpi_cpu *cpus;
	size_t cpu_count;       /* at least 1 */
	bool processor_devices; /* ACPI0007 objects in the DSDT; Linux boots faster without */

	uint32_t local_apic_address; /* 0xfee00000 */
	const struct acpi_ioapic *ioapics;
	size_t ioapic_count; /* at least 1 */
	const struct acpi_interrupt_override *overrides;
	size_t override_count;

	const struct acpi_ecam *ecams;
	size_t ecam_count;
	const struct acpi_bridge *bridges;
	size_t bridge_count;

	/* Sleep (5.2.9, 4.8.3.7): Linux needs both or neither. S5 is SLP_TYP acpi_machine.s5_type.
	 */
	struct acpi_register sleep_control;
	struct acpi_register sleep_status;
	uint8_t s5_type; /* 0..7 */
	struct acpi_register reset;
	uint8_t reset_value;
	/*
	 * 32-bit ACPI PM timer, 0: none. Linux 7.x needs it when it has no kvmclock, that is when
	 * the hypervisor flag is hidden: in hardware-reduced mode it does not calibrate against the
	 * PIT.
	 */
	uint16_t pm_timer_port;
	struct acpi_ged ged;

	const struct acpi_serial *serials;
	size_t serial_count;
	bool spcr; /* describe serials[0] as the firmware console */
	bool rtc;  /* CMOS clock at ports 0x70, 0x71 (PNP0B00), without an alarm interrupt */
	uint8_t rtc_century; /* index of the CMOS byte that holds the century, 0: none */
	/* A whole keyboard controller (PNP0303, irq 1). Leave false for a reset-only port 0x64:
	 * then Linux does not probe a keyboard and still resets by the reset register or
	 * `reboot=k`. */
	bool i8042;
	uint16_t pvpanic_port; /* 0x505, 0: none */

	/* CXL: ACPI0017 and CEDT exist when there is a CXL bridge. */
	const struct acpi_cfmws *cfmws;
	size_t cfmws_count;

	/* SRAT exists when memory_count is not 0; then every RAM byte should be covered. */
	const struct acpi_memory_affinity *memory;
	size_t memory_count;
	const struct acpi_generic_affinity *generic;
	size_t generic_count;

	/* SLIT exists when distance_count is not 0: distances[from * distance_count + to]. */
	const uint8_t *distances;
	size_t distance_count;

	/* HMAT exists when either list has an entry. */
	const struct acpi_memory_attachment *attachments;
	size_t attachment_count;
	const struct acpi_locality *localities;
	size_t locality_count;
};

struct acpi_table_place {
	char signature[5]; /* "DSDT", ... ; "RSDP" for the root pointer */
	size_t offset;     /* in the buffer, 16-byte aligned */
	size_t length;
};

struct acpi_result {
	uint64_t rsdp; /* guest physical address of the RSDP */
	size_t used;   /* bytes of the buffer used; on -ENOSPC the bytes needed */
	size_t table_count;
	struct acpi_table_place tables[ACPI_TABLE_MAX];
	char reason[160]; /* on -EINVAL: the field, its value and what would be right */
};

/* A buffer of this size is enough for 64 vCPUs, 16 bridges and 16 windows. */
#define ACPI_SIZE_TYPICAL (256u * 1024u)

/*
 * acpi_check() - validate a description without building anything.
 * @reason: receives a sentence when the result is -EINVAL, else "".
 * Returns 0 or -EINVAL.
 */
int acpi_check(const struct acpi_machine *machine, char *reason, size_t reason_size);

/*
 * acpi_build() - lay all tables out for guest physical address @gpa.
 * @gpa: where the buffer's bytes will be copied; 16-byte aligned, gpa + size must not wrap.
 * @buffer: NULL with size 0 asks for the size needed (-ENOSPC and result->used).
 * @result: filled on success; result->reason on -EINVAL.
 * The bytes depend on the arguments only. Bytes of the buffer beyond result->used are untouched;
 * after a failure the buffer's content is undefined.
 * Returns 0, -EINVAL (bad description or address) or -ENOSPC.
 */
int acpi_build(const struct acpi_machine *machine, uint64_t gpa, void *buffer, size_t size,
	       struct acpi_result *result);

#endif
