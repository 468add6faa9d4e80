/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/virtio_balloon.h>

#include "devices/virtio/balloon.h"
#include "guest.h"

static struct guest guest;

static void start(struct virtio_balloon_options options)
{
	struct virtio_device *device;

	guest_init(&guest, true);
	options.environment = guest_environment(&guest, NULL);
	cr_assert_eq(virtio_balloon_create(&options, &device), 0);
	cr_assert_eq(guest_start(&guest, device, 16, 0), 0);
}

static void teardown(void)
{
	guest_fini(&guest);
}

TestSuite(virtio_balloon, .fini = teardown, .timeout = 20);

static uint64_t page_alloc(unsigned int pages)
{
	guest.next_gpa = (guest.next_gpa + 4095) & ~4095ull;
	return guest_alloc(&guest, pages * 4096u);
}

static uint8_t *page(uint64_t gpa)
{
	return guest_at(&guest, gpa, 4096);
}

static uint64_t counter(const char *name)
{
	uint32_t i;

	for (i = 0; i < guest.device->counter_count; i++)
		if (!strcmp(guest.device->counters[i].name, name))
			return guest.device->counters[i].value;
	cr_assert_fail("no counter %s", name);
	return 0;
}

Test(virtio_balloon, inflated_pages_are_given_back)
{
	struct vring_used_elem used;
	uint64_t pages, list;
	uint32_t *pfns;
	unsigned int i;

	start((struct virtio_balloon_options){0});
	pages = page_alloc(8);
	list = guest_alloc(&guest, 64);
	for (i = 0; i < 8; i++)
		memset(page(pages + i * 4096), 0xaa, 4096);
	pfns = guest_at(&guest, list, 64);
	pfns[0] = (uint32_t)(pages >> 12) + 5; /* not in order */
	pfns[1] = (uint32_t)(pages >> 12) + 2;
	pfns[2] = (uint32_t)(pages >> 12) + 3;
	pfns[3] = (uint32_t)(pages >> 12) + 2; /* twice */
	pfns[4] = 0xffffffff;                  /* nowhere */
	pfns[5] = 0;
	struct guest_buffer buffer = {list, 24, false};

	guest_add(&guest, &guest.queues[0], &buffer, 1);
	cr_assert(guest_transact(&guest, 0, &used));
	for (i = 0; i < 8; i++)
		cr_assert_eq(page(pages + i * 4096)[100], i == 2 || i == 3 || i == 5 ? 0 : 0xaa,
			     "page %u", i);
	cr_assert_eq(counter("freed_bytes"), 3 * 4096);
	cr_assert_not(guest.needs_reset);
	/* Deflating needs nothing from us, and odd lengths do no harm. */
	buffer.length = 23;
	guest_add(&guest, &guest.queues[1], &buffer, 1);
	cr_assert(guest_transact(&guest, 1, &used));
	guest_add(&guest, &guest.queues[0], &buffer, 1);
	cr_assert(guest_transact(&guest, 0, &used));
}

Test(virtio_balloon, pinned_memory_is_kept)
{
	struct vring_used_elem used;
	uint64_t pages, list;

	start((struct virtio_balloon_options){.keep_pages = true});
	pages = page_alloc(1);
	list = guest_alloc(&guest, 4);
	memset(page(pages), 0xaa, 4096);
	*(uint32_t *)guest_at(&guest, list, 4) = (uint32_t)(pages >> 12);
	struct guest_buffer buffer = {list, 4, false};

	guest_add(&guest, &guest.queues[0], &buffer, 1);
	cr_assert(guest_transact(&guest, 0, &used));
	cr_assert_eq(page(pages)[0], 0xaa);
	cr_assert_eq(counter("inflated_pages"), 1);
}

Test(virtio_balloon, free_page_reporting_gives_whole_pages_back)
{
	struct vring_used_elem used;
	uint64_t pages;
	unsigned int i;

	start((struct virtio_balloon_options){.free_page_reporting = true, .statistics = false});
	cr_assert_eq(guest.device->queue_count, 3);
	pages = page_alloc(8);
	for (i = 0; i < 8; i++)
		memset(page(pages + i * 4096), 0xaa, 4096);
	struct guest_buffer buffers[] = {{pages, 8192, true}, {pages + 3 * 4096 + 1, 8192, true}};

	guest_add(&guest, &guest.queues[2], buffers, 2);
	cr_assert(guest_transact(&guest, 2, &used));
	for (i = 0; i < 8; i++)
		cr_assert_eq(page(pages + i * 4096)[4000], i < 2 || i == 4 ? 0 : 0xaa, "page %u",
			     i);
}

Test(virtio_balloon, statistics_on_demand)
{
	uint64_t statistics[VIRTIO_BALLOON_STATISTICS], gpa;
	struct vring_used_elem used;
	uint8_t *entry;
	uint64_t value = 123456789;
	uint16_t tag = VIRTIO_BALLOON_S_MEMFREE;

	start((struct virtio_balloon_options){.statistics = true, .free_page_reporting = true});
	cr_assert_eq(guest.device->queue_count, 4);
	cr_assert_eq(virtio_balloon_get_statistics(guest.device, statistics), -ENODATA);
	gpa = guest_alloc(&guest, 64);
	entry = guest_at(&guest, gpa, 64);
	memcpy(entry, &tag, 2);
	memcpy(entry + 2, &value, 8);
	tag = 999;
	memcpy(entry + 10, &tag, 2); /* from the future: ignored */
	struct guest_buffer buffer = {gpa, 25, false};

	guest_add(&guest, &guest.queues[2], &buffer, 1);
	guest.device->ops->queue_notify(guest.device, 2);
	cr_assert_not(guest_used(&guest, &guest.queues[2], &used)); /* held */
	cr_assert_eq(virtio_balloon_get_statistics(guest.device, statistics), 0);
	cr_assert_eq(statistics[VIRTIO_BALLOON_S_MEMFREE], 123456789);
	cr_assert_eq(statistics[VIRTIO_BALLOON_S_MEMTOT], UINT64_MAX);
	cr_assert(guest_run(&guest, 5000)); /* the question reaches the driver */
	cr_assert(guest_used(&guest, &guest.queues[2], &used));
}

Test(virtio_balloon, size_and_configuration)
{
	struct virtio_balloon_config config;
	uint64_t target, actual;
	uint32_t told = 100;

	start((struct virtio_balloon_options){.size = 8192, .deflate_on_oom = true});
	cr_assert(virtio_device_has(guest.device, VIRTIO_BALLOON_F_DEFLATE_ON_OOM));
	guest.device->ops->config_read(guest.device, 0, &config, sizeof(config));
	cr_assert_eq(config.num_pages, 2);
	cr_assert_eq(virtio_balloon_set_size(guest.device, 1u << 20), 0);
	cr_assert_eq(guest.config_interrupts, 1);
	cr_assert_eq(virtio_balloon_set_size(guest.device, 4095), -EINVAL);
	cr_assert_eq(virtio_balloon_set_size(guest.device, GUEST_RAM + 4096), -EINVAL);
	guest.device->ops->config_write(guest.device, 4, &told, 4);
	guest.device->ops->config_write(guest.device, 0, &told, 4); /* read-only */
	guest.device->ops->config_write(guest.device, 5, &told, 2);
	virtio_balloon_get_size(guest.device, &target, &actual);
	cr_assert_eq(target, 1u << 20);
	cr_assert_eq(actual, 100 * 4096);
}

Test(virtio_balloon, impossible_sizes_are_refused)
{
	struct virtio_balloon_options options = {.size = 100};
	struct virtio_device *device;

	start((struct virtio_balloon_options){0});
	options.environment = guest_environment(&guest, NULL);
	cr_assert_eq(virtio_balloon_create(&options, &device), -EINVAL);
	options.size = GUEST_RAM * 2ull;
	cr_assert_eq(virtio_balloon_create(&options, &device), -EINVAL);
}

Test(virtio_balloon, broken_rings)
{
	struct vring_used_elem used;

	start((struct virtio_balloon_options){.free_page_reporting = true});
	struct guest_buffer bad = {0x1000, 4096, true};

	guest_add(&guest, &guest.queues[2], &bad, 1);
	cr_assert_not(guest_transact(&guest, 2, &used));
	cr_assert(guest.needs_reset);
}

/* Takes the C library's place: glibc 2.36's calls sysinfo() for 1024 bytes or more, which the
 * filter of the devices' thread answers with the end of the process. */
static bool qsort_forbidden;
static int (*qsort_order)(const void *, const void *);

static int order(const void *a, const void *b, void *opaque)
{
	(void)opaque;
	return qsort_order(a, b);
}

void qsort(void *base, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	if (qsort_forbidden)
		abort();
	qsort_order = compare;
	qsort_r(base, count, size, order, NULL);
}

Test(virtio_balloon, page_numbers_are_sorted_without_the_c_library)
{
	struct vring_used_elem used;
	uint64_t pages, list;
	uint32_t *pfns;
	unsigned int i;

	start((struct virtio_balloon_options){0});
	pages = page_alloc(256);
	list = guest_alloc(&guest, 1024);
	for (i = 0; i < 256; i++)
		memset(page(pages + i * 4096), 0xaa, 4096);
	pfns = guest_at(&guest, list, 1024);
	for (i = 0; i < 256; i++)
		pfns[i] = (uint32_t)(pages >> 12) + (i * 77) % 256; /* all, in no order */
	struct guest_buffer buffer = {list, 1024, false};

	guest_add(&guest, &guest.queues[0], &buffer, 1);
	qsort_forbidden = true;
	cr_assert(guest_transact(&guest, 0, &used));
	qsort_forbidden = false;
	for (i = 0; i < 256; i++)
		cr_assert_eq(page(pages + i * 4096)[7], 0, "page %u", i);
	cr_assert_eq(counter("freed_bytes"), 256 * 4096);
}

/* Overlapping descriptors make any number of page numbers of a little memory. */
Test(virtio_balloon, one_callback_is_bounded_and_goes_on_where_it_stopped)
{
	struct guest_buffer buffers[8];
	struct vring_used_elem used;
	uint64_t list;
	unsigned int i;

	start((struct virtio_balloon_options){0});
	list = guest_alloc(&guest, 65536); /* page 0 again and again: no RAM */
	for (i = 0; i < 8; i++)
		buffers[i] = (struct guest_buffer){list, 65536, false};
	guest_add(&guest, &guest.queues[0], buffers, 8);
	guest.device->ops->queue_notify(guest.device, 0);
	cr_assert_not(guest_used(&guest, &guest.queues[0], &used));
	cr_assert_geq(counter("inflated_pages"), 256);
	cr_assert_leq(counter("inflated_pages"), 1024);
	cr_assert(guest_transact(&guest, 0, &used));
	cr_assert_eq(counter("inflated_pages"), 8 * 16384, "each number once");
	cr_assert_not(guest.needs_reset);
}

/* A chain that waits for its next turn is forgotten with the driver that offered it. */
Test(virtio_balloon, reset_forgets_a_chain_that_waits)
{
	struct virtio_device *device;
	struct vring_used_elem used;
	struct guest_buffer buffer;

	start((struct virtio_balloon_options){0});
	device = guest.device;
	buffer = (struct guest_buffer){guest_alloc(&guest, 65536), 65536, false};
	guest_add(&guest, &guest.queues[0], &buffer, 1);
	device->ops->queue_notify(device, 0);
	cr_assert_not(guest_used(&guest, &guest.queues[0], &used));
	guest_stop(&guest);
	cr_assert_eq(guest_start(&guest, device, 16, 0), 0);
	device->ops->queue_notify(device, 0);
	cr_assert_not(guest_used(&guest, &guest.queues[0], &used));
}

/* Private hugetlb has no descriptor to ask: MADV_DONTNEED of a part fails, or frees the whole page.
 */
Test(virtio_balloon, pages_smaller_than_the_hosts_are_kept)
{
	struct guest_ram_block *blocks;
	struct vring_used_elem used;
	uint64_t pages, list;
	size_t blocks_count;

	start((struct virtio_balloon_options){0});
	blocks = (struct guest_ram_block *)guest_memory_blocks(guest.memory, &blocks_count);
	cr_assert_eq(blocks[0].page_size, (uint64_t)sysconf(_SC_PAGESIZE));
	blocks[0].page_size = 2u << 20;
	pages = page_alloc(1);
	list = guest_alloc(&guest, 4);
	memset(page(pages), 0xaa, 4096);
	*(uint32_t *)guest_at(&guest, list, 4) = (uint32_t)(pages >> 12);
	struct guest_buffer buffer = {list, 4, false};

	guest_add(&guest, &guest.queues[0], &buffer, 1);
	cr_assert(guest_transact(&guest, 0, &used));
	cr_assert_eq(page(pages)[0], 0xaa);
	cr_assert_eq(counter("freed_bytes"), 0);
}
