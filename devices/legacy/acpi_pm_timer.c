/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/legacy/acpi_pm_timer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"

struct acpi_pm_timer {
	struct bus_region region;
	struct bus *bus;
	uint64_t (*now)(void *opaque);
	void *now_opaque;
};

static uint64_t monotonic_now(void *opaque)
{
	(void)opaque;
	return clock_now_ns();
}

/* Seconds and their rest apart: the product of both would overflow within a quarter of an hour. */
static uint32_t ticks(uint64_t nanoseconds)
{
	uint64_t seconds = nanoseconds / CLOCK_NS_PER_SECOND,
		 rest = nanoseconds % CLOCK_NS_PER_SECOND;

	return (uint32_t)(seconds * ACPI_PM_TIMER_FREQUENCY +
			  rest * ACPI_PM_TIMER_FREQUENCY / CLOCK_NS_PER_SECOND);
}

static uint64_t timer_read(void *opaque, uint64_t offset, unsigned int size)
{
	const struct acpi_pm_timer *timer = opaque;

	(void)size;
	return ticks(timer->now(timer->now_opaque)) >> (8 * (offset % ACPI_PM_TIMER_SIZE));
}

static void timer_write(void *opaque, uint64_t offset, uint64_t value, unsigned int size)
{
	(void)opaque;
	(void)offset;
	(void)value;
	(void)size;
}

static const struct bus_ops timer_ops = {
	.read = timer_read,
	.write = timer_write,
};

int acpi_pm_timer_create(struct acpi_pm_timer **timer, const struct acpi_pm_timer_options *options)
{
	struct acpi_pm_timer *created = calloc(1, sizeof(*created));
	int result;

	if (!created)
		return -ENOMEM;
	created->bus = options->bus;
	created->now = options->now ? options->now : monotonic_now;
	created->now_opaque = options->now_opaque;
	created->region = (struct bus_region){
		.name = "pm timer",
		.base = options->base,
		.size = ACPI_PM_TIMER_SIZE,
		.ops = &timer_ops,
		.opaque = created,
	};
	result = bus_add(options->bus, &created->region);
	if (result < 0) {
		log_error(options->logger, "pm timer", "0x%" PRIx64 " is taken: %s", options->base,
			  strerror(-result));
		free(created);
		return result;
	}
	*timer = created;
	return 0;
}

void acpi_pm_timer_destroy(struct acpi_pm_timer *timer)
{
	if (!timer)
		return;
	bus_remove(timer->bus, &timer->region);
	free(timer);
}
