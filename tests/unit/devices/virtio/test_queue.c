/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>

#include "guest.h"

#define SIZE  8u
#define ROOM  VIRTQUEUE_CHAIN_IOVECS(SIZE)
#define RAM   0x10000ull
#define END   (RAM + GUEST_RAM)
#define NEXT  VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE
#define INDIR VRING_DESC_F_INDIRECT

struct fixture {
	struct guest guest;
	struct guest_queue queue;
	struct virtqueue vq;
	struct virtqueue_chain chain;
	struct iovec iov[ROOM];
	uint64_t table; /* for indirect descriptors */
	uint64_t buffer;
};

static void setup(struct fixture *f, bool event_index, bool indirect)
{
	memset(f, 0, sizeof(*f));
	guest_init(&f->guest, false);
	f->vq.max_size = SIZE;
	guest_queue_build(&f->guest, &f->queue, &f->vq, SIZE);
	f->table = guest_alloc(&f->guest, 16 * 64);
	f->buffer = guest_alloc(&f->guest, 65536);
	cr_assert_eq(virtqueue_start(&f->vq, f->guest.memory, event_index, indirect), 0);
}

static int pop(struct fixture *f)
{
	return virtqueue_pop(&f->vq, &f->chain, f->iov, ROOM);
}

static void put(struct fixture *f, uint16_t index, uint64_t address, uint32_t length,
		uint16_t flags, uint16_t next)
{
	guest_put_descriptor(&f->guest, f->queue.descriptors, index, address, length, flags, next);
}

static void put_indirect(struct fixture *f, uint16_t index, uint64_t address, uint32_t length,
			 uint16_t flags, uint16_t next)
{
	guest_put_descriptor(&f->guest, f->table, index, address, length, flags, next);
}

Test(virtqueue, empty_queue_gives_nothing)
{
	struct fixture f;

	setup(&f, true, true);
	cr_assert_eq(pop(&f), 0);
	cr_assert_not(f.vq.broken);
	guest_fini(&f.guest);
}

Test(virtqueue, chain_is_split_into_readable_and_writable)
{
	struct fixture f;
	struct vring_used_elem used;

	setup(&f, false, false);
	struct guest_buffer buffers[] = {
		{f.buffer, 16, false}, {f.buffer + 100, 200, false}, {f.buffer + 1000, 300, true}};

	guest_add(&f.guest, &f.queue, buffers, 3);
	cr_assert_eq(pop(&f), 1);
	cr_assert_eq(f.chain.out_count, 2);
	cr_assert_eq(f.chain.in_count, 1);
	cr_assert_eq(f.chain.out_bytes, 216);
	cr_assert_eq(f.chain.in_bytes, 300);
	cr_assert_eq(f.iov[1].iov_base, guest_at(&f.guest, f.buffer + 100, 200));
	cr_assert_eq(f.iov[2].iov_len, 300);
	cr_assert_eq(pop(&f), 0);
	virtqueue_push(&f.vq, f.chain.head, 77);
	cr_assert(guest_used(&f.guest, &f.queue, &used));
	cr_assert_eq(used.id, 0);
	cr_assert_eq(used.len, 77);
	guest_fini(&f.guest);
}

Test(virtqueue, indirect_chain_after_direct_descriptors)
{
	struct fixture f;

	setup(&f, false, true);
	put(&f, 0, f.buffer, 16, NEXT, 3);
	put(&f, 3, f.table, 32, INDIR | WRITE, 0); /* WRITE on it is to be ignored (2.7.5.3.2) */
	put_indirect(&f, 0, f.buffer + 64, 32, NEXT, 1);
	put_indirect(&f, 1, f.buffer + 128, 8, WRITE, 0);
	guest_offer(&f.guest, &f.queue, 0);
	cr_assert_eq(pop(&f), 1);
	cr_assert_eq(f.chain.out_count, 2);
	cr_assert_eq(f.chain.in_count, 1);
	cr_assert_eq(f.chain.out_bytes, 48);
	guest_fini(&f.guest);
}

/* Every kind of rule that a hostile driver can break. */
enum place { DIRECT, TABLE };
struct hostile {
	const char *name;
	bool no_indirect;
	uint16_t head;
	struct {
		enum place place;
		uint16_t index;
		uint64_t address; /* 0: a good buffer; 1: the indirect table */
		uint32_t length;
		uint16_t flags;
		uint16_t next;
	} descriptors[4];
	const char *expected;
};

static const struct hostile hostile_cases[] = {
	{"head out of range", false, SIZE, {{DIRECT, 0, 0, 8, 0, 0}}, "index outside"},
	{"head far out of range", false, 0xffff, {{DIRECT, 0, 0, 8, 0, 0}}, "index outside"},
	{"next out of range", false, 0, {{DIRECT, 0, 0, 8, NEXT, SIZE}}, "index outside"},
	{"loop on itself", false, 0, {{DIRECT, 0, 0, 8, NEXT, 0}}, "loop"},
	{"loop of two", false, 0, {{DIRECT, 0, 0, 8, NEXT, 1}, {DIRECT, 1, 0, 8, NEXT, 0}}, "loop"},
	{"zero length", false, 0, {{DIRECT, 0, 0, 0, 0, 0}}, "zero length"},
	{"zero length after a good one",
	 false,
	 0,
	 {{DIRECT, 0, 0, 8, NEXT, 1}, {DIRECT, 1, 0, 0, WRITE, 0}},
	 "zero length"},
	{"below RAM", false, 0, {{DIRECT, 0, 0x1000, 8, 0, 0}}, "outside guest memory"},
	{"straddles the start", false, 0, {{DIRECT, 0, RAM - 4, 8, 0, 0}}, "outside guest memory"},
	{"straddles the end", false, 0, {{DIRECT, 0, END - 4, 8, 0, 0}}, "outside guest memory"},
	{"at the end", false, 0, {{DIRECT, 0, END, 1, 0, 0}}, "outside guest memory"},
	{"wraps", false, 0, {{DIRECT, 0, UINT64_MAX - 3, 8, 0, 0}}, "outside guest memory"},
	{"huge", false, 0, {{DIRECT, 0, RAM, UINT32_MAX, 0, 0}}, "outside guest memory"},
	{"readable after writable",
	 false,
	 0,
	 {{DIRECT, 0, 0, 8, NEXT | WRITE, 1}, {DIRECT, 1, 0, 8, 0, 0}},
	 "readable descriptor"},
	{"indirect not negotiated", true, 0, {{DIRECT, 0, 1, 16, INDIR, 0}}, "not negotiated"},
	{"indirect with next", false, 0, {{DIRECT, 0, 1, 16, INDIR | NEXT, 0}}, "with a next"},
	{"indirect of 15 bytes", false, 0, {{DIRECT, 0, 1, 15, INDIR, 0}}, "bad length"},
	{"indirect of 17 bytes", false, 0, {{DIRECT, 0, 1, 17, INDIR, 0}}, "bad length"},
	{"indirect of no bytes", false, 0, {{DIRECT, 0, 1, 0, INDIR, 0}}, "bad length"},
	{"indirect outside RAM", false, 0, {{DIRECT, 0, END, 16, INDIR, 0}}, "outside guest"},
	{"indirect of 4 GiB", false, 0, {{DIRECT, 0, RAM, 0xfffffff0, INDIR, 0}}, "outside guest"},
	{"indirect in indirect",
	 false,
	 0,
	 {{DIRECT, 0, 1, 32, INDIR, 0}, {TABLE, 0, 1, 16, INDIR, 0}},
	 "inside a table"},
	{"indirect next out of its table",
	 false,
	 0,
	 {{DIRECT, 0, 1, 32, INDIR, 0}, {TABLE, 0, 0, 8, NEXT, 2}},
	 "index outside"},
	{"indirect loop",
	 false,
	 0,
	 {{DIRECT, 0, 1, 32, INDIR, 0}, {TABLE, 0, 0, 8, NEXT, 1}, {TABLE, 1, 0, 8, NEXT, 0}},
	 "loop"},
	{"indirect buffer outside RAM",
	 false,
	 0,
	 {{DIRECT, 0, 1, 16, INDIR, 0}, {TABLE, 0, END - 1, 2, 0, 0}},
	 "outside guest memory"},
};

Test(virtqueue, broken_rules_break_the_queue)
{
	size_t i, j;

	for (i = 0; i < sizeof(hostile_cases) / sizeof(hostile_cases[0]); i++) {
		const struct hostile *c = &hostile_cases[i];
		struct fixture f;

		setup(&f, true, !c->no_indirect);
		for (j = 0; j < 4; j++) {
			uint64_t address = c->descriptors[j].address;

			if (address == 0)
				address = f.buffer;
			else if (address == 1)
				address = f.table;
			if (j > 0 && !c->descriptors[j].length && !c->descriptors[j].flags)
				continue;
			if (c->descriptors[j].place == DIRECT)
				put(&f, c->descriptors[j].index, address, c->descriptors[j].length,
				    c->descriptors[j].flags, c->descriptors[j].next);
			else
				put_indirect(&f, c->descriptors[j].index, address,
					     c->descriptors[j].length, c->descriptors[j].flags,
					     c->descriptors[j].next);
		}
		guest_offer(&f.guest, &f.queue, c->head);
		cr_assert_eq(pop(&f), -EPROTO, "%s", c->name);
		cr_assert(f.vq.broken, "%s", c->name);
		cr_assert_not_null(strstr(f.vq.error, c->expected), "%s: got \"%s\"", c->name,
				   f.vq.error);
		/* It stays broken, quietly. */
		cr_assert_eq(pop(&f), 0, "%s", c->name);
		cr_assert_not(virtqueue_needs_interrupt(&f.vq), "%s", c->name);
		guest_fini(&f.guest);
	}
}

Test(virtqueue, longest_chain_passes_and_one_more_breaks)
{
	struct fixture f;
	unsigned int count, i;

	for (count = SIZE; count <= SIZE + 1; count++) {
		setup(&f, false, true);
		for (i = 0; i < count; i++)
			put_indirect(&f, (uint16_t)i, f.buffer, 8,
				     (uint16_t)(i + 1 < count ? NEXT : 0), (uint16_t)(i + 1));
		put(&f, 0, f.table, count * 16, INDIR, 0);
		guest_offer(&f.guest, &f.queue, 0);
		cr_assert_eq(pop(&f), count == SIZE ? 1 : -EPROTO, "%u", count);
		guest_fini(&f.guest);
	}
}

Test(virtqueue, total_beyond_4_gib_breaks)
{
	struct fixture f;
	struct guest_ram_options ram = {.gpa = 1ull << 32, .size = 0xfffff000ull, .host_node = -1};

	setup(&f, false, false);
	cr_assert_eq(guest_memory_add_ram(f.guest.memory, &ram), 0);
	put(&f, 0, ram.gpa, 0xfffff000u, NEXT, 1);
	put(&f, 1, f.buffer, 0x1000, 0, 0);
	guest_offer(&f.guest, &f.queue, 0);
	cr_assert_eq(pop(&f), -EPROTO);
	cr_assert_not_null(strstr(f.vq.error, "2^32"));
	guest_fini(&f.guest);
}

Test(virtqueue, buffer_across_two_blocks_is_split)
{
	struct fixture f;
	struct guest_ram_options ram = {.gpa = END, .size = 1u << 20, .host_node = -1, .node = 1};

	setup(&f, false, false);
	cr_assert_eq(guest_memory_add_ram(f.guest.memory, &ram), 0);
	put(&f, 0, END - 100, 300, WRITE, 0);
	guest_offer(&f.guest, &f.queue, 0);
	cr_assert_eq(pop(&f), 1);
	cr_assert_eq(f.chain.in_count, 2);
	cr_assert_eq(f.iov[0].iov_len, 100);
	cr_assert_eq(f.iov[1].iov_len, 200);
	cr_assert_eq(f.iov[1].iov_base, guest_at(&f.guest, END, 200));
	guest_fini(&f.guest);
}

Test(virtqueue, index_that_runs_ahead_breaks)
{
	struct fixture f;
	uint16_t *available;

	setup(&f, true, true);
	available = guest_at(&f.guest, f.queue.available, 4);
	available[1] = SIZE + 1;
	cr_assert_eq(pop(&f), -EPROTO);
	cr_assert_not_null(strstr(f.vq.error, "ran ahead"));
	guest_fini(&f.guest);
}

Test(virtqueue, same_head_again_and_again_is_bounded)
{
	struct fixture f;
	unsigned int i;

	setup(&f, true, true);
	put(&f, 0, f.buffer, 8, 0, 0);
	for (i = 0; i < SIZE; i++) {
		guest_offer(&f.guest, &f.queue, 0);
		cr_assert_eq(pop(&f), 1);
	}
	guest_offer(&f.guest, &f.queue, 0);
	cr_assert_eq(pop(&f), -EPROTO);
	cr_assert_not_null(strstr(f.vq.error, "in flight"));
	guest_fini(&f.guest);
}

struct start_case {
	uint16_t size;
	int64_t descriptor, driver, device; /* offsets into RAM, -1: outside */
	int expected;
};

Test(virtqueue, start_checks_the_areas)
{
	static const struct start_case cases[] = {
		{8, 0, 4096, 8192, 0},
		{0, 0, 4096, 8192, -EINVAL},
		{3, 0, 4096, 8192, -EINVAL},
		{16, 0, 4096, 8192, -EINVAL},
		{8, 8, 4096, 8192, -EINVAL},
		{8, 0, 4097, 8192, -EINVAL},
		{8, 0, 4096, 8194, -EINVAL},
		{8, -1, 4096, 8192, -EFAULT},
		{8, 0, -1, 8192, -EFAULT},
		{8, 0, 4096, -1, -EFAULT},
		{8, GUEST_RAM - 112, 4096, 8192, -EFAULT},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct start_case *c = &cases[i];
		struct guest guest;
		struct virtqueue vq = {.max_size = 8, .size = c->size};

		guest_init(&guest, false);
		vq.descriptor_area = c->descriptor < 0 ? 0 : RAM + (uint64_t)c->descriptor;
		vq.driver_area = c->driver < 0 ? 0 : RAM + (uint64_t)c->driver;
		vq.device_area = c->device < 0 ? 0 : RAM + (uint64_t)c->device;
		cr_assert_eq(virtqueue_start(&vq, guest.memory, true, true), c->expected, "%zu", i);
		cr_assert_eq(vq.running, c->expected == 0);
		guest_fini(&guest);
	}
}

Test(virtqueue, interrupts_without_event_index_follow_the_flag)
{
	struct fixture f;
	uint16_t *available;

	setup(&f, false, false);
	available = guest_at(&f.guest, f.queue.available, 4);
	put(&f, 0, f.buffer, 8, 0, 0);
	guest_offer(&f.guest, &f.queue, 0);
	cr_assert_eq(pop(&f), 1);
	virtqueue_push(&f.vq, 0, 0);
	cr_assert(virtqueue_needs_interrupt(&f.vq));
	available[0] = VRING_AVAIL_F_NO_INTERRUPT;
	cr_assert_not(virtqueue_needs_interrupt(&f.vq));
	guest_fini(&f.guest);
}

Test(virtqueue, event_index_asks_for_one_interrupt_in_a_batch)
{
	struct fixture f;
	uint16_t *event;
	unsigned int i;

	setup(&f, true, false);
	event = guest_at(&f.guest, f.queue.available + 4 + 2 * SIZE, 2);
	put(&f, 0, f.buffer, 8, 0, 0);
	for (i = 0; i < 4; i++) {
		guest_offer(&f.guest, &f.queue, 0);
		cr_assert_eq(pop(&f), 1);
	}
	*event = 2; /* wants to hear of the third */
	virtqueue_push(&f.vq, 0, 0);
	cr_assert(virtqueue_needs_interrupt(&f.vq)); /* the very first is always told */
	virtqueue_push(&f.vq, 0, 0);
	cr_assert_not(virtqueue_needs_interrupt(&f.vq));
	virtqueue_push(&f.vq, 0, 0);
	cr_assert(virtqueue_needs_interrupt(&f.vq));
	cr_assert_not(virtqueue_needs_interrupt(&f.vq)); /* nothing new */
	virtqueue_push(&f.vq, 0, 0);
	cr_assert_not(virtqueue_needs_interrupt(&f.vq));
	guest_fini(&f.guest);
}

Test(virtqueue, indices_wrap_around_65536)
{
	struct fixture f;
	struct vring_used_elem used;
	unsigned int i;

	setup(&f, true, false);
	put(&f, 5, f.buffer, 8, 0, 0);
	for (i = 0; i < 70000; i++) {
		guest_offer(&f.guest, &f.queue, 5);
		cr_assert_eq(pop(&f), 1);
		virtqueue_push(&f.vq, f.chain.head, i);
		cr_assert(virtqueue_needs_interrupt(&f.vq), "%u", i);
		cr_assert(guest_used(&f.guest, &f.queue, &used));
		cr_assert_eq(used.len, i);
		cr_assert_not(guest_used(&f.guest, &f.queue, &used));
	}
	guest_fini(&f.guest);
}

Test(virtqueue, kick_suppression)
{
	struct fixture f;
	uint16_t *used, *avail_event;
	unsigned int event;

	for (event = 0; event < 2; event++) {
		setup(&f, event, false);
		used = guest_at(&f.guest, f.queue.used, 6 + 8 * SIZE);
		avail_event = used + 2 + 4 * SIZE;
		put(&f, 0, f.buffer, 8, 0, 0);
		virtqueue_disable_kicks(&f.vq);
		cr_assert_eq(used[0], event ? 0 : VRING_USED_F_NO_NOTIFY);
		guest_offer(&f.guest, &f.queue, 0);
		cr_assert(virtqueue_enable_kicks(&f.vq)); /* came in between */
		cr_assert_eq(used[0], 0);
		cr_assert_eq(pop(&f), 1);
		cr_assert_not(virtqueue_enable_kicks(&f.vq));
		if (event)
			cr_assert_eq(*avail_event, 1);
		guest_fini(&f.guest);
	}
}

Test(virtqueue, staged_elements_appear_at_once)
{
	struct fixture f;
	struct vring_used_elem used;

	setup(&f, false, false);
	put(&f, 1, f.buffer, 8, 0, 0);
	guest_offer(&f.guest, &f.queue, 1);
	guest_offer(&f.guest, &f.queue, 1);
	cr_assert_eq(pop(&f), 1);
	cr_assert_eq(pop(&f), 1);
	virtqueue_stage(&f.vq, 0, 1, 10);
	virtqueue_stage(&f.vq, 1, 1, 20);
	cr_assert_not(guest_used(&f.guest, &f.queue, &used));
	virtqueue_publish(&f.vq, 2);
	cr_assert(guest_used(&f.guest, &f.queue, &used));
	cr_assert_eq(used.len, 10);
	cr_assert(guest_used(&f.guest, &f.queue, &used));
	cr_assert_eq(used.len, 20);
	cr_assert_eq(f.vq.in_flight, 0);
	guest_fini(&f.guest);
}

Test(virtqueue, iov_helpers_copy_and_slice)
{
	char a[4] = "abcd", b[3] = "efg", out[16] = {0};
	struct iovec iov[2] = {{a, 4}, {b, 3}}, part[2];

	cr_assert_eq(virtqueue_iov_read(iov, 2, 0, out, 16), 7);
	cr_assert_eq(memcmp(out, "abcdefg", 7), 0);
	cr_assert_eq(virtqueue_iov_read(iov, 2, 3, out, 2), 2);
	cr_assert_eq(memcmp(out, "de", 2), 0);
	cr_assert_eq(virtqueue_iov_read(iov, 2, 7, out, 2), 0);
	cr_assert_eq(virtqueue_iov_write(iov, 2, 2, "WXYZ12", 6), 5);
	cr_assert_eq(memcmp(a, "abWX", 4), 0);
	cr_assert_eq(memcmp(b, "YZ1", 3), 0);
	cr_assert_eq(virtqueue_iov_slice(iov, 2, 3, 2, part, 2), 2);
	cr_assert_eq(part[0].iov_len, 1);
	cr_assert_eq(part[1].iov_base, b);
	cr_assert_eq(part[1].iov_len, 1);
	cr_assert_eq(virtqueue_iov_slice(iov, 2, 0, 7, part, 1), 1);
}
