/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/legacy/debug_ports.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"

struct debug_ports {
	struct bus_region boot;
	struct bus_region exit;
	struct bus *bus;
	const struct logger *logger;
	uint64_t start_ns;
	void (*debug_exit)(void *opaque, uint32_t value);
	void *opaque;

	pthread_mutex_t lock; /* for everything below */
	struct log_ratelimit limit;
	size_t count;
	struct debug_boot_timing timings[DEBUG_BOOT_TIMINGS_MAX];
};

const char *debug_boot_code_origin(uint8_t code)
{
	static const char *const origins[] = {"firmware", "boot loader", "kernel", "user space"};

	return code < 0x80 ? origins[code >> 5] : "other";
}

static void boot_write(void *opaque, uint64_t offset, uint64_t value, unsigned int size)
{
	struct debug_ports *ports = opaque;
	uint8_t code = (uint8_t)value;
	uint64_t elapsed;

	(void)offset;
	(void)size;
	elapsed = clock_now_ns() - ports->start_ns;

	pthread_mutex_lock(&ports->lock);
	if (ports->count < DEBUG_BOOT_TIMINGS_MAX)
		ports->timings[ports->count] =
			(struct debug_boot_timing){.code = code, .nanoseconds = elapsed};
	ports->count++;
	log_limited(ports->logger, &ports->limit, LOG_LEVEL_INFO, "boot",
		    "%s code 0x%02x after %" PRIu64 ".%06" PRIu64 " s",
		    debug_boot_code_origin(code), code, elapsed / 1000000000,
		    elapsed / 1000 % 1000000);
	pthread_mutex_unlock(&ports->lock);
}

static void exit_write(void *opaque, uint64_t offset, uint64_t value, unsigned int size)
{
	struct debug_ports *ports = opaque;

	(void)size;
	if (offset == 0)
		ports->debug_exit(ports->opaque, (uint32_t)value);
}

static const struct bus_ops boot_ops = {.write = boot_write};
static const struct bus_ops exit_ops = {.write = exit_write};

static int ports_add(struct debug_ports *ports, struct bus_region *region, const char *name,
		     uint64_t base, uint64_t size, const struct bus_ops *ops)
{
	int result;

	*region = (struct bus_region){
		.name = name,
		.base = base,
		.size = size,
		.ops = ops,
		.opaque = ports,
	};
	result = bus_add(ports->bus, region);
	if (result < 0)
		log_error(ports->logger, name, "0x%" PRIx64 " is taken: %s", base,
			  strerror(-result));
	return result;
}

int debug_ports_create(struct debug_ports **ports, const struct debug_ports_options *options)
{
	struct debug_ports *created = calloc(1, sizeof(*created));
	int result;

	if (!created)
		return -ENOMEM;
	created->bus = options->bus;
	created->logger = options->logger;
	created->start_ns = options->start_ns;
	created->debug_exit = options->debug_exit;
	created->opaque = options->opaque;
	created->limit = (struct log_ratelimit){.burst = 32, .interval_ms = 1000};
	if (pthread_mutex_init(&created->lock, NULL) != 0) {
		free(created);
		return -ENOMEM;
	}
	result =
		ports_add(created, &created->boot, "boot timing", options->boot_base, 1, &boot_ops);
	if (result == 0 && options->debug_exit)
		result = ports_add(created, &created->exit, "debug exit", options->exit_base, 4,
				   &exit_ops);
	if (result < 0) {
		debug_ports_destroy(created);
		return result;
	}
	*ports = created;
	return 0;
}

void debug_ports_destroy(struct debug_ports *ports)
{
	if (!ports)
		return;
	/* -ENOENT for what was never added. */
	bus_remove(ports->bus, &ports->boot);
	bus_remove(ports->bus, &ports->exit);
	pthread_mutex_destroy(&ports->lock);
	free(ports);
}

size_t debug_ports_timings(struct debug_ports *ports, struct debug_boot_timing *timings,
			   size_t count)
{
	size_t total;

	pthread_mutex_lock(&ports->lock);
	total = ports->count;
	if (count > total)
		count = total;
	if (count > DEBUG_BOOT_TIMINGS_MAX)
		count = DEBUG_BOOT_TIMINGS_MAX;
	memcpy(timings, ports->timings, count * sizeof(*timings));
	pthread_mutex_unlock(&ports->lock);
	return total;
}
