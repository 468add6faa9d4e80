/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/legacy/pvpanic.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PVPANIC_EVENTS (PVPANIC_PANICKED | PVPANIC_CRASH_LOADED)

struct pvpanic {
	struct bus_region region;
	struct bus *bus;
	void (*event)(void *opaque, uint8_t events);
	void *opaque;
};

static uint64_t pvpanic_read(void *opaque, uint64_t offset, unsigned int size)
{
	(void)opaque;
	(void)offset;
	(void)size;
	return PVPANIC_EVENTS;
}

static void pvpanic_write(void *opaque, uint64_t offset, uint64_t value, unsigned int size)
{
	struct pvpanic *pvpanic = opaque;
	uint8_t events = value & PVPANIC_EVENTS;

	(void)offset;
	(void)size;
	if (events)
		pvpanic->event(pvpanic->opaque, events);
}

static const struct bus_ops pvpanic_ops = {
	.read = pvpanic_read,
	.write = pvpanic_write,
};

int pvpanic_create(struct pvpanic **pvpanic, const struct pvpanic_options *options)
{
	struct pvpanic *created = calloc(1, sizeof(*created));
	int result;

	if (!created)
		return -ENOMEM;
	created->bus = options->bus;
	created->event = options->event;
	created->opaque = options->opaque;
	created->region = (struct bus_region){
		.name = "pvpanic",
		.base = options->base,
		.size = 1,
		.ops = &pvpanic_ops,
		.opaque = created,
	};
	result = bus_add(options->bus, &created->region);
	if (result < 0) {
		log_error(options->logger, "pvpanic", "0x%" PRIx64 " is taken: %s", options->base,
			  strerror(-result));
		free(created);
		return result;
	}
	*pvpanic = created;
	return 0;
}

void pvpanic_destroy(struct pvpanic *pvpanic)
{
	if (!pvpanic)
		return;
	bus_remove(pvpanic->bus, &pvpanic->region);
	free(pvpanic);
}
