/* SPDX-License-Identifier: Apache-2.0 */
#include "machine_example.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GPA  UINT64_C(0xe0000)
#define SIZE 65536

struct built {
	uint8_t data[SIZE];
	struct acpi_result result;
};

static void build(const struct example *example, struct built *built)
{
	cr_assert_eq(acpi_build(&example->machine, GPA, built->data, SIZE, &built->result), 0, "%s",
		     built->result.reason);
}

static uint64_t get(const uint8_t *data, size_t offset, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++)
		value |= (uint64_t)data[offset + i] << (8 * i);
	return value;
}

static const uint8_t *table(const struct built *built, const char *signature, size_t *length)
{
	const struct acpi_table_place *place = example_table(&built->result, signature);

	cr_assert_not_null(place, "no %s", signature);
	*length = place->length;
	return built->data + place->offset;
}

static uint8_t sum(const uint8_t *data, size_t size)
{
	uint8_t total = 0;

	for (size_t i = 0; i < size; i++)
		total = (uint8_t)(total + data[i]);
	return total;
}

/* Compare what follows the header (or a later offset) with the bytes of the specification. */
#define EXPECT_BODY(built, signature, offset, ...)                                                 \
	do {                                                                                       \
		const uint8_t want_[] = {__VA_ARGS__};                                             \
		size_t length_;                                                                    \
		const uint8_t *data_ = table(built, signature, &length_);                          \
		cr_assert_eq(length_ - (offset), sizeof(want_), "%s has %zu bytes, not %zu",       \
			     signature, length_ - (offset), sizeof(want_));                        \
		for (size_t i_ = 0; i_ < sizeof(want_); i_++)                                      \
			cr_assert_eq(data_[(offset) + i_], want_[i_],                              \
				     "%s: byte %zu is %#x, not %#x", signature, (offset) + i_,     \
				     data_[(offset) + i_], want_[i_]);                             \
	} while (0)

#define LE16(x) (x) & 0xff, (x) >> 8 & 0xff
#define LE32(x) LE16(x), (x) >> 16 & 0xff, (x) >> 24 & 0xff
#define LE64(x) LE32(x), (x) >> 32 & 0xff, (x) >> 40 & 0xff, (x) >> 48 & 0xff, (x) >> 56 & 0xff

Test(acpi, headers_checksums_and_pointers)
{
	struct example example;
	struct built built;
	const uint8_t *rsdp, *xsdt;
	size_t length, entries = 0;

	example_full(&example);
	build(&example, &built);
	cr_assert_eq(built.result.table_count, 11);
	for (size_t i = 0; i < built.result.table_count; i++) {
		const struct acpi_table_place *place = &built.result.tables[i];
		const uint8_t *data = built.data + place->offset;

		cr_assert_eq(place->offset % 16, 0);
		cr_assert_leq(place->offset + place->length, built.result.used);
		cr_assert_eq(sum(data, place->length), 0, "checksum of %s", place->signature);
		if (strcmp(place->signature, "RSDP") != 0) {
			cr_assert_eq(memcmp(data, place->signature, 4), 0);
			cr_assert_eq(get(data, 4, 4), place->length);
			cr_assert_eq(memcmp(data + 10, "CXVM  CXVM", 10), 0);
		}
	}
	rsdp = table(&built, "RSDP", &length);
	cr_assert_eq(built.result.rsdp, GPA + (uint64_t)(rsdp - built.data));
	cr_assert_eq(memcmp(rsdp, "RSD PTR ", 8), 0);
	cr_assert_eq(sum(rsdp, 20), 0);
	cr_assert_eq(sum(rsdp, 36), 0);
	cr_assert_eq(rsdp[15], 2);
	cr_assert_eq(get(rsdp, 16, 4), 0);
	cr_assert_eq(get(rsdp, 20, 4), 36);

	xsdt = table(&built, "XSDT", &length);
	cr_assert_eq(get(rsdp, 24, 8), GPA + (uint64_t)(xsdt - built.data));
	for (size_t offset = 36; offset < length; offset += 8, entries++) {
		uint64_t address = get(xsdt, offset, 8);
		bool found = false;

		for (size_t i = 0; i < built.result.table_count; i++)
			found |= GPA + built.result.tables[i].offset == address;
		cr_assert(found, "XSDT entry %#lx is no table", address);
	}
	cr_assert_eq(entries, 8); /* all but RSDP, XSDT and DSDT */
}

Test(acpi, absent_things_have_no_table)
{
	struct example example;
	struct built built;

	example_minimal(&example);
	build(&example, &built);
	cr_assert_eq(built.result.table_count, 6);
	cr_assert_not_null(example_table(&built.result, "MCFG"));
	cr_assert_null(example_table(&built.result, "CEDT"));
	cr_assert_null(example_table(&built.result, "SRAT"));
	cr_assert_null(example_table(&built.result, "SPCR"));
	example.machine.ecam_count = 0;
	build(&example, &built);
	cr_assert_null(example_table(&built.result, "MCFG"));
}

Test(acpi, fadt_is_hardware_reduced)
{
	struct example example;
	struct built built;
	const uint8_t *fadt;
	size_t length;

	example_full(&example);
	build(&example, &built);
	fadt = table(&built, "FACP", &length);
	cr_assert_eq(length, 276);
	cr_assert_eq(fadt[8], 6);
	cr_assert_eq(fadt[131], 5);
	cr_assert_eq(get(fadt, 76, 4), 0x608);
	cr_assert_eq(fadt[91], 4);
	cr_assert_eq(fadt[108], 0x32);
	cr_assert_eq(get(fadt, 109, 2), 0x0006); /* 8042, no VGA, CMOS clock there */
	cr_assert_eq(get(fadt, 112, 4), 0x00100535);
	/* Generic addresses: I/O, 8 bits, byte access. */
	cr_assert_eq(get(fadt, 116, 4), 0x01000801);
	cr_assert_eq(get(fadt, 120, 8), 0x602);
	cr_assert_eq(fadt[128], 1);
	cr_assert_eq(get(fadt, 40, 4), 0);
	cr_assert_eq(get(fadt, 140, 8), GPA + example_table(&built.result, "DSDT")->offset);
	cr_assert_eq(get(fadt, 208, 4), 0x03002001);
	cr_assert_eq(get(fadt, 212, 8), 0x608);
	cr_assert_eq(get(fadt, 244, 4), 0x01000801);
	cr_assert_eq(get(fadt, 248, 8), 0x600);
	cr_assert_eq(get(fadt, 256, 4), 0x01000801);
	cr_assert_eq(get(fadt, 260, 8), 0x601);
	cr_assert_eq(memcmp(fadt + 268, "CXVM\0\0\0\0", 8), 0);

	example_minimal(&example);
	example.machine.rtc = false;
	example.machine.reset.address = 0;
	build(&example, &built);
	fadt = table(&built, "FACP", &length);
	cr_assert_eq(get(fadt, 109, 2), 0x0024);
	cr_assert_eq(get(fadt, 112, 4), 0x00100035);
	cr_assert_eq(sum(fadt + 116, 12), 0);
	cr_assert_eq(sum(fadt + 208, 12), 0);
}

Test(acpi, madt_entries)
{
	struct example example;
	struct built built;

	example_full(&example);
	example.cpus[2].disabled = true;
	build(&example, &built);
	EXPECT_BODY(&built, "APIC", 36, LE32(0xfee00000), LE32(0), /* three local APICs */
		    0, 8, 0, 0, LE32(1), 0, 8, 1, 1, LE32(1), 0, 8, 2, 2, LE32(2),
		    /* one x2APIC */ 9, 16, 0, 0, LE32(0x100), LE32(1), LE32(3),
		    /* IOAPIC */ 1, 12, 0, 0, LE32(0xfec00000), LE32(0),
		    /* override 0 -> 2 */ 2, 10, 0, 0, LE32(2), LE16(0),
		    /* NMI on LINT1 */ 4, 6, 0xff, LE16(0), 1, 10, 12, LE16(0), LE32(0xffffffff), 1,
		    0, 0, 0);
}

Test(acpi, madt_boundary_of_apic_ids)
{
	static const uint32_t ids[] = {0, 254, 255, 256};
	struct example example;
	struct built built;
	const uint8_t *madt;
	size_t length;

	example_minimal(&example);
	for (size_t i = 0; i < 4; i++)
		example.cpus[i].apic_id = ids[i];
	example.machine.cpu_count = 4;
	build(&example, &built);
	madt = table(&built, "APIC", &length);
	cr_assert_eq(madt[44], 0);
	cr_assert_eq(madt[52], 0);
	cr_assert_eq(madt[52 + 3], 254);
	cr_assert_eq(madt[60], 9);
	cr_assert_eq(get(madt, 64, 4), 255);
	cr_assert_eq(madt[76], 9);
	cr_assert_eq(get(madt, 80, 4), 256);
}

/* More processors than old entries can number. */
Test(acpi, three_hundred_processors)
{
	struct acpi_cpu cpus[300] = {0};
	struct example example;
	struct built built;
	const uint8_t *madt;
	size_t length, at = 44;

	example_minimal(&example);
	for (uint32_t i = 0; i < 300; i++)
		cpus[i].apic_id = i;
	example.machine.cpus = cpus;
	example.machine.cpu_count = 300;
	example.machine.processor_devices = true;
	build(&example, &built);
	madt = table(&built, "APIC", &length);
	for (size_t i = 0; i < 300; i++) {
		cr_assert_eq(madt[at], i < 255 ? 0 : 9);
		cr_assert_eq(get(madt, at + (i < 255 ? 2 : 12), i < 255 ? 1 : 4), i);
		at += madt[at + 1];
	}
}

Test(acpi, mcfg_and_spcr)
{
	struct example example;
	struct built built;

	example_full(&example);
	build(&example, &built);
	EXPECT_BODY(&built, "MCFG", 36, LE64(UINT64_C(0)), LE64(UINT64_C(0xe0000000)), LE16(0), 0,
		    255, LE32(0));
	EXPECT_BODY(&built, "SPCR", 36, 0, 0, 0, 0, 1, 8, 0, 1, LE64(UINT64_C(0x3f8)), 2, 0,
		    LE32(4), 7, 0, 1, 0, 3, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, LE32(0), 0,
		    LE32(0));
}

Test(acpi, srat_entries)
{
	struct example example;
	struct built built;

	example_full(&example);
	example.memory[1].hot_pluggable = true;
	example.memory[1].non_volatile = true;
	example.cpus[3].proximity_domain = 1;
	build(&example, &built);
	EXPECT_BODY(&built, "SRAT", 36, LE32(1), LE64(UINT64_C(0)),
		    /* local APIC affinity */ 0, 16, 0, 0, LE32(1), 0, 0, 0, 0, LE32(0), 0, 16, 0,
		    1, LE32(1), 0, 0, 0, 0, LE32(0), 0, 16, 1, 2, LE32(1), 0, 0, 0, 0, LE32(0),
		    /* x2APIC affinity */ 2, 24, 0, 0, LE32(1), LE32(0x100), LE32(1), LE32(0),
		    LE32(0),
		    /* memory affinity */ 1, 40, LE32(0), LE16(0), LE64(UINT64_C(0)),
		    LE64(UINT64_C(0xc0000000)), LE32(0), LE32(1), LE64(UINT64_C(0)), 1, 40, LE32(1),
		    LE16(0), LE64(UINT64_C(0x100000000)), LE64(UINT64_C(0x40000000)), LE32(0),
		    LE32(7), LE64(UINT64_C(0)),
		    /* generic initiator 0000:11:01.0 */ 5, 32, 0, 1, LE32(2), LE16(0), 0x11, 0x08,
		    LE64(UINT64_C(0)), LE32(0), LE32(1), LE32(0),
		    /* generic ports */ 6, 32, 0, 0, LE32(3), 'A', 'C', 'P', 'I', '0', '0', '1',
		    '6', LE32(0x10), LE32(0), LE32(1), LE32(0), 6, 32, 0, 0, LE32(3), 'A', 'C', 'P',
		    'I', '0', '0', '1', '6', LE32(0x20), LE32(0), LE32(1), LE32(0));
}

Test(acpi, slit_and_hmat)
{
	struct example example;
	struct built built;

	example_full(&example);
	build(&example, &built);
	EXPECT_BODY(&built, "SLIT", 36, LE64(UINT64_C(4)), 10, 20, 20, 20, 20, 10, 20, 20, 20, 20,
		    10, 20, 20, 20, 20, 10);
	EXPECT_BODY(&built, "HMAT", 36, LE32(0), /* attachments */
		    LE16(0), LE16(0), LE32(40), LE16(1), LE16(0), LE32(0), LE32(0), LE32(0),
		    LE64(UINT64_C(0)), LE64(UINT64_C(0)), LE16(0), LE16(0), LE32(40), LE16(1),
		    LE16(0), LE32(1), LE32(1), LE32(0), LE64(UINT64_C(0)), LE64(UINT64_C(0)),
		    /* latency */ LE16(1), LE16(0), LE32(56), 0, 0, 0, 0, LE32(2), LE32(2), LE32(0),
		    LE64(UINT64_C(1000)), LE32(0), LE32(1), LE32(0), LE32(3), LE16(100), LE16(110),
		    LE16(120), LE16(130),
		    /* bandwidth */ LE16(1), LE16(0), LE32(56), 0, 3, 0, 0, LE32(2), LE32(2),
		    LE32(0), LE64(UINT64_C(100)), LE32(0), LE32(1), LE32(0), LE32(3), LE16(1000),
		    LE16(990), LE16(980), LE16(970));
}

/* The facts of a CEDT that Linux is known to accept: one bridge, one window over it. */
Test(acpi, cedt_matches_a_known_machine)
{
	struct example example;
	struct built built;

	example_full(&example);
	example.machine.bridge_count = 2;
	example.bridges[1].uid = 12;
	example.bridges[1].component_base = 0x140000000;
	example.generic[1].uid = example.generic[2].uid = 12;
	example.memory[1].base = 0x120000000;
	example.memory[1].size = 0x10000000;
	example.cfmws[0].base = 0x150000000;
	example.cfmws[0].size = 0x100000000;
	example.cfmws[0].restrictions = 0x2f;
	example.cfmws[0].targets[0] = 12;
	example.machine.cfmws_count = 1;
	build(&example, &built);
	cr_assert_eq(built.data[example_table(&built.result, "CEDT")->offset + 8], 1);
	EXPECT_BODY(&built, "CEDT", 36, 0x00, 0x00, 0x20, 0x00, 0x0c, 0x00, 0x00, 0x00, 0x01, 0x00,
		    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x01, 0x00, 0x00,
		    0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x28, 0x00,
		    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x50, 0x01, 0x00, 0x00, 0x00, 0x00,
		    0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		    0x00, 0x00, 0x2f, 0x00, 0x00, 0x00, 0x0c, 0x00, 0x00, 0x00);
}

Test(acpi, cfmws_interleave_codes)
{
	static const struct {
		uint8_t targets;
		uint8_t code;
	} cases[] = {{1, 0}, {2, 1}, {4, 2}, {8, 3}, {16, 4}, {3, 8}, {6, 9}, {12, 10}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct example example;
		struct built built;
		const uint8_t *window;
		size_t length;

		example_full(&example);
		example.machine.cfmws_count = 1;
		example.cfmws[0].target_count = cases[i].targets;
		example.cfmws[0].size = cases[i].targets * UINT64_C(0x10000000);
		example.cfmws[0].encoded_granularity = 6;
		example.cfmws[0].qtg_id = 0x1234;
		for (size_t j = 0; j < cases[i].targets; j++)
			example.cfmws[0].targets[j] = j % 2 ? 0x10 : 0x20;
		build(&example, &built);
		window = table(&built, "CEDT", &length) + 36 + 2 * 32;
		cr_assert_eq(length, 36 + 2 * 32 + 36 + 4 * cases[i].targets);
		cr_assert_eq(get(window, 2, 2), 36 + 4 * cases[i].targets);
		cr_assert_eq(window[24], cases[i].code);
		cr_assert_eq(window[25], 0);
		cr_assert_eq(get(window, 28, 4), 6);
		cr_assert_eq(get(window, 34, 2), 0x1234);
		cr_assert_eq(get(window, 36, 4), 0x20);
	}
}

Test(acpi, the_prt_agrees_with_acpi_bridge_gsi)
{
	struct example example;
	struct built built;
	const uint8_t *dsdt, *prt = NULL;
	size_t length, at;

	example_minimal(&example);
	build(&example, &built);
	dsdt = table(&built, "DSDT", &length);
	for (size_t i = 36; i + 4 < length && !prt; i++)
		if (memcmp(dsdt + i, "_PRT", 4) == 0)
			prt = dsdt + i;
	cr_assert_not_null(prt);
	cr_assert_eq(prt[4], 0x12);
	cr_assert_eq(prt[7], 128); /* after two length bytes */
	at = 8;
	for (unsigned int slot = 0; slot < 32; slot++) {
		for (unsigned int pin = 0; pin < 4; pin++) {
			size_t next = at + 1 + prt[at + 1];

			cr_assert_eq(prt[at], 0x12);
			cr_assert_eq(get(prt, at + 4, slot ? 4 : 2), slot << 16 | 0xffff);
			cr_assert_eq(prt[next - 1],
				     acpi_bridge_gsi(&example.bridges[0], slot, pin));
			cr_assert_eq(prt[next - 1], 16 + (slot + pin) % 8);
			at = next;
		}
	}
}

Test(acpi, same_input_same_bytes_and_no_byte_beyond)
{
	struct example example;
	struct built one, two;

	example_full(&example);
	memset(&one, 0x11, sizeof(one));
	memset(&two, 0xee, sizeof(two));
	build(&example, &one);
	build(&example, &two);
	cr_assert_eq(one.result.used, two.result.used);
	cr_assert_eq(memcmp(one.data, two.data, one.result.used), 0);
	for (size_t i = two.result.used; i < SIZE; i++)
		cr_assert_eq(two.data[i], 0xee);
}

Test(acpi, a_short_buffer_reports_the_size_needed)
{
	struct example example;
	struct built built;
	struct acpi_result result;

	example_full(&example);
	build(&example, &built);
	cr_assert_eq(acpi_build(&example.machine, GPA, NULL, 0, &result), -ENOSPC);
	cr_assert_eq(result.used, built.result.used);
	for (size_t size = 0; size <= built.result.used; size += 1 + size / 16) {
		uint8_t *exact = malloc(size + 1);

		exact[size] = 0x5a;
		cr_assert_eq(acpi_build(&example.machine, GPA, exact, size, &result),
			     size < built.result.used ? -ENOSPC : 0);
		cr_assert_eq(result.used, built.result.used);
		cr_assert_eq(exact[size], 0x5a);
		free(exact);
	}
	cr_assert_eq(acpi_build(&example.machine, GPA, built.data, built.result.used, &result), 0);
}

Test(acpi, bad_places_are_refused)
{
	static const uint64_t places[] = {0, 8, UINT64_MAX - 0xf};
	struct example example;
	struct built built;

	example_minimal(&example);
	for (size_t i = 0; i < 3; i++) {
		cr_assert_eq(
			acpi_build(&example.machine, places[i], built.data, SIZE, &built.result),
			-EINVAL);
		cr_assert_eq(strncmp(built.result.reason, "gpa:", 4), 0);
	}
}
