/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>

#include "devices/legacy/acpi_pm_timer.h"

#define SECOND UINT64_C(1000000000)

static uint64_t fixed_now(void *opaque)
{
	return *(uint64_t *)opaque;
}

static uint32_t in32(struct bus *bus, uint64_t port, unsigned int size)
{
	uint32_t value = 0;

	cr_assert(bus_read(bus, port, &value, size));
	return value;
}

Test(legacy_pm_timer, counts_at_its_frequency)
{
	uint64_t now = 0;
	struct acpi_pm_timer_options options = {
		.base = 0x608, .now = fixed_now, .now_opaque = &now};
	struct acpi_pm_timer *timer, *second;
	uint32_t zero = 0;
	struct bus bus;

	bus_init(&bus, 0x10000);
	options.bus = &bus;
	cr_assert_eq(acpi_pm_timer_create(&timer, &options), 0);
	cr_assert_neq(acpi_pm_timer_create(&second, &options), 0);
	cr_assert_eq(in32(&bus, 0x608, 4), 0);
	now = SECOND;
	cr_assert_eq(in32(&bus, 0x608, 4), 3579545);
	now = SECOND / 2;
	cr_assert_eq(in32(&bus, 0x608, 4), 1789772);
	/* Wraps at 32 bits after 1199.86 s, and never overflows before. */
	now = 1199 * SECOND;
	cr_assert_eq(in32(&bus, 0x608, 4), UINT32_C(1199) * 3579545);
	now = 1200 * SECOND;
	cr_assert_eq(in32(&bus, 0x608, 4), (uint32_t)(UINT64_C(1200) * 3579545));
	now = 1000000 * SECOND + SECOND - 1;
	cr_assert_eq(in32(&bus, 0x608, 4), (uint32_t)(UINT64_C(1000001) * 3579545 - 1));
	/* Parts of it, and writes without effect. */
	now = 1000 * SECOND;
	cr_assert_eq(in32(&bus, 0x608, 2), (1000u * 3579545) & 0xffff);
	cr_assert_eq(in32(&bus, 0x60a, 2), (1000u * 3579545) >> 16);
	cr_assert_eq(in32(&bus, 0x60b, 1), (1000u * 3579545) >> 24);
	cr_assert(bus_write(&bus, 0x608, &zero, 4));
	cr_assert_eq(in32(&bus, 0x608, 4), 1000u * 3579545);
	acpi_pm_timer_destroy(timer);
	bus_destroy(&bus);
}

Test(legacy_pm_timer, the_host_clock_goes_on)
{
	struct acpi_pm_timer_options options = {.base = 0x608};
	struct acpi_pm_timer *timer;
	struct bus bus;
	uint32_t start;

	bus_init(&bus, 0x10000);
	options.bus = &bus;
	cr_assert_eq(acpi_pm_timer_create(&timer, &options), 0);
	start = in32(&bus, 0x608, 4);
	while (in32(&bus, 0x608, 4) == start)
		;
	cr_assert_lt(in32(&bus, 0x608, 4) - start, 10u * 3579545);
	acpi_pm_timer_destroy(timer);
	bus_destroy(&bus);
}
