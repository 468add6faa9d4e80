/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/legacy/acpi_ged.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ACPI 6.5, 4.8.3.7.1 and 4.8.3.7.2. */
#define SLEEP_CONTROL_SLP_TYP_SHIFT 2
#define SLEEP_CONTROL_SLP_TYP       0x1cu
#define SLEEP_CONTROL_SLP_EN        0x20u

struct acpi_ged {
	struct bus_region region;
	struct bus *bus;
	struct irq_router *irq;
	uint32_t gsi;
	void (*power_off)(void *opaque);
	void (*reset)(void *opaque);
	void *opaque;
	_Atomic uint32_t events;
	_Atomic uint8_t sleep_control;
};

static uint64_t ged_read(void *opaque, uint64_t offset, unsigned int size)
{
	struct acpi_ged *ged = opaque;

	switch (offset) {
	case ACPI_GED_EVENT_OFFSET:
		/* A narrower access must not lose the events that it does not show. */
		return size >= 4 ? atomic_exchange(&ged->events, 0) : 0;
	case ACPI_GED_SLEEP_CONTROL_OFFSET:
		/* SLP_EN is write-only. */
		return atomic_load(&ged->sleep_control);
	default:
		/* This machine never wakes up: WAK_STS is never set. */
		return 0;
	}
}

static void ged_write(void *opaque, uint64_t offset, uint64_t value, unsigned int size)
{
	struct acpi_ged *ged = opaque;

	(void)size;
	switch (offset) {
	case ACPI_GED_SLEEP_CONTROL_OFFSET:
		atomic_store(&ged->sleep_control, (uint8_t)(value & SLEEP_CONTROL_SLP_TYP));
		if ((value & SLEEP_CONTROL_SLP_EN) &&
		    (value & SLEEP_CONTROL_SLP_TYP) >> SLEEP_CONTROL_SLP_TYP_SHIFT ==
			    ACPI_GED_S5_TYPE)
			ged->power_off(ged->opaque);
		break;
	case ACPI_GED_RESET_OFFSET:
		if ((uint8_t)value == ACPI_GED_RESET_VALUE)
			ged->reset(ged->opaque);
		break;
	default:
		break;
	}
}

static const struct bus_ops ged_ops = {
	.read = ged_read,
	.write = ged_write,
};

int acpi_ged_create(struct acpi_ged **ged, const struct acpi_ged_options *options)
{
	struct acpi_ged *created = calloc(1, sizeof(*created));
	int result;

	if (!created)
		return -ENOMEM;
	created->bus = options->bus;
	created->irq = options->irq;
	created->gsi = options->gsi;
	created->power_off = options->power_off;
	created->reset = options->reset;
	created->opaque = options->opaque;
	created->region = (struct bus_region){
		.name = "acpi",
		.base = options->base,
		.size = ACPI_GED_REGISTERS_SIZE,
		.ops = &ged_ops,
		.opaque = created,
	};
	result = bus_add(options->bus, &created->region);
	if (result < 0) {
		log_error(options->logger, "acpi", "its registers at 0x%" PRIx64 ": %s",
			  options->base, strerror(-result));
		free(created);
		return result;
	}
	*ged = created;
	return 0;
}

void acpi_ged_destroy(struct acpi_ged *ged)
{
	if (!ged)
		return;
	bus_remove(ged->bus, &ged->region);
	free(ged);
}

int acpi_ged_raise(struct acpi_ged *ged, uint32_t events)
{
	int result;

	atomic_fetch_or(&ged->events, events);
	/* The pin is edge triggered. */
	result = irq_set_line(ged->irq, ged->gsi, true);
	if (result == 0)
		result = irq_set_line(ged->irq, ged->gsi, false);
	return result;
}
