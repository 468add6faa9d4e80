/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/balloon.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_balloon.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/budget.h"
#include "core/fd.h"

#define BALLOON_QUEUE_SIZE 128u
#define BALLOON_IOVECS     VIRTQUEUE_CHAIN_IOVECS(BALLOON_QUEUE_SIZE)
#define BALLOON_MAX_QUEUES 4u
#define BALLOON_PAGE       4096u
#define BALLOON_SHIFT      12u
#define PFN_BATCH          256u /* as many as Linux sends at once */
#define STATISTIC_BYTES    10u  /* u16 tag, u64 value, packed */

/* Queues that exist only with their feature have no fixed number: the driver counts those that it
 * has (5.5.2). */
enum role { BALLOON_INFLATE, BALLOON_DEFLATE, BALLOON_STATS, BALLOON_REPORT };

/* Bytes of page numbers, each of which can be a system call; reports have only few and large
 * pieces.
 */
static const struct budget_limits balloon_limits = {
	.chains = 64, .bytes = 4 * PFN_BATCH * sizeof(uint32_t), .time_ns = 5 * CLOCK_NS_PER_MS};

/* A chain whose work is not done when the budget is spent waits here for the next turn. */
struct balloon_work {
	bool held;
	struct virtqueue_chain chain;
	size_t offset; /* inflate: bytes done; report: buffers done */
	struct iovec iov[BALLOON_IOVECS];
};

enum {
	BALLOON_INFLATED_PAGES,
	BALLOON_DEFLATED_PAGES,
	BALLOON_REPORTED_BYTES,
	BALLOON_FREED_BYTES,
	BALLOON_COUNTERS,
};

struct balloon {
	struct virtio_device device;
	char *name;
	bool keep_pages;
	uint64_t ram_bytes;
	_Atomic uint32_t target; /* pages */
	_Atomic uint32_t actual;
	struct virtio_counter counters[BALLOON_COUNTERS];
	int ask_fd; /* somebody wants new statistics; -1 without the feature */
	pthread_mutex_t lock;
	bool have_statistics;
	uint64_t statistics[VIRTIO_BALLOON_STATISTICS];

	/* Owned by whoever may run the queues. */
	enum role roles[BALLOON_MAX_QUEUES];
	struct event_source *ask_source;
	uint16_t stats_queue;
	bool stats_held; /* the driver's buffer waits for the next question */
	uint16_t stats_head;
	struct balloon_work work[BALLOON_MAX_QUEUES];
	uint32_t pfns[PFN_BATCH];
};

static struct balloon *balloon_of(struct virtio_device *device)
{
	return (struct balloon *)(void *)device;
}

static void count(struct balloon *balloon, unsigned int counter, uint64_t amount)
{
	atomic_fetch_add_explicit(&balloon->counters[counter].value, amount, memory_order_relaxed);
}

/* Give the whole pages inside [host, host + length) back; all of it is guest RAM of one block. */
static void release(struct balloon *balloon, const struct guest_ram_block *block, void *host,
		    uint64_t length)
{
	uintptr_t mask = block->page_size - 1;
	uintptr_t start = ((uintptr_t)host + mask) & ~mask;
	uintptr_t end = ((uintptr_t)host + length) & ~mask;
	/* Shared memory keeps its pages when one mapping lets go: they are punched out. */
	int advice = block->fd >= 0 ? MADV_REMOVE : MADV_DONTNEED;

	if (balloon->keep_pages || start >= end)
		return;
	if (madvise((void *)start, end - start, advice) &&
	    (advice == MADV_DONTNEED || madvise((void *)start, end - start, MADV_DONTNEED))) {
		log_limited(balloon->device.environment.logger, &balloon->device.error_limit,
			    LOG_LEVEL_WARNING, balloon->name,
			    "balloon: cannot give %" PRIu64 " bytes back to the host: %s",
			    end - start, strerror(errno));
		return;
	}
	count(balloon, BALLOON_FREED_BYTES, end - start);
}

static const struct guest_ram_block *block_of_host(struct balloon *balloon, const void *host)
{
	const struct guest_ram_block *blocks;
	size_t blocks_count, i;

	blocks = guest_memory_blocks(balloon->device.environment.memory, &blocks_count);
	for (i = 0; i < blocks_count; i++)
		if ((uintptr_t)host - (uintptr_t)blocks[i].host < blocks[i].size)
			return &blocks[i];
	return NULL;
}

static void release_range(struct balloon *balloon, uint64_t gpa, uint64_t length)
{
	void *host = guest_memory_at(balloon->device.environment.memory, gpa, length);
	const struct guest_ram_block *block = host ? block_of_host(balloon, host) : NULL;

	if (block)
		release(balloon, block, host, length);
}

static void sift_down(uint32_t *pfns, uint32_t root, uint32_t number)
{
	uint32_t child;

	for (; (child = 2 * root + 1) < number; root = child) {
		uint32_t value = pfns[root];

		if (child + 1 < number && pfns[child + 1] > pfns[child])
			child++;
		if (value >= pfns[child])
			return;
		pfns[root] = pfns[child];
		pfns[child] = value;
	}
}

/* In place: the C library's qsort() may allocate, and ask the kernel how much memory there is,
 * which the filter of the devices' thread forbids. */
static void sort_pfns(uint32_t *pfns, uint32_t number)
{
	uint32_t i;

	for (i = number / 2; i-- > 0;)
		sift_down(pfns, i, number);
	for (i = number; i-- > 1;) {
		uint32_t largest = pfns[0];

		pfns[0] = pfns[i];
		pfns[i] = largest;
		sift_down(pfns, 0, i);
	}
}

/* Page numbers of the driver, any order, any nonsense; neighbours are released together. */
static void inflate_batch(struct balloon *balloon, uint32_t number)
{
	uint32_t i, first = 0;

	for (i = 0; i < number; i++)
		balloon->pfns[i] = le32toh(balloon->pfns[i]);
	sort_pfns(balloon->pfns, number);
	for (i = 1; i <= number; i++) {
		if (i < number && balloon->pfns[i] - balloon->pfns[i - 1] <= 1)
			continue;
		release_range(balloon, (uint64_t)balloon->pfns[first] << BALLOON_SHIFT,
			      ((uint64_t)balloon->pfns[i - 1] - balloon->pfns[first] + 1)
				      << BALLOON_SHIFT);
		first = i;
	}
}

/* Returns true when all of the chain is done. */
static bool inflate(struct balloon *balloon, struct balloon_work *work, struct budget *budget)
{
	size_t bytes;

	while (!budget_spent(budget)) {
		uint32_t number;

		bytes = virtqueue_iov_read(work->chain.iov, work->chain.out_count, work->offset,
					   balloon->pfns, sizeof(balloon->pfns));
		if (bytes < sizeof(uint32_t))
			return true;
		number = (uint32_t)(bytes / sizeof(uint32_t));
		inflate_batch(balloon, number);
		count(balloon, BALLOON_INFLATED_PAGES, number);
		work->offset += bytes;
		budget_charge(budget, 0, bytes);
	}
	return work->offset + sizeof(uint32_t) > work->chain.out_bytes;
}

/* 5.5.6.7: the ranges are the buffers themselves; their contents may be lost. */
static bool report(struct balloon *balloon, struct balloon_work *work, struct budget *budget)
{
	const struct virtqueue_chain *chain = &work->chain;

	for (; work->offset < chain->in_count && !budget_spent(budget); work->offset++) {
		const struct iovec *iov = &chain->iov[chain->out_count + work->offset];
		const struct guest_ram_block *block = block_of_host(balloon, iov->iov_base);

		count(balloon, BALLOON_REPORTED_BYTES, iov->iov_len);
		if (block)
			release(balloon, block, iov->iov_base, iov->iov_len);
		budget_charge(budget, 0, sizeof(uint32_t));
	}
	return work->offset == chain->in_count;
}

/* 5.5.6.3: the driver's answer; the buffer stays here until the next question. */
static void take_statistics(struct balloon *balloon, const struct virtqueue_chain *chain)
{
	uint64_t fresh[VIRTIO_BALLOON_STATISTICS];
	uint8_t entry[STATISTIC_BYTES];
	size_t offset = 0;
	unsigned int i;

	for (i = 0; i < VIRTIO_BALLOON_STATISTICS; i++)
		fresh[i] = UINT64_MAX;
	for (i = 0; i < 4 * VIRTIO_BALLOON_STATISTICS; i++, offset += sizeof(entry)) {
		uint16_t tag;
		uint64_t value;

		if (virtqueue_iov_read(chain->iov, chain->out_count, offset, entry,
				       sizeof(entry)) != sizeof(entry))
			break;
		memcpy(&tag, entry, sizeof(tag));
		memcpy(&value, entry + sizeof(tag), sizeof(value));
		if (le16toh(tag) < VIRTIO_BALLOON_STATISTICS)
			fresh[le16toh(tag)] = le64toh(value);
	}
	pthread_mutex_lock(&balloon->lock);
	memcpy(balloon->statistics, fresh, sizeof(fresh));
	/* The first buffer only introduces the queue when it is empty. */
	balloon->have_statistics |= offset > 0;
	pthread_mutex_unlock(&balloon->lock);
}

static void ask_ready(void *opaque, uint32_t events)
{
	struct balloon *balloon = opaque;
	struct virtqueue *queue = &balloon->device.queues[balloon->stats_queue];

	(void)events;
	if (!balloon->stats_held)
		return; /* an answer is on its way */
	balloon->stats_held = false;
	virtqueue_push(queue, balloon->stats_head, 0);
	virtio_device_notify(&balloon->device, balloon->stats_queue);
}

static void statistics_chain(struct balloon *balloon, const struct virtqueue_chain *chain)
{
	take_statistics(balloon, chain);
	if (balloon->stats_held) { /* one buffer is enough */
		virtqueue_push(&balloon->device.queues[balloon->stats_queue], chain->head, 0);
		return;
	}
	balloon->stats_held = true;
	balloon->stats_head = chain->head;
}

/* Works on the held chain; it goes back when nothing is left of it. */
static void handle(struct balloon *balloon, uint16_t index, struct budget *budget)
{
	struct balloon_work *work = &balloon->work[index];
	bool done = true;

	switch (balloon->roles[index]) {
	case BALLOON_INFLATE:
		done = inflate(balloon, work, budget);
		break;
	case BALLOON_DEFLATE:
		/* The pages come back by themselves when the guest touches them. */
		count(balloon, BALLOON_DEFLATED_PAGES, work->chain.out_bytes / sizeof(uint32_t));
		break;
	case BALLOON_REPORT:
		done = report(balloon, work, budget);
		break;
	default:
		work->held = false;
		statistics_chain(balloon, &work->chain);
		budget_charge(budget, 1, 0);
		return;
	}
	if (!done)
		return;
	work->held = false;
	virtqueue_push(&balloon->device.queues[index], work->chain.head, 0);
	budget_charge(budget, 1, 0);
}

static void balloon_queue_notify(struct virtio_device *device, uint16_t index)
{
	struct balloon *balloon = balloon_of(device);
	struct virtqueue *queue = &device->queues[index];
	struct balloon_work *work = &balloon->work[index];
	struct budget budget = budget_start(&balloon_limits);
	bool again = true;

	while (again && !budget_spent(&budget)) {
		if (!work->held) {
			int result = virtqueue_pop(queue, &work->chain, work->iov, BALLOON_IOVECS);

			if (result < 0) {
				virtio_device_broken(device, queue->error);
				return;
			}
			if (result == 0) {
				again = virtqueue_enable_kicks(queue);
				continue;
			}
			work->held = true;
			work->offset = 0;
		}
		handle(balloon, index, &budget);
	}
	virtio_device_notify(device, index);
	if (budget_spent(&budget))
		virtio_device_kick(device, index);
}

static int watch(struct balloon *balloon)
{
	if (balloon->ask_fd < 0 || !virtio_device_has(&balloon->device, VIRTIO_BALLOON_F_STATS_VQ))
		return 0;
	return event_loop_add(balloon->device.environment.loop, balloon->ask_fd, EPOLLIN | EPOLLET,
			      ask_ready, balloon, &balloon->ask_source);
}

static void balloon_pause(struct virtio_device *device)
{
	struct balloon *balloon = balloon_of(device);

	event_source_remove(balloon->ask_source);
	balloon->ask_source = NULL;
}

static void balloon_resume(struct virtio_device *device)
{
	if (watch(balloon_of(device)))
		virtio_device_broken(device, "cannot watch for questions again");
}

static int balloon_activate(struct virtio_device *device)
{
	struct balloon *balloon = balloon_of(device);
	uint16_t next = 0;

	balloon->roles[next++] = BALLOON_INFLATE;
	balloon->roles[next++] = BALLOON_DEFLATE;
	balloon->stats_queue = next;
	if (virtio_device_has(device, VIRTIO_BALLOON_F_STATS_VQ))
		balloon->roles[next++] = BALLOON_STATS;
	while (next < BALLOON_MAX_QUEUES)
		balloon->roles[next++] = BALLOON_REPORT;
	balloon->stats_held = false;
	return watch(balloon);
}

static void balloon_reset(struct virtio_device *device)
{
	struct balloon *balloon = balloon_of(device);
	unsigned int i;

	balloon_pause(device);
	balloon->stats_held = false;
	for (i = 0; i < BALLOON_MAX_QUEUES; i++)
		balloon->work[i].held = false;
	pthread_mutex_lock(&balloon->lock);
	balloon->have_statistics = false;
	pthread_mutex_unlock(&balloon->lock);
	atomic_store(&balloon->actual, 0); /* a new driver starts with an empty balloon */
}

static void balloon_config_read(struct virtio_device *device, uint32_t offset, void *data,
				uint32_t size)
{
	struct balloon *balloon = balloon_of(device);
	struct virtio_balloon_config config = {
		.num_pages = htole32(atomic_load(&balloon->target)),
		.actual = htole32(atomic_load(&balloon->actual)),
	};

	memcpy(data, (const uint8_t *)&config + offset, size);
}

static void balloon_config_write(struct virtio_device *device, uint32_t offset, const void *data,
				 uint32_t size)
{
	uint32_t actual;

	if (offset != offsetof(struct virtio_balloon_config, actual) || size != sizeof(actual))
		return;
	memcpy(&actual, data, sizeof(actual));
	atomic_store(&balloon_of(device)->actual, le32toh(actual));
}

static void balloon_destroy(struct virtio_device *device)
{
	struct balloon *balloon = balloon_of(device);

	fd_close(&balloon->ask_fd);
	pthread_mutex_destroy(&balloon->lock);
	virtio_device_fini(device);
	free(balloon->name);
	free(balloon);
}

static const struct virtio_device_ops balloon_ops = {
	.activate = balloon_activate,
	.reset = balloon_reset,
	.queue_notify = balloon_queue_notify,
	.config_read = balloon_config_read,
	.config_write = balloon_config_write,
	.pause = balloon_pause,
	.resume = balloon_resume,
	.destroy = balloon_destroy,
};

int virtio_balloon_set_size(struct virtio_device *device, uint64_t size)
{
	struct balloon *balloon = balloon_of(device);

	if (size % BALLOON_PAGE || size > balloon->ram_bytes || size >> BALLOON_SHIFT > UINT32_MAX)
		return -EINVAL;
	atomic_store(&balloon->target, (uint32_t)(size >> BALLOON_SHIFT));
	virtio_device_config_changed(device);
	return 0;
}

void virtio_balloon_get_size(struct virtio_device *device, uint64_t *target, uint64_t *actual)
{
	struct balloon *balloon = balloon_of(device);

	*target = (uint64_t)atomic_load(&balloon->target) << BALLOON_SHIFT;
	*actual = (uint64_t)atomic_load(&balloon->actual) << BALLOON_SHIFT;
}

int virtio_balloon_get_statistics(struct virtio_device *device,
				  uint64_t statistics[VIRTIO_BALLOON_STATISTICS])
{
	struct balloon *balloon = balloon_of(device);
	uint64_t one = 1;
	int result = -ENODATA;

	if (balloon->ask_fd < 0)
		return -ENOTSUP;
	pthread_mutex_lock(&balloon->lock);
	if (balloon->have_statistics) {
		memcpy(statistics, balloon->statistics, sizeof(balloon->statistics));
		result = 0;
	}
	pthread_mutex_unlock(&balloon->lock);
	if (write(balloon->ask_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		return -errno;
	return result;
}

static void measure(struct balloon *balloon)
{
	const struct guest_ram_block *blocks;
	size_t blocks_count, i;

	blocks = guest_memory_blocks(balloon->device.environment.memory, &blocks_count);
	for (i = 0; i < blocks_count; i++)
		balloon->ram_bytes += blocks[i].size;
}

static int check_size(const struct balloon *balloon, uint64_t size)
{
	if (size % BALLOON_PAGE == 0 && size <= balloon->ram_bytes &&
	    size >> BALLOON_SHIFT <= UINT32_MAX)
		return 0;
	log_error(balloon->device.environment.logger, balloon->name,
		  "balloon: size is %" PRIu64
		  "; a multiple of 4096 up to the guest's RAM of %" PRIu64 " bytes "
		  "works",
		  size, balloon->ram_bytes);
	return -EINVAL;
}

int virtio_balloon_create(const struct virtio_balloon_options *options,
			  struct virtio_device **created)
{
	struct balloon *balloon = calloc(1, sizeof(*balloon));
	struct virtio_device *device;
	int result = -ENOMEM;

	if (!balloon)
		return -ENOMEM;
	device = &balloon->device;
	device->ops = &balloon_ops;
	device->environment = options->environment;
	balloon->ask_fd = -1;
	pthread_mutex_init(&balloon->lock, NULL);
	balloon->name = strdup(options->name ? options->name : "balloon0");
	if (!balloon->name)
		goto fail;
	balloon->keep_pages = options->keep_pages;
	measure(balloon);
	result = check_size(balloon, options->size);
	if (result)
		goto fail;
	atomic_store(&balloon->target, (uint32_t)(options->size >> BALLOON_SHIFT));
	balloon->counters[BALLOON_INFLATED_PAGES].name = "inflated_pages";
	balloon->counters[BALLOON_DEFLATED_PAGES].name = "deflated_pages";
	balloon->counters[BALLOON_REPORTED_BYTES].name = "reported_bytes";
	balloon->counters[BALLOON_FREED_BYTES].name = "freed_bytes";
	device->name = balloon->name;
	device->type = VIRTIO_ID_BALLOON;
	device->class_code = 0x00ff00;
	device->queue_count = 2;
	device->queue_max_size = BALLOON_QUEUE_SIZE;
	device->config_size = sizeof(struct virtio_balloon_config);
	device->counters = balloon->counters;
	device->counter_count = BALLOON_COUNTERS;
	if (options->deflate_on_oom)
		device->device_features |= 1ull << VIRTIO_BALLOON_F_DEFLATE_ON_OOM;
	if (options->statistics) {
		device->device_features |= 1ull << VIRTIO_BALLOON_F_STATS_VQ;
		device->queue_count++;
		balloon->ask_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		result = -errno;
		if (balloon->ask_fd < 0)
			goto fail;
	}
	if (options->free_page_reporting) {
		device->device_features |= 1ull << VIRTIO_BALLOON_F_REPORTING;
		device->queue_count++;
	}
	result = virtio_device_init(device);
	if (result)
		goto fail;
	*created = device;
	return 0;
fail:
	balloon_destroy(device);
	return result;
}
