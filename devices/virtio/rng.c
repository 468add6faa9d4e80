/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/rng.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/budget.h"

#define RNG_QUEUE_SIZE 64u
/* A driver asks for 64 bytes or so; what a hostile one asks for beyond this it gets next time. */
#define RNG_MAX_BYTES 65536u
/* What is answered before other devices of the loop get their turn: a guest can offer buffers
 * faster than they are filled. */
static const struct budget_limits rng_limits = {
	.chains = 64, .bytes = 4 * RNG_MAX_BYTES, .time_ns = 2 * CLOCK_NS_PER_MS};

enum { RNG_BYTES, RNG_COUNTERS };

struct rng {
	struct virtio_device device;
	char *name;
	struct virtio_counter counters[RNG_COUNTERS];
	struct iovec iov[VIRTQUEUE_CHAIN_IOVECS(RNG_QUEUE_SIZE)];
};

static struct rng *rng_of(struct virtio_device *device)
{
	return (struct rng *)(void *)device;
}

/* Returns the bytes written to the chain. */
static uint32_t fill(const struct virtqueue_chain *chain)
{
	const struct iovec *iov = chain->iov + chain->out_count;
	uint32_t written = 0, i;

	for (i = 0; i < chain->in_count; i++) {
		size_t length = iov[i].iov_len, done = 0;

		if (length > RNG_MAX_BYTES - written)
			length = RNG_MAX_BYTES - written;
		while (done < length) {
			ssize_t n = getrandom((uint8_t *)iov[i].iov_base + done, length - done, 0);

			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0)
				return written + (uint32_t)done;
			done += (size_t)n;
		}
		written += (uint32_t)done;
		if (written == RNG_MAX_BYTES)
			break;
	}
	return written;
}

static void rng_queue_notify(struct virtio_device *device, uint16_t index)
{
	struct rng *rng = rng_of(device);
	struct virtqueue *queue = &device->queues[index];
	struct budget budget = budget_start(&rng_limits);
	struct virtqueue_chain chain;
	bool handled = false, again = true;

	virtqueue_disable_kicks(queue);
	while (again && !budget_spent(&budget)) {
		int result = virtqueue_pop(queue, &chain, rng->iov,
					   VIRTQUEUE_CHAIN_IOVECS(RNG_QUEUE_SIZE));
		uint32_t written;

		if (result < 0) {
			virtio_device_broken(device, queue->error);
			return;
		}
		if (result == 0) {
			again = virtqueue_enable_kicks(queue);
			continue;
		}
		written = fill(&chain);
		atomic_fetch_add_explicit(&rng->counters[RNG_BYTES].value, written,
					  memory_order_relaxed);
		virtqueue_push(queue, chain.head, written);
		handled = true;
		budget_charge(&budget, 1, written);
	}
	/* A kick that found nothing (the one at DRIVER_OK) is no reason for an interrupt. */
	if (handled)
		virtio_device_notify(device, index);
	if (budget_spent(&budget))
		virtio_device_kick(device, index);
}

static void rng_reset(struct virtio_device *device)
{
	(void)device; /* nothing is ever in flight */
}

static void rng_destroy(struct virtio_device *device)
{
	struct rng *rng = rng_of(device);

	virtio_device_fini(device);
	free(rng->name);
	free(rng);
}

static const struct virtio_device_ops rng_ops = {
	.reset = rng_reset,
	.queue_notify = rng_queue_notify,
	.destroy = rng_destroy,
};

int virtio_rng_create(const struct virtio_rng_options *options, struct virtio_device **created)
{
	struct rng *rng = calloc(1, sizeof(*rng));
	int result = -ENOMEM;

	if (!rng)
		return -ENOMEM;
	rng->device.ops = &rng_ops;
	rng->name = strdup(options->name ? options->name : "rng0");
	if (!rng->name)
		goto fail;
	rng->counters[RNG_BYTES].name = "bytes";
	rng->device.name = rng->name;
	rng->device.type = VIRTIO_ID_RNG;
	rng->device.queue_count = 1;
	rng->device.queue_max_size = RNG_QUEUE_SIZE;
	rng->device.class_code = 0x00ff00; /* unclassified, as 4.1.2 leaves it open */
	rng->device.environment = options->environment;
	rng->device.counters = rng->counters;
	rng->device.counter_count = RNG_COUNTERS;
	result = virtio_device_init(&rng->device);
	if (result)
		goto fail;
	*created = &rng->device;
	return 0;
fail:
	rng_destroy(&rng->device);
	return result;
}
