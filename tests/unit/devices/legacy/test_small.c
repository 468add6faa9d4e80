/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "devices/legacy/acpi_ged.h"
#include "devices/legacy/cmos_rtc.h"
#include "devices/legacy/debug_ports.h"
#include "devices/legacy/i8042.h"
#include "devices/legacy/pvpanic.h"
#include "tests/unit/core/fake_kvm.h"

static uint8_t in8(struct bus *bus, uint64_t port)
{
	uint8_t value = 0;

	cr_assert(bus_read(bus, port, &value, 1), "port 0x%x is nobody's", (unsigned int)port);
	return value;
}

static void out8(struct bus *bus, uint64_t port, uint8_t value)
{
	cr_assert(bus_write(bus, port, &value, 1), "port 0x%x is nobody's", (unsigned int)port);
}

/* CMOS clock */

static uint64_t fixed_now(void *opaque)
{
	return *(uint64_t *)opaque;
}

static uint8_t cmos(struct bus *bus, uint8_t index)
{
	out8(bus, 0x70, index);
	return in8(bus, 0x71);
}

static void cmos_set(struct bus *bus, uint8_t index, uint8_t value)
{
	out8(bus, 0x70, index);
	out8(bus, 0x71, value);
}

struct clock {
	struct bus bus;
	struct cmos_rtc *rtc;
	uint64_t now;
};

static void clock_create(struct clock *c, time_t seconds)
{
	struct cmos_rtc_options options = {.now = fixed_now};

	bus_init(&c->bus, 0x10000);
	c->now = (uint64_t)seconds * 1000000000;
	options.bus = &c->bus;
	options.now_opaque = &c->now;
	cr_assert_eq(cmos_rtc_create(&c->rtc, &options), 0);
}

static void clock_destroy(struct clock *c)
{
	cmos_rtc_destroy(c->rtc);
	bus_destroy(&c->bus);
}

/* 2026-11-22 21:07:43 UTC, a Sunday */
#define SOME_TIME 1795381663

Test(legacy_cmos_rtc, time_in_bcd_and_binary)
{
	static const struct {
		uint8_t index, bcd, binary;
	} cases[] = {{0, 0x43, 43}, {2, 0x07, 7},  {4, 0x21, 21}, {6, 0x01, 1},
		     {7, 0x22, 22}, {8, 0x11, 11}, {9, 0x26, 26}, {CMOS_RTC_CENTURY, 0x20, 20}};
	struct clock c;

	clock_create(&c, SOME_TIME);
	cr_assert_eq(cmos(&c.bus, 0x0b), 0x02, "24 hours, BCD");
	cr_assert_eq(cmos(&c.bus, 0x0d), 0x80, "the battery is good");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_assert_eq(cmos(&c.bus, cases[i].index), cases[i].bcd, "index 0x%x",
			     cases[i].index);
	cmos_set(&c.bus, 0x0b, 0x06);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_assert_eq(cmos(&c.bus, cases[i].index), cases[i].binary, "index 0x%x",
			     cases[i].index);
	cmos_set(&c.bus, 0x0b, 0x00);
	cr_assert_eq(cmos(&c.bus, 4), 0x89, "9 pm");
	cmos_set(&c.bus, 0x0b, 0x04);
	cr_assert_eq(cmos(&c.bus, 4), 0x80 | 9);
	c.now += UINT64_C(3) * 3600 * 1000000000;
	cr_assert_eq(cmos(&c.bus, 4), 12, "midnight");
	c.now += UINT64_C(12) * 3600 * 1000000000;
	cr_assert_eq(cmos(&c.bus, 4), 0x80 | 12, "noon");
	clock_destroy(&c);
}

Test(legacy_cmos_rtc, update_in_progress_just_before_the_second)
{
	struct clock c;

	clock_create(&c, SOME_TIME);
	cr_assert_eq(cmos(&c.bus, 0x0a), 0x26);
	c.now += 999700000;
	cr_assert_eq(cmos(&c.bus, 0x0a), 0x26);
	c.now += 100000;
	cr_assert_eq(cmos(&c.bus, 0x0a), 0xa6);
	cr_assert_eq(cmos(&c.bus, 0), 0x43);
	c.now += 200000;
	cr_assert_eq(cmos(&c.bus, 0x0a), 0x26);
	cr_assert_eq(cmos(&c.bus, 0), 0x44);
	cmos_set(&c.bus, 0x0a, 0xff);
	cr_assert_eq(cmos(&c.bus, 0x0a), 0x7f, "UIP is read-only");
	clock_destroy(&c);
}

Test(legacy_cmos_rtc, update_flag)
{
	struct clock c;

	clock_create(&c, SOME_TIME);
	cmos(&c.bus, 0x0c);
	cr_assert_eq(cmos(&c.bus, 0x0c), 0);
	c.now += 1000000000;
	cr_assert_eq(cmos(&c.bus, 0x0c), 0x10);
	cr_assert_eq(cmos(&c.bus, 0x0c), 0);
	clock_destroy(&c);
}

Test(legacy_cmos_rtc, the_guest_sets_its_clock)
{
	struct clock c;

	clock_create(&c, SOME_TIME);
	/* As Linux does: SET, the registers, SET off. */
	cmos_set(&c.bus, 0x0b, 0x82);
	cmos_set(&c.bus, 0, 0x58);
	cmos_set(&c.bus, 2, 0x59);
	cmos_set(&c.bus, 4, 0x23);
	cmos_set(&c.bus, 7, 0x31);
	cmos_set(&c.bus, 8, 0x12);
	cmos_set(&c.bus, 9, 0x99);
	cmos_set(&c.bus, CMOS_RTC_CENTURY, 0x19);
	c.now += UINT64_C(5) * 1000000000;
	cr_assert_eq(cmos(&c.bus, 0), 0x58, "it stands still");
	cmos_set(&c.bus, 0x0b, 0x02);
	cr_assert_eq(cmos(&c.bus, 9), 0x99);
	c.now += UINT64_C(3) * 1000000000;
	cr_assert_eq(cmos(&c.bus, 0), 0x01);
	cr_assert_eq(cmos(&c.bus, 9), 0x00, "it goes over into 2000");
	cr_assert_eq(cmos(&c.bus, CMOS_RTC_CENTURY), 0x20);
	cr_assert_eq(cmos(&c.bus, 6), 7, "a Saturday");
	/* Without SET. */
	cmos_set(&c.bus, 2, 0x30);
	cr_assert_eq(cmos(&c.bus, 2), 0x30);
	cr_assert_eq(cmos(&c.bus, 0), 0x01);
	clock_destroy(&c);
}

Test(legacy_cmos_rtc, nonsense_is_survived)
{
	struct clock c;
	unsigned int seed = 7;

	clock_create(&c, SOME_TIME);
	for (int i = 0; i < 200000; i++) {
		c.now += (uint64_t)rand_r(&seed);
		cmos_set(&c.bus, (uint8_t)(rand_r(&seed) % 64), (uint8_t)rand_r(&seed));
		cmos(&c.bus, (uint8_t)rand_r(&seed));
	}
	clock_destroy(&c);
}

Test(legacy_cmos_rtc, bytes_are_kept_and_the_nmi_bit_ignored)
{
	struct clock c;

	clock_create(&c, SOME_TIME);
	cmos_set(&c.bus, 0x40, 0x12);
	cmos_set(&c.bus, 0x7f, 0x34);
	cr_assert_eq(cmos(&c.bus, 0xc0), 0x12);
	cr_assert_eq(cmos(&c.bus, 0xff), 0x34);
	cmos_set(&c.bus, 0x0d, 0x00);
	cr_assert_eq(cmos(&c.bus, 0x0d), 0x80, "read-only");
	clock_destroy(&c);
}

/* i8042 */

static void count(void *opaque)
{
	(*(unsigned int *)opaque)++;
}

Test(legacy_i8042, resets_and_nothing_else)
{
	unsigned int resets = 0;
	struct i8042_options options = {.reset = count, .opaque = &resets};
	struct i8042 *i8042;
	struct bus bus;

	bus_init(&bus, 0x10000);
	options.bus = &bus;
	cr_assert_eq(i8042_create(&i8042, &options), 0);
	for (int value = 0; value < 256; value++)
		if (value != 0xfe)
			out8(&bus, 0x64, (uint8_t)value);
	cr_assert_eq(resets, 0);
	cr_assert_eq(in8(&bus, 0x64) & 0x03, 0, "the guest's wait for the empty buffer ends");
	out8(&bus, 0x60, 0xfe);
	cr_assert_eq(resets, 0);
	out8(&bus, 0x64, 0xfe);
	cr_assert_eq(resets, 1);
	/* Port B: the refresh bit moves, the timer's output is high, two bits can be written. */
	out8(&bus, 0x61, 0x03);
	uint8_t first = in8(&bus, 0x61), second = in8(&bus, 0x61);
	cr_assert_eq(first & 0x0f, 0x03);
	cr_assert_eq((first ^ second), 0x10);
	cr_assert(first & 0x20);
	i8042_destroy(i8042);
	uint8_t value;
	cr_assert_not(bus_read(&bus, 0x64, &value, 1));
	bus_destroy(&bus);
}

/* debug ports */

struct exits {
	unsigned int count;
	uint32_t value;
};

static void debug_exit(void *opaque, uint32_t value)
{
	struct exits *exits = opaque;

	exits->count++;
	exits->value = value;
}

Test(legacy_debug_ports, exit_values)
{
	struct exits exits = {0};
	struct debug_ports_options options = {
		.boot_base = 0x80, .exit_base = 0xf4, .debug_exit = debug_exit, .opaque = &exits};
	struct debug_ports *ports;
	uint32_t value = 0x12345678;
	struct bus bus;

	bus_init(&bus, 0x10000);
	options.bus = &bus;
	cr_assert_eq(debug_ports_create(&ports, &options), 0);
	out8(&bus, 0xf4, 0x2a);
	cr_assert_eq(exits.value, 0x2a);
	bus_write(&bus, 0xf4, &value, 4);
	cr_assert_eq(exits.value, 0x12345678);
	bus_write(&bus, 0xf4, &value, 2);
	cr_assert_eq(exits.value, 0x5678);
	cr_assert_eq(exits.count, 3);
	out8(&bus, 0xf5, 1);
	cr_assert_eq(exits.count, 3);
	debug_ports_destroy(ports);
	/* Only when it is asked for. */
	options.debug_exit = NULL;
	cr_assert_eq(debug_ports_create(&ports, &options), 0);
	cr_assert_not(bus_write(&bus, 0xf4, &value, 1));
	debug_ports_destroy(ports);
	bus_destroy(&bus);
}

Test(legacy_debug_ports, boot_timings_are_bounded)
{
	struct debug_boot_timing timings[DEBUG_BOOT_TIMINGS_MAX + 10];
	struct debug_ports_options options = {.boot_base = 0x80};
	struct debug_ports *ports;
	struct timespec now;
	struct bus bus;

	bus_init(&bus, 0x10000);
	options.bus = &bus;
	clock_gettime(CLOCK_MONOTONIC, &now);
	options.start_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	cr_assert_eq(debug_ports_create(&ports, &options), 0);
	cr_assert_eq(debug_ports_timings(ports, timings, 10), 0);
	out8(&bus, 0x80, 0x40);
	out8(&bus, 0x80, 0x60);
	cr_assert_eq(debug_ports_timings(ports, timings, 10), 2);
	cr_assert_eq(timings[0].code, 0x40);
	cr_assert_eq(timings[1].code, 0x60);
	cr_assert_geq(timings[1].nanoseconds, timings[0].nanoseconds);
	cr_assert_lt(timings[1].nanoseconds, UINT64_C(60) * 1000000000);
	for (int i = 0; i < 1000; i++)
		out8(&bus, 0x80, (uint8_t)i);
	cr_assert_eq(debug_ports_timings(ports, timings, DEBUG_BOOT_TIMINGS_MAX + 10), 1002);
	cr_assert_eq(timings[DEBUG_BOOT_TIMINGS_MAX - 1].code, (DEBUG_BOOT_TIMINGS_MAX - 3) % 256);
	debug_ports_destroy(ports);
	bus_destroy(&bus);
	cr_assert_str_eq(debug_boot_code_origin(0x1f), "firmware");
	cr_assert_str_eq(debug_boot_code_origin(0x20), "boot loader");
	cr_assert_str_eq(debug_boot_code_origin(0x40), "kernel");
	cr_assert_str_eq(debug_boot_code_origin(0x7f), "user space");
	cr_assert_str_eq(debug_boot_code_origin(0x80), "other");
}

/* pvpanic */

static void panic_event(void *opaque, uint8_t events)
{
	*(unsigned int *)opaque = *(unsigned int *)opaque << 4 | events;
}

Test(legacy_pvpanic, capability_and_events)
{
	unsigned int events = 0;
	struct pvpanic_options options = {.base = 0x505, .event = panic_event, .opaque = &events};
	struct pvpanic *pvpanic;
	struct bus bus;

	bus_init(&bus, 0x10000);
	options.bus = &bus;
	cr_assert_eq(pvpanic_create(&pvpanic, &options), 0);
	cr_assert_eq(in8(&bus, 0x505), 3);
	out8(&bus, 0x505, 0);
	out8(&bus, 0x505, 0xf0);
	cr_assert_eq(events, 0);
	out8(&bus, 0x505, 1);
	out8(&bus, 0x505, 2);
	out8(&bus, 0x505, 0xff);
	cr_assert_eq(events, 0x123);
	pvpanic_destroy(pvpanic);
	bus_destroy(&bus);
}

/* ACPI */

struct acpi {
	struct fake_kvm kvm;
	struct irq_router *irq;
	struct bus bus;
	struct acpi_ged *ged;
	unsigned int power_offs;
	unsigned int resets;
};

static void power_off(void *opaque)
{
	((struct acpi *)opaque)->power_offs++;
}

static void reset(void *opaque)
{
	((struct acpi *)opaque)->resets++;
}

static void acpi_create(struct acpi *a)
{
	struct acpi_ged_options options = {
		.base = 0x600, .gsi = 9, .power_off = power_off, .reset = reset, .opaque = a};

	memset(a, 0, sizeof(*a));
	fake_kvm_init(&a->kvm);
	bus_init(&a->bus, 0x10000);
	cr_assert_eq(irq_router_create(&a->irq, &a->kvm.vm, &fake_irq_lines, NULL), 0);
	options.bus = &a->bus;
	options.irq = a->irq;
	cr_assert_eq(acpi_ged_create(&a->ged, &options), 0);
}

static void acpi_destroy(struct acpi *a)
{
	acpi_ged_destroy(a->ged);
	irq_router_destroy(a->irq);
	bus_destroy(&a->bus);
	fake_kvm_destroy(&a->kvm);
}

Test(legacy_acpi_ged, events_are_read_once)
{
	struct acpi a;
	uint32_t events = 0;

	acpi_create(&a);
	bus_read(&a.bus, 0x600, &events, 4);
	cr_assert_eq(events, 0);
	cr_assert_eq(acpi_ged_raise(a.ged, 1), 0);
	cr_assert_eq(fake_kvm_count(&a.kvm, KVM_IRQ_LINE), 2, "an edge: up and down");
	cr_assert_eq(a.kvm.irq_level.irq, 9);
	cr_assert_eq(a.kvm.irq_level.level, 0);
	cr_assert_eq(acpi_ged_raise(a.ged, 2), 0);
	bus_read(&a.bus, 0x600, &events, 1);
	bus_read(&a.bus, 0x600, &events, 4);
	cr_assert_eq(events, 3, "a narrow read must not lose them");
	bus_read(&a.bus, 0x600, &events, 4);
	cr_assert_eq(events, 0);
	acpi_destroy(&a);
}

Test(legacy_acpi_ged, sleep_and_reset)
{
	struct acpi a;

	acpi_create(&a);
	for (unsigned int type = 0; type < 8; type++) {
		out8(&a.bus, 0x604, (uint8_t)(type << 2));
		cr_assert_eq(in8(&a.bus, 0x604), type << 2);
		if (type != 5)
			out8(&a.bus, 0x604, (uint8_t)(type << 2 | 0x20));
	}
	cr_assert_eq(a.power_offs, 0);
	out8(&a.bus, 0x604, 5 << 2 | 0x20);
	cr_assert_eq(a.power_offs, 1);
	cr_assert_eq(in8(&a.bus, 0x604) & 0x20, 0, "SLP_EN reads as 0");
	cr_assert_eq(in8(&a.bus, 0x605), 0);
	out8(&a.bus, 0x605, 0x80);
	out8(&a.bus, 0x606, 0x00);
	out8(&a.bus, 0x606, 0xff);
	cr_assert_eq(a.resets, 0);
	out8(&a.bus, 0x606, ACPI_GED_RESET_VALUE);
	cr_assert_eq(a.resets, 1);
	cr_assert_eq(a.power_offs, 1);
	acpi_destroy(&a);
}

Test(legacy_acpi_ged, kvm_failures_are_reported)
{
	struct acpi a;

	acpi_create(&a);
	a.kvm.fail_request = KVM_IRQ_LINE;
	a.kvm.fail_errno = ENXIO;
	cr_assert_eq(acpi_ged_raise(a.ged, 1), -ENXIO);
	acpi_destroy(&a);
}
