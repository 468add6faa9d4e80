/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_KVM_GUEST_GUEST_H
#define TESTS_KVM_GUEST_GUEST_H

/*
 * What a test guest stands on. Each guest checks one behaviour in guest_main(); it ends through the
 * debug-exit port with GUEST_PASS, or with GUEST_FAIL and the line of the check that failed, which
 * is also printed on the serial port. No libc, no HLT.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_PASS 0x600du
#define GUEST_FAIL 0xbad00000u /* | line */

#define PORT_SERIAL     0x3f8
#define PORT_DEBUG_EXIT 0xf4
#define ECAM            0xe0000000ull
#define LAPIC           0xfee00000ull
#define IOAPIC          0xfec00000ull

/* The test itself. Returning is passing. */
void guest_main(void);

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			guest_fail(__FILE__, __LINE__, #condition, 0, 0);                          \
	} while (0)
/* As CHECK(actual == expected), and shows both. */
#define CHECK_EQ(actual, expected)                                                                 \
	do {                                                                                       \
		uint64_t actual_ = (uint64_t)(actual), expected_ = (uint64_t)(expected);           \
		if (actual_ != expected_)                                                          \
			guest_fail(__FILE__, __LINE__, #actual " == " #expected, actual_,          \
				   expected_);                                                     \
	} while (0)

void guest_exit(uint32_t code) __attribute__((noreturn));
void guest_fail(const char *file, int line, const char *what, uint64_t actual, uint64_t expected)
	__attribute__((noreturn));
void print(const char *text);
void print_hex(uint64_t value);

/* ports and memory-mapped registers, each exactly one access of its width */

static inline void outb(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}
static inline void outw(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}
static inline void outl(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}
static inline uint8_t inb(uint16_t port)
{
	uint8_t value;
	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}
static inline uint16_t inw(uint16_t port)
{
	uint16_t value;
	__asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}
static inline uint32_t inl(uint16_t port)
{
	uint32_t value;
	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}
#define DEFINE_MMIO(bits, mov, constraint)                                                         \
	static inline uint##bits##_t mmio_read##bits(uint64_t address)                             \
	{                                                                                          \
		uint##bits##_t value;                                                              \
		__asm__ volatile(mov " (%1), %0" : constraint(value) : "r"(address) : "memory");   \
		return value;                                                                      \
	}                                                                                          \
	static inline void mmio_write##bits(uint64_t address, uint##bits##_t value)                \
	{                                                                                          \
		__asm__ volatile(mov " %0, (%1)" : : "r"(value), "r"(address) : "memory");         \
	}
DEFINE_MMIO(8, "movb", "=r")
DEFINE_MMIO(16, "movw", "=r")
DEFINE_MMIO(32, "movl", "=r")
DEFINE_MMIO(64, "movq", "=r")

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t low, high;
	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}
static inline void wrmsr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}
static inline void barrier(void)
{
	__asm__ volatile("" : : : "memory");
}
static inline void relax(void)
{
	__asm__ volatile("pause" : : : "memory");
}
static inline void interrupts_on(void)
{
	__asm__ volatile("sti" : : : "memory");
}
static inline void interrupts_off(void)
{
	__asm__ volatile("cli" : : : "memory");
}

/* start information */

extern uint32_t start_info; /* guest physical address of hvm_start_info */
const char *guest_cmdline(void);
/* The number behind "name=" on the command line (decimal or 0x), else @fallback. */
uint64_t guest_option(const char *name, uint64_t fallback);
bool guest_memory_map(uint32_t index, uint64_t *base, uint64_t *size, uint32_t *type);
uint64_t guest_rsdp(void);
/* The ACPI table with this signature, or 0. */
uint64_t guest_acpi_table(const char *signature);

/* Identity-map the 2 MiB page around @address (the first 4 GiB are mapped already). */
void guest_map(uint64_t address);

/* interrupts: counted per vector; the local APIC is told at the end of each from 32 on */

extern volatile uint32_t interrupt_count[256];
/* Called in addition, before the end of interrupt is told. */
extern void (*volatile interrupt_hook)(uint8_t vector);
/* Waits until the vector has been counted @count times; false when it takes far too long. */
bool wait_for_interrupts(uint8_t vector, uint32_t count);
/* Long enough for an interrupt that was sent to arrive. */
void settle(void);

void lapic_enable(void);
uint32_t lapic_read(uint32_t reg);
void lapic_write(uint32_t reg, uint32_t value);
void ioapic_route(uint8_t pin, uint8_t vector, bool level);
void ioapic_mask(uint8_t pin);

/* other processors */

#define AP_TRAMPOLINE 0x8000
extern volatile uint32_t ap_started;
/* What application processors run; may return. Set before smp_start(). */
extern void (*volatile ap_function)(uint32_t apic_id);
/* INIT, SIPI, SIPI to one processor. */
void smp_start(uint32_t apic_id);

/* PCI: bus, device, function as one number */

#define BDF(bus, device, function) ((uint32_t)((bus) << 8 | (device) << 3 | (function)))

uint32_t pci_read32(uint32_t bdf, uint32_t offset);
uint16_t pci_read16(uint32_t bdf, uint32_t offset);
uint8_t pci_read8(uint32_t bdf, uint32_t offset);
void pci_write32(uint32_t bdf, uint32_t offset, uint32_t value);
void pci_write16(uint32_t bdf, uint32_t offset, uint16_t value);
/* The same through ports 0xcf8 and 0xcfc. */
uint32_t pci_cf8_read32(uint32_t bdf, uint32_t offset);
/* The first function on bus 0 with these IDs; fails the test when there is none. */
uint32_t pci_find(uint16_t vendor, uint16_t device);
/* Offset of the @nth capability with this ID, 0: none. */
uint32_t pci_capability(uint32_t bdf, uint8_t id, uint32_t nth);
uint64_t pci_bar(uint32_t bdf, uint32_t bar);
/* Size by writing all-ones; the BAR's address is restored. Decoding must be off. */
uint64_t pci_bar_size(uint32_t bdf, uint32_t bar);

#endif
