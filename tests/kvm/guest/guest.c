/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

struct frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

struct idt_entry {
	uint16_t offset_low;
	uint16_t selector;
	uint8_t ist;
	uint8_t type;
	uint16_t offset_middle;
	uint32_t offset_high;
	uint32_t reserved;
};

struct idt_entry guest_idt[256] __attribute__((aligned(16)));
volatile uint32_t interrupt_count[256];
void (*volatile interrupt_hook)(uint8_t vector);
void (*volatile ap_function)(uint32_t apic_id);
extern const uint8_t interrupt_stubs[];
extern const uint8_t ap_trampoline[], ap_trampoline_end[];
extern uint64_t page_pml4[512], page_pdpt[512];

void guest_start(void);
void guest_ap_start(void);
void guest_interrupt(struct frame *frame);

void *memset(void *destination, int value, size_t size)
{
	for (uint8_t *byte = destination; size-- > 0; byte++)
		*byte = (uint8_t)value;
	return destination;
}

void *memcpy(void *destination, const void *source, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)destination)[i] = ((const uint8_t *)source)[i];
	return destination;
}

void print(const char *text)
{
	for (; *text; text++)
		outb(PORT_SERIAL, (uint8_t)*text);
}

void print_hex(uint64_t value)
{
	char text[19] = "0x";
	unsigned int digits = 1;

	while (digits < 16 && value >> (4 * digits))
		digits++;
	for (unsigned int i = 0; i < digits; i++)
		text[2 + i] = "0123456789abcdef"[value >> (4 * (digits - 1 - i)) & 15];
	text[2 + digits] = '\0';
	print(text);
}

void guest_exit(uint32_t code)
{
	for (;;)
		outl(PORT_DEBUG_EXIT, code);
}

void guest_fail(const char *file, int line, const char *what, uint64_t actual, uint64_t expected)
{
	interrupts_off();
	print("FAIL ");
	print(file);
	print(":");
	print_hex((uint64_t)line);
	print(": ");
	print(what);
	if (actual != expected) {
		print(": ");
		print_hex(actual);
		print(", expected ");
		print_hex(expected);
	}
	print("\n");
	guest_exit(GUEST_FAIL | ((uint32_t)line & 0xffff));
}

void guest_interrupt(struct frame *frame)
{
	uint8_t vector = (uint8_t)frame->vector;

	if (vector < 32) {
		print("exception ");
		print_hex(vector);
		print(" error ");
		print_hex(frame->error);
		print(" at ");
		print_hex(frame->rip);
		print("\n");
		guest_exit(GUEST_FAIL | 0xe000 | vector);
	}
	interrupt_count[vector]++;
	if (interrupt_hook)
		interrupt_hook(vector);
	mmio_write32(LAPIC + 0xb0, 0);
}

void guest_start(void)
{
	for (unsigned int i = 0; i < 256; i++) {
		uint64_t stub = (uint64_t)interrupt_stubs + 16 * i;

		guest_idt[i] = (struct idt_entry){
			.offset_low = (uint16_t)stub,
			.selector = 0x08,
			.type = 0x8e,
			.offset_middle = (uint16_t)(stub >> 16),
			.offset_high = (uint32_t)(stub >> 32),
		};
	}
	guest_main();
	guest_exit(GUEST_PASS);
}

void guest_ap_start(void)
{
	if (ap_function)
		ap_function(lapic_read(0x20) >> 24);
}

/* hvm_start_info, version 1 (xen/include/public/arch-x86/hvm/start_info.h) */
struct hvm_start_info {
	uint32_t magic, version, flags, module_count;
	uint64_t modules, cmdline, rsdp, memory_map;
	uint32_t memory_map_entries, reserved;
};
struct hvm_memory_map_entry {
	uint64_t base, size;
	uint32_t type, reserved;
};

static const struct hvm_start_info *info(void)
{
	const struct hvm_start_info *start = (const void *)(uint64_t)start_info;

	CHECK_EQ(start->magic, 0x336ec578);
	return start;
}

const char *guest_cmdline(void)
{
	return info()->cmdline ? (const char *)info()->cmdline : "";
}

uint64_t guest_option(const char *name, uint64_t fallback)
{
	for (const char *at = guest_cmdline(); *at; at++) {
		const char *a = at, *b = name;
		uint64_t value = 0, base = 10;

		while (*b && *a == *b) {
			a++;
			b++;
		}
		if (*b || *a != '=')
			continue;
		a++;
		if (a[0] == '0' && a[1] == 'x') {
			base = 16;
			a += 2;
		}
		for (;; a++) {
			if (*a >= '0' && *a <= '9')
				value = value * base + (uint64_t)(*a - '0');
			else if (base == 16 && *a >= 'a' && *a <= 'f')
				value = value * base + (uint64_t)(*a - 'a' + 10);
			else
				return value;
		}
	}
	return fallback;
}

bool guest_memory_map(uint32_t index, uint64_t *base, uint64_t *size, uint32_t *type)
{
	const struct hvm_memory_map_entry *entry = (const void *)info()->memory_map;

	if (info()->version < 1 || index >= info()->memory_map_entries)
		return false;
	*base = entry[index].base;
	*size = entry[index].size;
	*type = entry[index].type;
	return true;
}

uint64_t guest_rsdp(void)
{
	return info()->rsdp;
}

static bool signature_is(uint64_t table, const char *signature)
{
	for (unsigned int i = 0; i < 4; i++)
		if (mmio_read8(table + i) != (uint8_t)signature[i])
			return false;
	return true;
}

uint64_t guest_acpi_table(const char *signature)
{
	uint64_t xsdt;
	uint32_t length;

	CHECK(guest_rsdp() != 0);
	xsdt = mmio_read64(guest_rsdp() + 24);
	CHECK(signature_is(xsdt, "XSDT"));
	length = mmio_read32(xsdt + 4);
	for (uint32_t offset = 36; offset + 8 <= length; offset += 8)
		if (signature_is(mmio_read64(xsdt + offset), signature))
			return mmio_read64(xsdt + offset);
	return 0;
}

void guest_map(uint64_t address)
{
	static uint64_t pool[16][512] __attribute__((aligned(4096)));
	static unsigned int used;
	uint64_t *table = page_pml4;

	if (address >> 32 == 0)
		return;
	for (unsigned int shift = 39; shift > 21; shift -= 9) {
		uint64_t *entry = &table[address >> shift & 511];

		if (!*entry) {
			CHECK(used < 16);
			*entry = (uint64_t)pool[used++] | 3;
		}
		table = (uint64_t *)(*entry & ~0xfffull);
	}
	table[address >> 21 & 511] = (address & ~0x1fffffull) | 0x83;
	__asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

bool wait_for_interrupts(uint8_t vector, uint32_t count)
{
	for (uint32_t i = 0; i < 3000000; i++) {
		if (interrupt_count[vector] >= count)
			return true;
		relax();
	}
	return false;
}

void settle(void)
{
	/* Each exit gives the host's threads time to act. */
	for (uint32_t i = 0; i < 2000; i++)
		inb(0x61);
}

uint32_t lapic_read(uint32_t reg)
{
	return mmio_read32(LAPIC + reg);
}

void lapic_write(uint32_t reg, uint32_t value)
{
	mmio_write32(LAPIC + reg, value);
}

void lapic_enable(void)
{
	lapic_write(0xf0, 0x1ff);
	lapic_write(0x80, 0);
	interrupts_on();
}

static void ioapic_write(uint32_t index, uint32_t value)
{
	mmio_write32(IOAPIC, index);
	mmio_write32(IOAPIC + 0x10, value);
}

void ioapic_route(uint8_t pin, uint8_t vector, bool level)
{
	ioapic_write(0x11 + 2u * pin, 0);
	ioapic_write(0x10 + 2u * pin, vector | (level ? 1u << 15 : 0));
}

void ioapic_mask(uint8_t pin)
{
	ioapic_write(0x10 + 2u * pin, 1u << 16);
}

void smp_start(uint32_t apic_id)
{
	memcpy((void *)AP_TRAMPOLINE, ap_trampoline, (size_t)(ap_trampoline_end - ap_trampoline));
	barrier();
	lapic_write(0x310, apic_id << 24);
	lapic_write(0x300, 0x4500); /* INIT */
	settle();
	for (unsigned int i = 0; i < 2; i++) {
		lapic_write(0x310, apic_id << 24);
		lapic_write(0x300, 0x4600 | AP_TRAMPOLINE >> 12); /* SIPI */
	}
}

static uint64_t ecam(uint32_t bdf, uint32_t offset)
{
	return ECAM + ((uint64_t)bdf << 12) + offset;
}

uint32_t pci_read32(uint32_t bdf, uint32_t offset)
{
	return mmio_read32(ecam(bdf, offset));
}

uint16_t pci_read16(uint32_t bdf, uint32_t offset)
{
	return mmio_read16(ecam(bdf, offset));
}

uint8_t pci_read8(uint32_t bdf, uint32_t offset)
{
	return mmio_read8(ecam(bdf, offset));
}

void pci_write32(uint32_t bdf, uint32_t offset, uint32_t value)
{
	mmio_write32(ecam(bdf, offset), value);
}

void pci_write16(uint32_t bdf, uint32_t offset, uint16_t value)
{
	mmio_write16(ecam(bdf, offset), value);
}

uint32_t pci_cf8_read32(uint32_t bdf, uint32_t offset)
{
	outl(0xcf8, 0x80000000u | bdf << 8 | (offset & 0xfc));
	return inl(0xcfc);
}

uint32_t pci_find(uint16_t vendor, uint16_t device)
{
	for (uint32_t slot = 0; slot < 32; slot++)
		if (pci_read32(BDF(0, slot, 0), 0) == ((uint32_t)device << 16 | vendor))
			return BDF(0, slot, 0);
	guest_fail("pci_find", 0, "the device is absent", device, 0);
}

uint32_t pci_capability(uint32_t bdf, uint8_t id, uint32_t nth)
{
	uint32_t offset = pci_read8(bdf, 0x34);

	for (unsigned int i = 0; i < 64 && offset; i++) {
		if (pci_read8(bdf, offset) == id && nth-- == 0)
			return offset;
		offset = pci_read8(bdf, offset + 1);
	}
	return 0;
}

uint64_t pci_bar(uint32_t bdf, uint32_t bar)
{
	uint32_t low = pci_read32(bdf, 0x10 + 4 * bar);
	uint64_t address = low & ~(low & 1 ? 3u : 0xfu);

	if ((low & 7) == 4)
		address |= (uint64_t)pci_read32(bdf, 0x14 + 4 * bar) << 32;
	return address;
}

uint64_t pci_bar_size(uint32_t bdf, uint32_t bar)
{
	uint32_t low = pci_read32(bdf, 0x10 + 4 * bar), high = 0;
	bool wide = (low & 7) == 4;
	uint64_t mask;

	if (wide)
		high = pci_read32(bdf, 0x14 + 4 * bar);
	pci_write32(bdf, 0x10 + 4 * bar, 0xffffffff);
	mask = pci_read32(bdf, 0x10 + 4 * bar) & ~(low & 1 ? 3u : 0xfu);
	if (wide) {
		pci_write32(bdf, 0x14 + 4 * bar, 0xffffffff);
		mask |= (uint64_t)pci_read32(bdf, 0x14 + 4 * bar) << 32;
		pci_write32(bdf, 0x14 + 4 * bar, high);
	} else {
		mask |= 0xffffffff00000000ull;
	}
	pci_write32(bdf, 0x10 + 4 * bar, low);
	return ~mask + 1;
}
