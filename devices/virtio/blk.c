/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/blk.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/units.h"
#include "devices/virtio/blk_internal.h"

#define DEFAULT_QUEUE_SIZE 256u
#define MAX_SEGMENTS       254u
#define MAX_DISCARD        0x3fffffu /* sectors: 2 GiB */
/* "Complete, fetch, submit" before other devices of the loop get their turn. */
#define ROUNDS       8u
#define SEGMENT_COST 64u /* bytes of work that a descriptor counts as */

static const struct budget_limits turn = {
	.chains = 2048,
	.bytes = 16 * MIB,
	.time_ns = 5000000,
};

static struct blk *blk_of(struct virtio_device *device)
{
	return (struct blk *)(void *)device;
}

static void blk_run(struct blk *blk);

static void completion_ready(void *opaque, uint32_t events)
{
	(void)events;
	blk_run(opaque);
}

static void timer_expired(void *opaque, uint32_t events)
{
	struct blk *blk = opaque;

	(void)events;
	blk->timer_armed = false;
	blk_run(blk);
}

/* True when the request must wait; it is kept in blk->throttled. */
static bool throttle(struct blk *blk, struct blk_request *request)
{
	uint64_t wait;
	int result = 0;

	if (!rate_limiter_active(&blk->limiter))
		return false;
	wait = rate_limiter_take(&blk->limiter, request->bytes, clock_now_ns());
	if (wait == 0)
		return false;
	if (blk->throttled != request)
		blk_count(blk, BLK_THROTTLED, 1);
	blk->throttled = request;
	if (blk->timer_armed)
		return true;
	if (!blk->timer)
		result = event_loop_add_timer(blk->device.environment.loop, timer_expired, blk,
					      &blk->timer);
	if (!result)
		result = event_timer_set(blk->timer, wait, 0);
	blk->timer_armed = !result;
	if (result)
		virtio_device_broken(&blk->device, "the rate limiter's timer failed");
	return true;
}

/* Take what the driver offers in one queue, at most once around. Returns how many. */
static unsigned int fetch(struct blk *blk, uint16_t index, struct budget *budget)
{
	struct virtqueue *virtqueue = &blk->device.queues[index];
	struct blk_queue *queue = &blk->queues[index];
	uint32_t room = VIRTQUEUE_CHAIN_IOVECS(blk->device.queue_max_size);
	unsigned int count = 0;

	virtqueue_disable_kicks(virtqueue);
	while (queue->free && !blk->throttled && !budget_spent(budget) && count < virtqueue->size) {
		struct blk_request *request = queue->free;
		struct virtqueue_chain chain;
		uint8_t status;
		int result = virtqueue_pop(virtqueue, &chain, request->iovecs, room);

		if (result == 0) {
			queue->pending = virtqueue_enable_kicks(virtqueue);
			break;
		}
		if (result > 0) {
			queue->free = request->next;
			result = blk_request_parse(blk, request, &chain, &status);
		}
		if (result < 0) {
			virtio_device_broken(&blk->device,
					     virtqueue->error ? virtqueue->error
							      : "request without header or status");
			virtqueue->broken = true;
			queue->pending = false;
			break;
		}
		count++;
		budget_charge(budget, 1,
			      (uint64_t)(chain.out_count + chain.in_count) * SEGMENT_COST);
		if (result == 0)
			blk_request_finish(blk, request, status);
		else if (!throttle(blk, request))
			blk_engine_submit(blk, request);
	}
	return count;
}

static unsigned int fetch_all(struct blk *blk, struct budget *budget)
{
	unsigned int count = 0;
	uint16_t i;

	if (blk->throttled) {
		struct blk_request *request = blk->throttled;

		if (throttle(blk, request))
			return 0;
		blk->throttled = NULL;
		blk_engine_submit(blk, request);
		count++;
	}
	for (i = 0; i < blk->device.queue_count && !blk->throttled; i++)
		if (blk->queues[i].pending)
			count += fetch(blk, i, budget);
	return count;
}

static void notify_all(struct blk *blk)
{
	uint16_t i;

	for (i = 0; i < blk->device.queue_count; i++) {
		if (!blk->queues[i].dirty)
			continue;
		blk->queues[i].dirty = false;
		virtio_device_notify(&blk->device, i);
	}
}

static void blk_run(struct blk *blk)
{
	struct budget budget = budget_start(&turn);
	unsigned int round, progress = 1;

	if (!blk->prepared || blk->stuck)
		return;
	blk_engine_arm(blk, false);
	for (round = 0; round < ROUNDS && progress && !budget_spent(&budget); round++) {
		progress = blk_engine_reap(blk);
		progress += fetch_all(blk, &budget);
		progress += blk_engine_work(blk, &budget);
		blk_engine_flush(blk);
		/* Reads from the page cache are often done already. */
		progress += blk_engine_reap(blk);
		notify_all(blk);
	}
	if (blk_engine_arm(blk, true) || progress) {
		uint64_t one = 1;
		ssize_t n = write(blk->completion_fd, &one, sizeof(one));

		(void)n;
	}
}

/* In the loop's thread at the first kick: a guest that never uses the disk costs little memory. */
static int prepare(struct blk *blk)
{
	int result = blk_engine_prepare(blk);

	if (!result && !blk->completion_source)
		result = event_loop_add(blk->device.environment.loop, blk->completion_fd,
					EPOLLIN | EPOLLET, completion_ready, blk,
					&blk->completion_source);
	blk->prepared = !result;
	return result;
}

static void blk_queue_notify(struct virtio_device *device, uint16_t queue)
{
	struct blk *blk = blk_of(device);

	if (blk->stuck) {
		virtio_device_broken(device, "the host did not end its earlier requests");
		return;
	}
	if (!blk->prepared && prepare(blk)) {
		virtio_device_broken(device, "cannot set up the request queues (out of memory or "
					     "file descriptors)");
		return;
	}
	blk->queues[queue].pending = true;
	blk_run(blk);
}

/* Nobody else runs the queues any more: wait for the kernel. */
static void quiesce(struct blk *blk, bool finish)
{
	event_source_remove(blk->completion_source);
	blk->completion_source = NULL;
	event_source_remove(blk->timer);
	blk->timer = NULL;
	blk->timer_armed = false;
	if (blk->stuck || blk_engine_drain(blk, finish))
		return;
	blk->stuck = true;
	log_error(
		blk->device.environment.logger, blk->name,
		"disk %s: %u requests did not end within %u s: the host's storage hangs; the disk "
		"is lost to this machine, which must be started again once the host reaches the "
		"storage",
		blk->image.path, blk->in_flight, BLK_DRAIN_MS / 1000);
}

static void blk_reset(struct virtio_device *device)
{
	struct blk *blk = blk_of(device);

	quiesce(blk, false);
	blk->throttled = NULL;
	blk->prepared = false; /* the next driver starts with all requests free */
}

static void blk_pause(struct virtio_device *device)
{
	struct blk *blk = blk_of(device);

	if (!blk->prepared)
		return;
	quiesce(blk, true);
	notify_all(blk);
}

static void blk_resume(struct virtio_device *device)
{
	struct blk *blk = blk_of(device);

	if (!blk->prepared)
		return;
	/* The transport kicks all queues, which also looks at a throttled request. */
	if (event_loop_add(device->environment.loop, blk->completion_fd, EPOLLIN | EPOLLET,
			   completion_ready, blk, &blk->completion_source))
		virtio_device_broken(device, "cannot watch for completions again");
}

static void blk_config_read(struct virtio_device *device, uint32_t offset, void *data,
			    uint32_t size)
{
	memcpy(data, (const uint8_t *)&blk_of(device)->config + offset, size);
}

static void blk_destroy(struct virtio_device *device)
{
	struct blk *blk = blk_of(device);
	bool stuck = blk->stuck;

	blk_engine_release(blk);
	blk_image_close(&blk->image);
	virtio_device_fini(device);
	free(blk->name);
	/* The ring is a part of it. */
	if (!stuck)
		free(blk);
}

static const struct virtio_device_ops blk_ops = {
	.reset = blk_reset,
	.queue_notify = blk_queue_notify,
	.config_read = blk_config_read,
	.pause = blk_pause,
	.resume = blk_resume,
	.destroy = blk_destroy,
};

static void fill_config(struct blk *blk)
{
	struct virtio_blk_config *config = &blk->config;
	uint16_t size = blk->device.queue_max_size;
	uint32_t segments = size > 2 ? size - 2u : 1u, exponent = 0;
	uint32_t zeroes = VIRTQUEUE_CHAIN_IOVECS(size) * 128u;

	config->capacity = htole64(blk->image.size / BLK_SECTOR);
	config->seg_max = htole32(segments < MAX_SEGMENTS ? segments : MAX_SEGMENTS);
	config->blk_size = htole32(blk->image.block_size);
	while (blk->image.block_size << exponent < blk->image.physical_block_size)
		exponent++;
	config->physical_block_exp = (uint8_t)exponent;
	config->min_io_size = htole16((uint16_t)(1u << exponent));
	config->num_queues = htole16(blk->device.queue_count);
	config->max_discard_sectors = htole32(MAX_DISCARD);
	config->max_discard_seg = htole32(1);
	config->discard_sector_alignment = htole32(blk->image.physical_block_size / BLK_SECTOR);
	/* What fits in one request when it must be written as plain zeroes. */
	config->max_write_zeroes_sectors = htole32(zeroes < 32768u ? zeroes : 32768u);
	config->max_write_zeroes_seg = htole32(1);
	config->write_zeroes_may_unmap = 1;
}

static const char *const counter_names[BLK_COUNTERS] = {
	[BLK_READ_BYTES] = "read_bytes", [BLK_WRITE_BYTES] = "write_bytes",
	[BLK_READS] = "read_ops",        [BLK_WRITES] = "write_ops",
	[BLK_FLUSHES] = "flushes",       [BLK_DISCARDS] = "discards",
	[BLK_ERRORS] = "errors",         [BLK_THROTTLED] = "throttled",
};

static int check_options(const struct virtio_blk_options *options, const char *name)
{
	const struct logger *logger = options->environment.logger;

	if (options->num_queues > BLK_MAX_QUEUES) {
		log_error(logger, name, "disk: num_queues is %u; at most %u are possible",
			  options->num_queues, BLK_MAX_QUEUES);
		return -EINVAL;
	}
	if (options->queue_size &&
	    (options->queue_size < 4 || options->queue_size > VIRTQUEUE_MAX_SIZE ||
	     (options->queue_size & (options->queue_size - 1)))) {
		log_error(logger, name, "disk: queue_size is %u; a power of two from 4 to %u works",
			  options->queue_size, VIRTQUEUE_MAX_SIZE);
		return -EINVAL;
	}
	if (options->serial && strlen(options->serial) > VIRTIO_BLK_ID_BYTES) {
		log_error(logger, name, "disk: the serial \"%s\" is longer than %u bytes",
			  options->serial, VIRTIO_BLK_ID_BYTES);
		return -EINVAL;
	}
	return 0;
}

int virtio_blk_prepare(struct virtio_device *device)
{
	return blk_engine_prepare_ring(blk_of(device));
}

int virtio_blk_create(const struct virtio_blk_options *options, struct virtio_device **created)
{
	const char *name = options->name ? options->name : "disk0", *serial;
	struct virtio_device *device;
	struct blk *blk;
	int result = check_options(options, name), i;

	if (result)
		return result;
	blk = calloc(1, sizeof(*blk));
	if (!blk)
		return -ENOMEM;
	device = &blk->device;
	device->ops = &blk_ops;
	blk->completion_fd = -1;
	blk->image.fd = -1;
	blk->use_ring = !options->no_io_uring;
	blk->io_limit = (struct log_ratelimit)LOG_RATELIMIT_DEFAULT;
	blk->name = strdup(name);
	result = -ENOMEM;
	if (!blk->name)
		goto fail;
	result = rate_limiter_init(&blk->limiter, &options->rate_limiter, clock_now_ns());
	if (result) {
		log_error(options->environment.logger, name,
			  "disk: rate_limiter: a bucket with a size needs a refill_time (ms)");
		goto fail;
	}
	serial = options->serial ? options->serial : name;
	memcpy(blk->serial, serial, strnlen(serial, sizeof(blk->serial)));
	for (i = 0; i < BLK_COUNTERS; i++)
		blk->counters[i].name = counter_names[i];
	device->name = blk->name;
	device->type = VIRTIO_ID_BLOCK;
	device->class_code = 0x018000; /* mass storage, other */
	device->queue_count = options->num_queues ? options->num_queues : 1;
	device->queue_max_size = options->queue_size ? options->queue_size : DEFAULT_QUEUE_SIZE;
	device->environment = options->environment;
	device->counters = blk->counters;
	device->counter_count = BLK_COUNTERS;
	device->config_size = sizeof(blk->config);
	device->device_features = 1ull << VIRTIO_BLK_F_SEG_MAX | 1ull << VIRTIO_BLK_F_BLK_SIZE |
				  1ull << VIRTIO_BLK_F_FLUSH | 1ull << VIRTIO_BLK_F_TOPOLOGY;
	if (options->readonly)
		device->device_features |= 1ull << VIRTIO_BLK_F_RO;
	else
		device->device_features |=
			1ull << VIRTIO_BLK_F_DISCARD | 1ull << VIRTIO_BLK_F_WRITE_ZEROES;
	if (device->queue_count > 1)
		device->device_features |= 1ull << VIRTIO_BLK_F_MQ;
	result = virtio_device_init(device);
	if (result)
		goto fail;
	/* Last: from here on a failure must not close a descriptor that stays the caller's. */
	result = blk_image_open(&blk->image, options, name);
	if (result)
		goto fail;
	fill_config(blk);
	*created = device;
	return 0;
fail:
	blk_destroy(device);
	return result;
}
