/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/legacy/i8042.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PORT_DATA       0x60u
#define PORT_B          0x61u
#define PORT_COMMAND    0x64u
#define COMMAND_RESET   0xfeu
#define PORT_B_WRITABLE 0x0fu
#define PORT_B_REFRESH  0x10u /* toggles with every read: guests wait for it to change */
#define PORT_B_TIMER_OUT                                                                           \
	0x20u /* always high: a guest that calibrates against it gives up at once */

struct i8042 {
	struct bus_region data;
	struct bus_region port_b;
	struct bus_region command;
	struct bus *bus;
	void (*reset)(void *opaque);
	void *opaque;
	_Atomic uint8_t port_b_value;
};

static uint64_t data_read(void *opaque, uint64_t offset, unsigned int size)
{
	(void)opaque;
	(void)offset;
	(void)size;
	return 0;
}

/* Both buffers are empty: a guest that waits before the reset command does not wait. */
static uint64_t command_read(void *opaque, uint64_t offset, unsigned int size)
{
	(void)opaque;
	(void)offset;
	(void)size;
	return 0;
}

static void command_write(void *opaque, uint64_t offset, uint64_t value, unsigned int size)
{
	struct i8042 *i8042 = opaque;

	(void)offset;
	(void)size;
	if ((uint8_t)value == COMMAND_RESET)
		i8042->reset(i8042->opaque);
}

static uint64_t port_b_read(void *opaque, uint64_t offset, unsigned int size)
{
	struct i8042 *i8042 = opaque;

	(void)offset;
	(void)size;
	return atomic_fetch_xor(&i8042->port_b_value, PORT_B_REFRESH) | PORT_B_TIMER_OUT;
}

static void port_b_write(void *opaque, uint64_t offset, uint64_t value, unsigned int size)
{
	struct i8042 *i8042 = opaque;

	(void)offset;
	(void)size;
	atomic_store(&i8042->port_b_value, (uint8_t)(value & PORT_B_WRITABLE));
}

static const struct bus_ops data_ops = {.read = data_read};
static const struct bus_ops port_b_ops = {.read = port_b_read, .write = port_b_write};
static const struct bus_ops command_ops = {.read = command_read, .write = command_write};

static int i8042_add(struct i8042 *i8042, struct bus_region *region, uint64_t port,
		     const struct bus_ops *ops, const struct logger *logger)
{
	int result;

	*region = (struct bus_region){
		.name = "i8042",
		.base = port,
		.size = 1,
		.ops = ops,
		.opaque = i8042,
	};
	result = bus_add(i8042->bus, region);
	if (result < 0)
		log_error(logger, "i8042", "port 0x%x is taken: %s", (unsigned int)port,
			  strerror(-result));
	return result;
}

int i8042_create(struct i8042 **i8042, const struct i8042_options *options)
{
	struct i8042 *created = calloc(1, sizeof(*created));
	int result;

	if (!created)
		return -ENOMEM;
	created->bus = options->bus;
	created->reset = options->reset;
	created->opaque = options->opaque;
	result = i8042_add(created, &created->data, PORT_DATA, &data_ops, options->logger);
	if (result == 0)
		result = i8042_add(created, &created->port_b, PORT_B, &port_b_ops, options->logger);
	if (result == 0)
		result = i8042_add(created, &created->command, PORT_COMMAND, &command_ops,
				   options->logger);
	if (result < 0) {
		i8042_destroy(created);
		return result;
	}
	*i8042 = created;
	return 0;
}

void i8042_destroy(struct i8042 *i8042)
{
	if (!i8042)
		return;
	/* -ENOENT for what was never added. */
	bus_remove(i8042->bus, &i8042->data);
	bus_remove(i8042->bus, &i8042->port_b);
	bus_remove(i8042->bus, &i8042->command);
	free(i8042);
}
