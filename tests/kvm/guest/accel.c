/* SPDX-License-Identifier: Apache-2.0 */
#include "accel.h"

#define EXT_CAP_DVSEC 0x23u
#define CXL_VENDOR    0x1e98u
#define RING_ENTRIES  16u

static struct cxvm_accel_descriptor rings[8][RING_ENTRIES] __attribute__((aligned(4096)));

uint32_t accel_dvsec(uint32_t bdf, uint16_t id)
{
	uint32_t at = 0x100;

	for (unsigned int hops = 0; at >= 0x100 && hops < 64; hops++) {
		uint32_t header = pci_read32(bdf, at);

		if ((header & 0xffff) == EXT_CAP_DVSEC && pci_read16(bdf, at + 4) == CXL_VENDOR &&
		    pci_read16(bdf, at + 8) == id)
			return at;
		at = header >> 20;
	}
	return 0;
}

/* CXL 8.1.9: the component register block of the Register Locator. */
static uint64_t find_component(uint32_t bdf)
{
	uint32_t locator = accel_dvsec(bdf, 8);
	uint32_t length;

	CHECK(locator != 0);
	length = pci_read32(bdf, locator + 4) >> 20;
	for (uint32_t at = 0x0c; at + 8 <= length; at += 8) {
		uint32_t low = pci_read32(bdf, locator + at);

		if ((low >> 8 & 0xff) == 1)
			return pci_bar(bdf, low & 7) + (low & 0xffff0000u) +
			       ((uint64_t)pci_read32(bdf, locator + at + 4) << 32);
	}
	return 0;
}

/* CXL 8.2.4: a structure of the capability array. */
static uint64_t find_structure(const struct accel *accel, uint16_t id)
{
	uint32_t array = accel_component(accel, 0x1000);

	CHECK_EQ(array & 0xffff, 1);
	for (uint32_t i = 1; i <= array >> 24; i++) {
		uint32_t entry = accel_component(accel, 0x1000 + 4 * i);

		if ((entry & 0xffff) == id)
			return accel->component + 0x1000 + (entry >> 20);
	}
	return 0;
}

/* CXL 9.18.1: the UID of the index-th host bridge (CHBS record), which is its bus number here. */
static uint32_t find_bridge(uint32_t index)
{
	uint64_t cedt = guest_acpi_table("CEDT");

	CHECK(cedt != 0);
	for (uint32_t at = 36, end = mmio_read32(cedt + 4); at + 4 <= end;
	     at += mmio_read16(cedt + at + 2))
		if (mmio_read8(cedt + at) == 0 && index-- == 0)
			return mmio_read32(cedt + at + 4);
	CHECK(!"a host bridge for each accelerator");
	return 0;
}

/* CXL 9.18.1.3: the fixed memory window whose only target is this host bridge. */
static void find_fixed_window(struct accel *accel, uint32_t uid)
{
	uint64_t cedt = guest_acpi_table("CEDT");

	for (uint32_t at = 36, end = mmio_read32(cedt + 4); at + 4 <= end;
	     at += mmio_read16(cedt + at + 2)) {
		if (mmio_read8(cedt + at) != 1 || mmio_read32(cedt + at + 36) != uid)
			continue;
		accel->fixed_base = mmio_read64(cedt + at + 8);
		accel->fixed_size = mmio_read64(cedt + at + 16);
		return;
	}
}

static void find_window(struct accel *accel)
{
	uint32_t at;
	uint64_t bar;

	for (uint32_t nth = 0;; nth++) {
		at = pci_capability(accel->bdf, CXVM_ACCEL_CAP_ID, nth);
		CHECK(at != 0);
		if (pci_read32(accel->bdf, at + CXVM_ACCEL_CAP_SIGNATURE) == CXVM_ACCEL_SIGNATURE)
			break;
	}
	bar = pci_bar(accel->bdf, pci_read32(accel->bdf, at + CXVM_ACCEL_CAP_BAR));
	accel->window = bar + pci_read32(accel->bdf, at + CXVM_ACCEL_CAP_OFFSET);
	accel->scratch = accel->window + pci_read32(accel->bdf, at + CXVM_ACCEL_CAP_SCRATCH);
	guest_map(accel->window);
	guest_map(accel->scratch);
}

void accel_find(struct accel *accel, uint32_t index)
{
	uint32_t uid = find_bridge(index), table;
	uint32_t bus = pci_read8(BDF(uid, 0, 0), 0x19); /* the secondary bus of its root port */

	*accel = (struct accel){.bdf = BDF(bus, 0, 0), .ring = rings[index]};
	CHECK_EQ(pci_read32(accel->bdf, 0),
		 (uint32_t)CXVM_ACCEL_PCI_DEVICE << 16 | CXVM_ACCEL_PCI_VENDOR);
	for (uint32_t bar = 0; bar < 6; bar++)
		accel->bars[bar] = pci_read32(accel->bdf, 0x10 + 4 * bar);
	pci_write16(BDF(uid, 0, 0), 4, 6);
	pci_write16(accel->bdf, 4, 6);
	accel->express = pci_capability(accel->bdf, 0x10, 0);
	accel->msix = pci_capability(accel->bdf, 0x11, 0);
	accel->dvsec = accel_dvsec(accel->bdf, 0);
	CHECK(accel->express && accel->msix && accel->dvsec);
	CHECK(accel_dvsec(accel->bdf, 5) && accel_dvsec(accel->bdf, 7));
	table = pci_read32(accel->bdf, accel->msix + 4);
	accel->msix_table = pci_bar(accel->bdf, table & 7) + (table & ~7u);
	guest_map(accel->msix_table);
	accel->component = find_component(accel->bdf);
	CHECK(accel->component != 0);
	guest_map(accel->component);
	guest_map(accel->component + 0x1000);
	accel->hdm = find_structure(accel, 5);
	accel->ras = find_structure(accel, 2);
	CHECK(accel->hdm && accel->ras);
	find_window(accel);
	find_fixed_window(accel, uid);
	CHECK(accel->fixed_size >= 0x10000000);
	guest_map(accel->fixed_base);
}

bool accel_is_committed(const struct accel *accel)
{
	return (mmio_read32(accel->hdm + HDM_CONTROL) & 0xc00) == 0x400;
}

bool accel_commit(const struct accel *accel)
{
	mmio_write32(accel->hdm + HDM_GLOBAL, 2);
	mmio_write32(accel->hdm + HDM_BASE, (uint32_t)accel->fixed_base);
	mmio_write32(accel->hdm + HDM_BASE + 4, (uint32_t)(accel->fixed_base >> 32));
	mmio_write32(accel->hdm + HDM_SIZE, (uint32_t)accel->fixed_size);
	mmio_write32(accel->hdm + HDM_SIZE + 4, (uint32_t)(accel->fixed_size >> 32));
	mmio_write32(accel->hdm + HDM_CONTROL, 0x200);
	return accel_is_committed(accel);
}

void accel_restore(const struct accel *accel)
{
	for (uint32_t bar = 0; bar < 6; bar++)
		pci_write32(accel->bdf, 0x10 + 4 * bar, accel->bars[bar]);
	pci_write16(accel->bdf, 4, 6);
}

void accel_function_reset(struct accel *accel)
{
	pci_write16(accel->bdf, accel->express + 8, 0x8000);
	accel->tail = 0;
}

void accel_set_msix(const struct accel *accel, uint32_t entry, uint8_t vector)
{
	uint64_t at = accel->msix_table + 16 * (uint64_t)entry;

	mmio_write32(at + 0, 0xfee00000);
	mmio_write32(at + 4, 0);
	mmio_write32(at + 8, vector);
	mmio_write32(at + 12, 0);
	pci_write16(accel->bdf, accel->msix + 2, 0x8000);
}

static uint64_t queue(const struct accel *accel, uint32_t reg)
{
	return accel->window + CXVM_ACCEL_QUEUE_BASE(0) + reg;
}

void accel_start(struct accel *accel, uint32_t msix_entry)
{
	CHECK_EQ(mmio_read32(accel->window + CXVM_ACCEL_REG_SIGNATURE), CXVM_ACCEL_SIGNATURE);
	mmio_write32(queue(accel, CXVM_ACCEL_QUEUE_ENABLE), 0);
	for (uint32_t i = 0;
	     mmio_read32(queue(accel, CXVM_ACCEL_QUEUE_STATE)) != CXVM_ACCEL_QUEUE_DISABLED; i++) {
		CHECK(i < 100000);
		inb(0x61);
	}
	accel->tail = 0;
	mmio_write64(queue(accel, CXVM_ACCEL_QUEUE_RING_ADDRESS), (uint64_t)accel->ring);
	mmio_write32(queue(accel, CXVM_ACCEL_QUEUE_RING_SPACE), CXVM_ACCEL_SPACE_DMA);
	mmio_write32(queue(accel, CXVM_ACCEL_QUEUE_RING_ENTRIES), RING_ENTRIES);
	mmio_write32(queue(accel, CXVM_ACCEL_QUEUE_VECTOR), msix_entry);
	mmio_write32(queue(accel, CXVM_ACCEL_QUEUE_TAIL), 0);
	mmio_write32(queue(accel, CXVM_ACCEL_QUEUE_ENABLE), 1);
}

void accel_fill(struct accel *accel, uint64_t offset, uint64_t length, uint32_t value,
		bool interrupt)
{
	struct cxvm_accel_descriptor *job = &accel->ring[accel->tail % RING_ENTRIES];

	*job = (struct cxvm_accel_descriptor){
		.opcode = CXVM_ACCEL_OP_FILL,
		.flags = interrupt ? CXVM_ACCEL_FLAG_INTERRUPT : 0,
		.destination = offset,
		.destination_space = CXVM_ACCEL_SPACE_DPA,
		.length = length,
		.value = value,
	};
	barrier();
	mmio_write32(queue(accel, CXVM_ACCEL_QUEUE_TAIL), ++accel->tail);
}

bool accel_wait(const struct accel *accel)
{
	for (uint32_t i = 0; i < 200000; i++) {
		if (mmio_read32(queue(accel, CXVM_ACCEL_QUEUE_HEAD)) == accel->tail)
			return accel->tail == 0 ||
			       accel->ring[(accel->tail - 1) % RING_ENTRIES].status ==
				       CXVM_ACCEL_STATUS_DONE;
		inb(0x61); /* gives the server's thread time */
	}
	return false;
}
