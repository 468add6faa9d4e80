/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "devices/virtio/blk.h"
#include "devices/virtio/blk_internal.h"
#include "guest.h"

#define DISK_SIZE (4u << 20)
#define LARGE     (3u << 20)

struct log {
	char text[4096];
	unsigned int count;
};

static void on_message(void *opaque, enum log_level level, const char *object, const char *message)
{
	struct log *log = opaque;
	size_t used = strlen(log->text);

	(void)level;
	log->count++;
	snprintf(log->text + used, sizeof(log->text) - used, "%s: %s\n", object, message);
}

struct fixture {
	struct guest guest;
	struct log log;
	struct logger logger;
	char path[64];
	uint64_t header, data, status;
};

static void make_image(char *path, size_t size, uint64_t length)
{
	int fd;

	snprintf(path, size, "/tmp/cxvm-blk-XXXXXX");
	fd = mkstemp(path);
	cr_assert(fd >= 0);
	cr_assert_eq(ftruncate(fd, (off_t)length), 0);
	close(fd);
}

static void setup_with(struct fixture *f, struct virtio_blk_options *options, uint16_t size,
		       uint64_t without)
{
	struct virtio_device *device;

	memset(f, 0, sizeof(*f));
	f->logger = (struct logger){on_message, &f->log, LOG_LEVEL_DEBUG};
	guest_init(&f->guest, true);
	make_image(f->path, sizeof(f->path), DISK_SIZE);
	options->environment = guest_environment(&f->guest, &f->logger);
	options->path = f->path;
	options->fd = -1;
	cr_assert_eq(virtio_blk_create(options, &device), 0, "%s", f->log.text);
	cr_assert_eq(guest_start(&f->guest, device, size, without), 0);
	f->header = guest_alloc(&f->guest, 16);
	f->data = guest_alloc(&f->guest, 1u << 20);
	f->status = guest_alloc(&f->guest, 1);
}

static void teardown(struct fixture *f)
{
	guest_fini(&f->guest);
	unlink(f->path);
}

static void put_header(struct fixture *f, uint32_t type, uint64_t sector)
{
	struct virtio_blk_outhdr header = {.type = type, .sector = sector};

	memcpy(guest_at(&f->guest, f->header, 16), &header, sizeof(header));
	*(uint8_t *)guest_at(&f->guest, f->status, 1) = 0xee;
}

/* One request with one data buffer; returns the status, 0xee when none came. */
static uint8_t request(struct fixture *f, uint32_t type, uint64_t sector, uint32_t length,
		       uint32_t *written)
{
	bool to_guest = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	struct guest_buffer buffers[3] = {{f->header, 16, false}};
	struct vring_used_elem used = {0};
	uint16_t count = 1;

	put_header(f, type, sector);
	if (length)
		buffers[count++] = (struct guest_buffer){f->data, length, to_guest};
	buffers[count++] = (struct guest_buffer){f->status, 1, true};
	guest_add(&f->guest, &f->guest.queues[0], buffers, count);
	guest_transact(&f->guest, 0, &used);
	if (written)
		*written = used.len;
	return *(uint8_t *)guest_at(&f->guest, f->status, 1);
}

static void fill(struct fixture *f, uint32_t length, uint32_t seed)
{
	uint8_t *data = guest_at(&f->guest, f->data, length);
	uint32_t i;

	for (i = 0; i < length; i++)
		data[i] = (uint8_t)((i + seed) * 2654435761u >> 13);
}

static bool image_equals(struct fixture *f, uint64_t offset, const void *data, size_t length)
{
	uint8_t *buffer = malloc(length);
	int fd = open(f->path, O_RDONLY | O_CLOEXEC);
	bool equal = pread(fd, buffer, length, (off_t)offset) == (ssize_t)length &&
		     memcmp(buffer, data, length) == 0;

	close(fd);
	free(buffer);
	return equal;
}

/* Everything that moves data, with and without io_uring, buffered and direct. */
struct engine_case {
	const char *name;
	bool no_io_uring, direct;
	uint64_t without;
};

static const struct engine_case engines[] = {
	{"io_uring", false, false, 0},
	{"preadv", true, false, 0},
	{"io_uring, O_DIRECT", false, true, 0},
	{"preadv, O_DIRECT", true, true, 0},
	{"io_uring, no event index", false, false, 1ull << VIRTIO_RING_F_EVENT_IDX},
};

Test(virtio_blk, written_data_is_read_back, .timeout = 60)
{
	size_t i;

	for (i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
		struct virtio_blk_options options = {
			.name = "disk0",
			.no_io_uring = engines[i].no_io_uring,
			.direct = engines[i].direct,
		};
		struct fixture f;
		uint32_t written;
		uint8_t *copy = malloc(65536);

		setup_with(&f, &options, 16, engines[i].without);
		fill(&f, 65536, 5);
		memcpy(copy, guest_at(&f.guest, f.data, 65536), 65536);
		cr_assert_eq(request(&f, VIRTIO_BLK_T_OUT, 64, 65536, &written), VIRTIO_BLK_S_OK,
			     "%s: %s", engines[i].name, f.log.text);
		cr_assert_eq(written, 1);
		cr_assert_eq(request(&f, VIRTIO_BLK_T_FLUSH, 0, 0, &written), VIRTIO_BLK_S_OK);
		cr_assert(image_equals(&f, 64 * 512, copy, 65536), "%s", engines[i].name);
		memset(guest_at(&f.guest, f.data, 65536), 0, 65536);
		cr_assert_eq(request(&f, VIRTIO_BLK_T_IN, 64, 65536, &written), VIRTIO_BLK_S_OK);
		cr_assert_eq(written, 65537);
		cr_assert_eq(memcmp(guest_at(&f.guest, f.data, 65536), copy, 65536), 0, "%s",
			     engines[i].name);
		free(copy);
		teardown(&f);
	}
}

Test(virtio_blk, odd_layouts_work, .timeout = 60)
{
	size_t i;

	for (i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
		struct virtio_blk_options options = {
			.name = "disk0",
			.no_io_uring = engines[i].no_io_uring,
			.direct = engines[i].direct,
		};
		struct vring_used_elem used;
		struct fixture f;
		uint8_t *mixed, copy[1024];
		uint64_t odd;

		setup_with(&f, &options, 16, engines[i].without);
		/* Header in two pieces, the second with the first data bytes; data misaligned. */
		odd = guest_alloc(&f.guest, 4096) + 3;
		put_header(&f, VIRTIO_BLK_T_OUT, 8);
		fill(&f, 1024, 9);
		memcpy(copy, guest_at(&f.guest, f.data, 1024), 1024);
		mixed = guest_at(&f.guest, odd, 1024);
		memcpy(mixed, (uint8_t *)guest_at(&f.guest, f.header, 16) + 10, 6);
		memcpy(mixed + 6, copy, 100);
		struct guest_buffer buffers[] = {
			{f.header, 10, false},
			{odd, 106, false},
			{f.data + 100, 924, false},
			{f.status, 1, true},
		};

		guest_add_indirect(&f.guest, &f.guest.queues[0], buffers, 4);
		cr_assert(guest_transact(&f.guest, 0, &used));
		cr_assert_eq(*(uint8_t *)guest_at(&f.guest, f.status, 1), VIRTIO_BLK_S_OK, "%s %s",
			     engines[i].name, f.log.text);
		cr_assert(image_equals(&f, 4096, copy, 1024), "%s", engines[i].name);

		/* Reading: the status byte at the end of the last data buffer. */
		put_header(&f, VIRTIO_BLK_T_IN, 8);
		memset(guest_at(&f.guest, f.data, 4096), 0xcc, 4096);
		struct guest_buffer in[] = {
			{f.header, 16, false}, {f.data + 1, 511, true}, {f.data + 1000, 514, true}};

		guest_add(&f.guest, &f.guest.queues[0], in, 3);
		cr_assert(guest_transact(&f.guest, 0, &used));
		cr_assert_eq(used.len, 1025);
		cr_assert_eq(memcmp(guest_at(&f.guest, f.data + 1, 511), copy, 511), 0);
		cr_assert_eq(memcmp(guest_at(&f.guest, f.data + 1000, 513), copy + 511, 513), 0);
		cr_assert_eq(*(uint8_t *)guest_at(&f.guest, f.data + 1513, 1), VIRTIO_BLK_S_OK);
		cr_assert_eq(*(uint8_t *)guest_at(&f.guest, f.data + 1514, 1), 0xcc);
		teardown(&f);
	}
}

struct refusal {
	const char *name;
	bool readonly;
	uint32_t type;
	uint64_t sector;
	uint32_t length;
	uint8_t expected;
};

Test(virtio_blk, requests_are_checked, .timeout = 60)
{
	static const struct refusal cases[] = {
		{"last sector", false, VIRTIO_BLK_T_IN, DISK_SIZE / 512 - 1, 512, VIRTIO_BLK_S_OK},
		{"one beyond", false, VIRTIO_BLK_T_IN, DISK_SIZE / 512, 512, VIRTIO_BLK_S_IOERR},
		{"straddles the end", false, VIRTIO_BLK_T_OUT, DISK_SIZE / 512 - 1, 1024,
		 VIRTIO_BLK_S_IOERR},
		{"sector wraps", false, VIRTIO_BLK_T_OUT, UINT64_MAX, 512, VIRTIO_BLK_S_IOERR},
		{"sector * 512 wraps", false, VIRTIO_BLK_T_OUT, 1ull << 55, 512,
		 VIRTIO_BLK_S_IOERR},
		{"not a multiple", false, VIRTIO_BLK_T_IN, 0, 511, VIRTIO_BLK_S_IOERR},
		{"no data", false, VIRTIO_BLK_T_IN, 0, 0, VIRTIO_BLK_S_OK},
		{"read-only write", true, VIRTIO_BLK_T_OUT, 0, 512, VIRTIO_BLK_S_IOERR},
		{"read-only read", true, VIRTIO_BLK_T_IN, 0, 512, VIRTIO_BLK_S_OK},
		{"read-only flush", true, VIRTIO_BLK_T_FLUSH, 0, 0, VIRTIO_BLK_S_OK},
		{"unknown type", false, 77, 0, 512, VIRTIO_BLK_S_UNSUPP},
		{"SCSI command", false, VIRTIO_BLK_T_SCSI_CMD, 0, 512, VIRTIO_BLK_S_UNSUPP},
		{"discard without segment", false, VIRTIO_BLK_T_DISCARD, 0, 0, VIRTIO_BLK_S_UNSUPP},
		{"discard of 15 bytes", false, VIRTIO_BLK_T_DISCARD, 0, 15, VIRTIO_BLK_S_UNSUPP},
		{"discard of two segments", false, VIRTIO_BLK_T_DISCARD, 0, 32,
		 VIRTIO_BLK_S_UNSUPP},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct virtio_blk_options options = {.readonly = cases[i].readonly};
		struct fixture f;

		setup_with(&f, &options, 16, 0);
		cr_assert_eq(request(&f, cases[i].type, cases[i].sector, cases[i].length, NULL),
			     cases[i].expected, "%s", cases[i].name);
		cr_assert_not(f.guest.needs_reset, "%s", cases[i].name);
		teardown(&f);
	}
}

struct range_case {
	const char *name;
	uint32_t type;
	uint64_t sector;
	uint32_t sectors, flags;
	uint8_t expected;
	bool zeroed;
};

Test(virtio_blk, discard_and_write_zeroes, .timeout = 60)
{
	static const struct range_case cases[] = {
		{"discard", VIRTIO_BLK_T_DISCARD, 8, 8, 0, VIRTIO_BLK_S_OK, true},
		{"discard unmap", VIRTIO_BLK_T_DISCARD, 8, 8, 1, VIRTIO_BLK_S_UNSUPP, false},
		{"zero", VIRTIO_BLK_T_WRITE_ZEROES, 8, 8, 0, VIRTIO_BLK_S_OK, true},
		{"zero unmap", VIRTIO_BLK_T_WRITE_ZEROES, 8, 8, 1, VIRTIO_BLK_S_OK, true},
		{"zero odd range", VIRTIO_BLK_T_WRITE_ZEROES, 9, 7, 0, VIRTIO_BLK_S_OK, false},
		{"zero bad flag", VIRTIO_BLK_T_WRITE_ZEROES, 8, 8, 2, VIRTIO_BLK_S_UNSUPP, false},
		{"zero beyond", VIRTIO_BLK_T_WRITE_ZEROES, DISK_SIZE / 512, 1, 0,
		 VIRTIO_BLK_S_IOERR, false},
		{"zero far beyond", VIRTIO_BLK_T_WRITE_ZEROES, UINT64_MAX, UINT32_MAX, 0,
		 VIRTIO_BLK_S_IOERR, false},
		{"nothing", VIRTIO_BLK_T_DISCARD, 8, 0, 0, VIRTIO_BLK_S_OK, false},
	};
	size_t i, engine;
	uint8_t zero[4096] = {0};

	for (engine = 0; engine < 2; engine++) {
		for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct virtio_blk_options options = {.no_io_uring = engine};
			struct virtio_blk_discard_write_zeroes segment = {
				.sector = cases[i].sector,
				.num_sectors = cases[i].sectors,
				.flags = cases[i].flags,
			};
			struct fixture f;

			setup_with(&f, &options, 16, 0);
			fill(&f, 8192, 1);
			cr_assert_eq(request(&f, VIRTIO_BLK_T_OUT, 8, 8192, NULL), 0);
			memcpy(guest_at(&f.guest, f.data, 16), &segment, 16);
			cr_assert_eq(request(&f, cases[i].type, 0, 16, NULL), cases[i].expected,
				     "%s: %s", cases[i].name, f.log.text);
			cr_assert_eq(image_equals(&f, 4096, zero, 4096), cases[i].zeroed, "%s",
				     cases[i].name);
			teardown(&f);
		}
	}
}

Test(virtio_blk, get_id, .timeout = 20)
{
	struct virtio_blk_options options = {.serial = "12345678901234567890"};
	struct fixture f;
	uint32_t written;

	setup_with(&f, &options, 16, 0);
	cr_assert_eq(request(&f, VIRTIO_BLK_T_GET_ID, 0, 20, &written), VIRTIO_BLK_S_OK);
	cr_assert_eq(written, 21);
	cr_assert_eq(memcmp(guest_at(&f.guest, f.data, 20), options.serial, 20), 0);
	teardown(&f);
}

Test(virtio_blk, chains_that_are_no_request_ask_for_a_reset, .timeout = 20)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		struct virtio_blk_options options = {0};
		struct vring_used_elem used;
		struct fixture f;

		setup_with(&f, &options, 16, 0);
		struct guest_buffer no_status[] = {{f.header, 16, false}};
		struct guest_buffer short_header[] = {{f.header, 15, false}, {f.status, 1, true}};
		struct guest_buffer no_header[] = {{f.status, 1, true}};

		put_header(&f, VIRTIO_BLK_T_FLUSH, 0);
		guest_add(&f.guest, &f.guest.queues[0],
			  i == 0   ? no_status
			  : i == 1 ? short_header
				   : no_header,
			  i == 1 ? 2 : 1);
		cr_assert_not(guest_transact(&f.guest, 0, &used));
		cr_assert(f.guest.needs_reset, "%u", i);
		teardown(&f);
	}
}

/* A full queue of requests, then a reset or a pause in the middle. */
Test(virtio_blk, many_at_once_and_pause_drains, .timeout = 60)
{
	unsigned int what;

	for (what = 0; what < 4; what++) {
		struct virtio_blk_options options = {.no_io_uring = what & 1, .queue_size = 64};
		struct fixture f;
		struct vring_used_elem used;
		uint64_t headers;
		unsigned int i, done = 0;

		setup_with(&f, &options, 64, 0);
		headers = guest_alloc(&f.guest, 21 * 16);
		for (i = 0; i < 21; i++) {
			struct virtio_blk_outhdr header = {.type = VIRTIO_BLK_T_OUT,
							   .sector = i * 8};
			struct guest_buffer buffers[] = {{headers + i * 16, 16, false},
							 {f.data + i * 4096, 4096, false},
							 {f.status, 1, true}};

			memcpy(guest_at(&f.guest, headers + i * 16, 16), &header, 16);
			guest_add(&f.guest, &f.guest.queues[0], buffers, 3);
		}
		fill(&f, 21 * 4096, 3);
		if (what < 2) {
			/* As the event loop would, then quiesce with the requests under way. */
			f.guest.device->ops->queue_notify(f.guest.device, 0);
			f.guest.device->ops->pause(f.guest.device);
			while (guest_used(&f.guest, &f.guest.queues[0], &used))
				done++;
			cr_assert_eq(done, 21);
			cr_assert(image_equals(&f, 0, guest_at(&f.guest, f.data, 21 * 4096),
					       21 * 4096));
			f.guest.device->ops->resume(f.guest.device);
			cr_assert_eq(request(&f, VIRTIO_BLK_T_IN, 0, 4096, NULL), VIRTIO_BLK_S_OK);
		} else {
			struct virtio_device *device = f.guest.device;

			device->ops->queue_notify(device, 0);
			guest_stop(&f.guest); /* the driver resets while requests are in flight */
			cr_assert_eq(guest_start(&f.guest, device, 16, 0), 0);
			cr_assert_eq(request(&f, VIRTIO_BLK_T_IN, 0, 4096, NULL), VIRTIO_BLK_S_OK);
		}
		teardown(&f);
	}
}

/* What the ring answers to one entry. */
static int ring_result(struct blk *blk, const struct io_uring_sqe *entry)
{
	struct io_uring_cqe *done;
	struct io_uring_sqe *slot = io_uring_get_sqe(&blk->ring);
	int result;

	cr_assert_not_null(slot);
	*slot = *entry;
	cr_assert_eq(io_uring_submit(&blk->ring), 1);
	cr_assert_eq(io_uring_wait_cqe(&blk->ring, &done), 0);
	result = done->res;
	io_uring_cqe_seen(&blk->ring, done);
	return result;
}

/* seccomp does not see what is asked of a ring: it must refuse by itself. */
Test(virtio_blk, the_ring_does_nothing_but_the_disk, .timeout = 20)
{
	struct virtio_blk_options options = {0};
	struct io_uring_sqe entry;
	char byte;
	struct fixture f;
	struct blk *blk;
	int fd, other;

	setup_with(&f, &options, 8, 0);
	cr_assert_eq(virtio_blk_prepare(f.guest.device), 0);
	blk = (struct blk *)f.guest.device;
	if (!blk->ring_ready) {
		teardown(&f);
		cr_skip_test("no io_uring here");
	}
	fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	io_uring_prep_openat(&entry, AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
	cr_expect_eq(ring_result(blk, &entry), -EACCES);
	entry.flags = IOSQE_FIXED_FILE;
	cr_expect_eq(ring_result(blk, &entry), -EACCES);
	io_uring_prep_unlink(&entry, f.path, 0);
	cr_expect_eq(ring_result(blk, &entry), -EACCES);
	io_uring_prep_socket(&entry, 2 /* AF_INET */, 1 /* SOCK_STREAM */, 0, 0);
	cr_expect_eq(ring_result(blk, &entry), -EACCES);
	io_uring_prep_read(&entry, fd, &byte, 1, 0); /* not the registered image */
	cr_expect_eq(ring_result(blk, &entry), -EACCES);
	io_uring_prep_nop(&entry);
	cr_expect_eq(ring_result(blk, &entry), -EACCES);
	io_uring_prep_read(&entry, 0, &byte, 1, 0);
	entry.flags = IOSQE_FIXED_FILE;
	cr_expect_eq(ring_result(blk, &entry), 1);
	/* Nor can another file take the image's place. */
	other = fd;
	cr_expect_lt(io_uring_register_files_update(&blk->ring, 0, &other, 1), 0);
	cr_expect_lt(io_uring_unregister_files(&blk->ring), 0);
	close(fd);
	cr_expect_eq(request(&f, VIRTIO_BLK_T_IN, 0, 4096, NULL), VIRTIO_BLK_S_OK);
	teardown(&f);
}

Test(virtio_blk, the_ring_of_a_readonly_disk_does_not_write, .timeout = 20)
{
	struct virtio_blk_options options = {.readonly = true};
	struct io_uring_sqe entry;
	struct fixture f;
	struct blk *blk;

	setup_with(&f, &options, 8, 0);
	cr_assert_eq(virtio_blk_prepare(f.guest.device), 0);
	blk = (struct blk *)f.guest.device;
	if (!blk->ring_ready) {
		teardown(&f);
		cr_skip_test("no io_uring here");
	}
	io_uring_prep_fallocate(&entry, 0, 0, 0, 512);
	entry.flags = IOSQE_FIXED_FILE;
	cr_expect_eq(ring_result(blk, &entry), -EACCES);
	teardown(&f);
}

/* io_uring_enter failed when they were handed over: a reset takes them back, and the ring works. */
Test(virtio_blk, a_reset_takes_back_what_was_not_submitted, .timeout = 20)
{
	struct virtio_blk_options options = {.queue_size = 8};
	struct fixture f;
	struct blk *blk;

	setup_with(&f, &options, 8, 0);
	cr_assert_eq(request(&f, VIRTIO_BLK_T_IN, 0, 512, NULL), VIRTIO_BLK_S_OK);
	blk = (struct blk *)f.guest.device;
	if (!blk->ring_ready) {
		teardown(&f);
		cr_skip_test("no io_uring here");
	}
	for (int finish = 0; finish < 2; finish++) {
		struct blk_request *held = blk->queues[0].free;
		uint8_t buffer[512] = {0xaa}, status = 0xee;
		struct budget budget = budget_start(&(struct budget_limits){.chains = 9});
		struct iovec part = {.iov_base = buffer, .iov_len = sizeof(buffer)};

		blk->queues[0].free = held->next;
		held->type = VIRTIO_BLK_T_IN;
		held->data = &part;
		held->data_count = 1;
		held->offset = 0;
		held->bytes = sizeof(buffer);
		held->status = &status;
		blk_engine_submit(blk, held);
		cr_expect_eq(blk_engine_work(blk, &budget), 1u);
		cr_expect_eq(blk->in_flight, 1u);
		cr_expect(blk_engine_drain(blk, finish));
		cr_expect_eq(blk->in_flight, 0u);
		cr_expect_eq(io_uring_sq_ready(&blk->ring), 0u);
		cr_expect_eq(status, finish ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR);
		cr_expect_eq(buffer[0], finish ? 0 : 0xaa);
	}
	teardown(&f);
}

/* A stop waits for what the kernel has: that is a piece of a request, whatever the guest asks. */
Test(virtio_blk, large_requests_go_in_pieces, .timeout = 60)
{
	for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
		struct virtio_blk_options options = {.no_io_uring = engines[i].no_io_uring,
						     .direct = engines[i].direct};
		/* With O_DIRECT the second is misaligned: it goes through copies. */
		uint64_t buffer, starts[] = {0, 8};
		struct fixture f;

		setup_with(&f, &options, 16, engines[i].without);
		buffer = guest_alloc(&f.guest, LARGE + 4096);
		for (size_t at = 0; at < 2; at++) {
			uint64_t data = f.data;

			f.data = buffer + starts[at];
			fill(&f, LARGE, (uint32_t)at);
			cr_assert_eq(request(&f, VIRTIO_BLK_T_OUT, 0, LARGE, NULL), 0, "%s",
				     engines[i].name);
			cr_assert(image_equals(&f, 0, guest_at(&f.guest, f.data, LARGE), LARGE));
			memset(guest_at(&f.guest, f.data, LARGE), 0, LARGE);
			cr_assert_eq(request(&f, VIRTIO_BLK_T_IN, 0, LARGE, NULL), 0);
			cr_assert(image_equals(&f, 0, guest_at(&f.guest, f.data, LARGE), LARGE));
			f.data = data;
		}
		teardown(&f);
	}
}

Test(virtio_blk, a_piece_is_bounded)
{
	static uint8_t memory[4 * BLK_PIECE];
	struct iovec iov[] = {{memory, 4096},
			      {memory, BLK_PIECE - 4096},
			      {memory, 1},
			      {memory, 3 * BLK_PIECE},
			      {memory, 7}};
	static const struct {
		uint32_t from;
		unsigned int count;
		uint64_t bytes;
	} cases[] = {{0, 2, BLK_PIECE},
		     {1, 2, BLK_PIECE - 4095},
		     {2, 1, 1},
		     {3, 1, BLK_PIECE},
		     {4, 1, 7}};
	struct blk blk = {.in_flight = 0};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct blk_request request = {.type = VIRTIO_BLK_T_IN,
					      .data = iov + cases[i].from,
					      .data_count = 5 - cases[i].from,
					      .bytes = 4 * BLK_PIECE};
		struct blk_piece piece;

		if (cases[i].from == 4)
			request.bytes = 7;
		cr_assert(blk_request_piece(&blk, &request, &piece));
		cr_expect_eq(piece.count, cases[i].count, "case %zu: %u", i, piece.count);
		cr_expect_eq(piece.bytes, cases[i].bytes, "case %zu", i);
	}
}

/* Copies for O_DIRECT are the host's memory: 256 requests of 4 MiB cost one piece each, or wait. */
Test(virtio_blk, copies_keep_within_the_quota, .timeout = 20)
{
	static uint8_t memory[3 * BLK_PIECE];
	struct quota quota = {.left = 2 * BLK_PIECE};
	struct blk blk = {.device.environment.copies = &quota}, other = blk;
	struct blk_request requests[4];
	struct iovec iov = {memory, sizeof(memory)};
	struct blk_piece piece;
	uint8_t status;

	for (int i = 0; i < 4; i++)
		requests[i] = (struct blk_request){.type = VIRTIO_BLK_T_IN,
						   .copied = true,
						   .data = &iov,
						   .data_count = 1,
						   .bytes = sizeof(memory)};
	cr_expect(blk_request_piece(&blk, &requests[0], &piece));
	cr_expect_eq(piece.bytes, BLK_PIECE);
	cr_expect(blk_request_piece(&blk, &requests[1], &piece));
	cr_expect_not(blk_request_piece(&blk, &requests[2], &piece), "used up");
	cr_expect(blk_request_piece(&other, &requests[3], &piece), "each disk gets on");
	cr_expect(blk_request_piece(&blk, &requests[0], &piece), "it has one already");
	cr_expect_eq(quota.left, 0u);
	/* A piece is done, its copy free again. */
	memset(requests[0].copy, 0x5a, BLK_PIECE);
	cr_expect(blk_request_result(&blk, &requests[0], BLK_PIECE, &status));
	cr_expect_eq(memory[BLK_PIECE - 1], 0x5a);
	cr_expect_eq(memory[BLK_PIECE], 0);
	cr_expect_eq(quota.left, (uint64_t)BLK_PIECE);
	iov = (struct iovec){memory, sizeof(memory)};
	cr_expect(blk_request_result(&other, &requests[3], BLK_PIECE, &status));
	cr_expect_eq(quota.left, (uint64_t)BLK_PIECE, "that one was not of the quota");
	iov = (struct iovec){memory, sizeof(memory)};
	cr_expect(blk_request_result(&blk, &requests[1], BLK_PIECE, &status));
	cr_expect_eq(quota.left, 2ull * BLK_PIECE);
	cr_expect_eq(blk.copies + other.copies, 0u);
}

/* What a guest puts into a queue is done in turns, and between them the loop serves the others. */
Test(virtio_blk, one_turn_is_bounded, .timeout = 60)
{
	for (int no_ring = 0; no_ring < 2; no_ring++) {
		struct virtio_blk_options options = {.no_io_uring = no_ring, .queue_size = 256};
		struct fixture f;
		uint64_t buffer;
		unsigned int done = 0;
		struct vring_used_elem used;
		struct blk *blk;

		setup_with(&f, &options, 256, 0);
		blk = (struct blk *)f.guest.device;
		buffer = guest_alloc(&f.guest, DISK_SIZE);
		put_header(&f, VIRTIO_BLK_T_IN, 0);
		for (int i = 0; i < 64; i++) {
			struct guest_buffer buffers[] = {{f.header, 16, false},
							 {buffer, DISK_SIZE, true},
							 {f.status, 1, true}};

			guest_add(&f.guest, &f.guest.queues[0], buffers, 3);
		}
		/* 256 MiB: the turn ends long before. */
		f.guest.device->ops->queue_notify(f.guest.device, 0);
		cr_expect_not_null(blk->todo, "no_ring %d", no_ring);
		cr_expect_leq(blk->counters[BLK_READ_BYTES].value +
				      (uint64_t)blk->in_flight * BLK_PIECE,
			      17ull << 20);
		while (done < 64 && guest_run(&f.guest, 5000))
			while (guest_used(&f.guest, &f.guest.queues[0], &used))
				done++;
		cr_expect_eq(done, 64u);
		cr_expect_eq(blk->counters[BLK_READ_BYTES].value, 64ull * DISK_SIZE);
		teardown(&f);
	}
}

/* Storage that hangs: a reset, a pause and the end wait for it only so long. */
Test(virtio_blk, requests_that_never_end_are_given_up, .timeout = 60)
{
	struct virtio_blk_options options = {.queue_size = 8};
	struct fixture f;
	struct blk *blk;
	uint64_t start;

	setup_with(&f, &options, 8, 0);
	cr_assert_eq(request(&f, VIRTIO_BLK_T_IN, 0, 512, NULL), VIRTIO_BLK_S_OK);
	blk = (struct blk *)f.guest.device;
	if (!blk->ring_ready) {
		teardown(&f);
		cr_skip_test("no io_uring here");
	}
	blk->in_flight++; /* the kernel has it and never answers */
	start = clock_now_ms();
	f.guest.device->ops->pause(f.guest.device);
	cr_expect_geq(clock_now_ms() - start, BLK_DRAIN_MS);
	cr_expect_lt(clock_now_ms() - start, 2 * BLK_DRAIN_MS);
	cr_expect(blk->stuck);
	cr_expect_not_null(strstr(f.log.text, "1 requests did not end within 10 s"), "%s",
			   f.log.text);
	/* For good, and nobody waits again. */
	start = clock_now_ms();
	guest_stop(&f.guest);
	cr_assert_eq(guest_start(&f.guest, f.guest.device, 8, 0), 0);
	cr_expect_eq(request(&f, VIRTIO_BLK_T_IN, 0, 512, NULL), 0xee);
	cr_expect_lt(clock_now_ms() - start, 5000u);
	teardown(&f);
}

Test(virtio_blk, several_queues_share_the_disk, .timeout = 20)
{
	struct virtio_blk_options options = {.num_queues = 3, .queue_size = 8};
	struct vring_used_elem used;
	struct fixture f;
	uint16_t i;

	setup_with(&f, &options, 8, 0);
	cr_assert(virtio_device_has(f.guest.device, VIRTIO_BLK_F_MQ));
	for (i = 0; i < 3; i++) {
		struct guest_buffer buffers[] = {
			{f.header, 16, false}, {f.data, 512, true}, {f.status, 1, true}};

		put_header(&f, VIRTIO_BLK_T_IN, i);
		guest_add(&f.guest, &f.guest.queues[i], buffers, 3);
		cr_assert(guest_transact(&f.guest, i, &used), "queue %u", i);
		cr_assert_eq(*(uint8_t *)guest_at(&f.guest, f.status, 1), VIRTIO_BLK_S_OK);
	}
	teardown(&f);
}

Test(virtio_blk, rate_limit_delays_but_completes, .timeout = 20)
{
	struct virtio_blk_options options = {
		.rate_limiter = {.ops = {.size = 2, .refill_time = 100}}};
	struct timespec before, after;
	struct fixture f;
	int64_t ms;
	unsigned int i;

	setup_with(&f, &options, 16, 0);
	clock_gettime(CLOCK_MONOTONIC, &before);
	for (i = 0; i < 6; i++)
		cr_assert_eq(request(&f, VIRTIO_BLK_T_IN, 0, 512, NULL), VIRTIO_BLK_S_OK);
	clock_gettime(CLOCK_MONOTONIC, &after);
	ms = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
	cr_assert_geq(ms, 199); /* four operations at 50 ms each */
	teardown(&f);
}

Test(virtio_blk, image_that_shrinks_gives_io_errors, .timeout = 20)
{
	struct virtio_blk_options options = {.name = "disk3"};
	struct fixture f;

	setup_with(&f, &options, 16, 0);
	cr_assert_eq(truncate(f.path, 4096), 0);
	cr_assert_eq(request(&f, VIRTIO_BLK_T_IN, 4096 / 512, 4096, NULL), VIRTIO_BLK_S_IOERR);
	/* Half of it is there: a short read, then nothing. */
	cr_assert_eq(truncate(f.path, 4096 + 2048), 0);
	cr_assert_eq(request(&f, VIRTIO_BLK_T_IN, 4096 / 512, 4096, NULL), VIRTIO_BLK_S_IOERR);
	cr_assert_eq(request(&f, VIRTIO_BLK_T_IN, 4096 / 512, 2048, NULL), VIRTIO_BLK_S_OK);
	cr_assert_not_null(strstr(f.log.text, f.path), "%s", f.log.text);
	cr_assert_not_null(strstr(f.log.text, "disk3"), "%s", f.log.text);
	teardown(&f);
}

Test(virtio_blk, configuration_space)
{
	struct virtio_blk_options options = {.num_queues = 2};
	struct virtio_blk_config config;
	struct fixture f;

	setup_with(&f, &options, 16, 0);
	memset(&config, 0xff, sizeof(config));
	f.guest.device->ops->config_read(f.guest.device, 0, &config, sizeof(config));
	cr_assert_eq(config.capacity, DISK_SIZE / 512);
	cr_assert_eq(config.seg_max, 254);
	cr_assert_eq(config.blk_size, 512);
	cr_assert_eq(config.num_queues, 2);
	cr_assert_eq(config.max_discard_seg, 1);
	cr_assert(virtio_device_has(f.guest.device, VIRTIO_BLK_F_FLUSH));
	cr_assert_not(virtio_device_has(f.guest.device, VIRTIO_BLK_F_RO));
	teardown(&f);
}

struct bad_case {
	const char *name;
	uint64_t length; /* of the image; 0: does not exist */
	const char *path;
	struct virtio_blk_options options;
	int expected;
	const char *message;
};

Test(virtio_blk, bad_options_and_images_are_refused)
{
	static const struct bad_case cases[] = {
		{"missing", 0, "/tmp/cxvm-no-such-disk", {.fd = -1}, -ENOENT, "create the image"},
		{"folder", 0, "/tmp", {.fd = -1, .readonly = true}, -EISDIR, "directory"},
		{"device", 0, "/dev/null", {.fd = -1}, -EINVAL, "block device is needed"},
		{"odd size", 1000, NULL, {.fd = -1}, -EINVAL, "multiple of 512"},
		{"no path", 0, NULL, {.fd = -1}, -EINVAL, "neither a path"},
		{"queues", 4096, NULL, {.fd = -1, .num_queues = 65}, -EINVAL, "num_queues"},
		{"size", 4096, NULL, {.fd = -1, .queue_size = 100}, -EINVAL, "queue_size"},
		{"large", 4096, NULL, {.fd = -1, .queue_size = 2048}, -EINVAL, "queue_size"},
		{"serial",
		 4096,
		 NULL,
		 {.fd = -1, .serial = "123456789012345678901"},
		 -EINVAL,
		 "serial"},
		{"limiter",
		 4096,
		 NULL,
		 {.fd = -1, .rate_limiter = {.ops = {.size = 1}}},
		 -EINVAL,
		 "refill_time"},
		{"bad fd", 0, "/x", {.fd = 1000}, -EINVAL, "not valid"},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct virtio_blk_options options = cases[i].options;
		struct log log = {0};
		struct logger logger = {on_message, &log, LOG_LEVEL_DEBUG};
		struct virtio_device *device = NULL;
		char path[64] = "";

		if (cases[i].length)
			make_image(path, sizeof(path), cases[i].length);
		options.path = cases[i].length ? path : cases[i].path;
		options.environment.logger = &logger;
		cr_assert_eq(virtio_blk_create(&options, &device), cases[i].expected, "%s: %s",
			     cases[i].name, log.text);
		cr_assert_not_null(strstr(log.text, cases[i].message), "%s: %s", cases[i].name,
				   log.text);
		if (path[0])
			unlink(path);
	}
}

Test(virtio_blk, locks_keep_two_writers_apart)
{
	static const struct {
		bool first_readonly, second_readonly, no_lock;
		int expected;
	} cases[] = {
		{false, false, false, -EBUSY}, {false, true, false, -EBUSY},
		{true, false, false, -EBUSY},  {true, true, false, 0},
		{false, false, true, 0},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct log log = {0};
		struct logger logger = {on_message, &log, LOG_LEVEL_DEBUG};
		char path[64];
		struct virtio_blk_options options = {
			.fd = -1, .path = path, .environment.logger = &logger};
		struct virtio_device *first, *second;

		make_image(path, sizeof(path), 4096);
		options.readonly = cases[i].first_readonly;
		cr_assert_eq(virtio_blk_create(&options, &first), 0);
		options.readonly = cases[i].second_readonly;
		options.no_lock = cases[i].no_lock;
		cr_assert_eq(virtio_blk_create(&options, &second), cases[i].expected, "%zu", i);
		if (cases[i].expected)
			cr_assert_not_null(strstr(log.text, "another process uses it"));
		else
			virtio_device_destroy(second);
		virtio_device_destroy(first);
		unlink(path);
	}
}

Test(virtio_blk, a_fifo_is_refused_at_once, .timeout = 10)
{
	struct log log = {0};
	struct logger logger = {on_message, &log, LOG_LEVEL_DEBUG};
	char path[] = "/tmp/cxvm-fifo-XXXXXX";
	struct virtio_blk_options options = {
		.fd = -1, .path = path, .readonly = true, .environment.logger = &logger};
	struct virtio_device *device;

	close(mkstemp(path));
	unlink(path);
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_expect_eq(virtio_blk_create(&options, &device), -EINVAL);
	cr_expect_not_null(strstr(log.text, "special file"), "%s", log.text);
	unlink(path);
}

Test(virtio_blk, the_file_of_a_disk_blocks)
{
	struct virtio_blk_options options = {0};
	struct logger logger = {0};
	struct blk_image image;
	char path[64];

	make_image(path, sizeof(path), 4096);
	options =
		(struct virtio_blk_options){.fd = -1, .path = path, .environment.logger = &logger};
	cr_assert_eq(blk_image_open(&image, &options, "disk"), 0);
	cr_expect_not(fcntl(image.fd, F_GETFL) & O_NONBLOCK);
	blk_image_close(&image);
	unlink(path);
}

Test(virtio_blk, images_that_are_not_raw_are_refused)
{
	static const struct {
		const char *name, *magic;
		size_t offset, length;
	} cases[] = {
		{"qcow2", "QFI\xfb\0\0\0\3", 0, 8},         {"VMDK", "KDMV\1\0\0\0", 0, 8},
		{"VMDK", "# Disk DescriptorFile\n", 0, 22}, {"VHDX", "vhdxfile", 0, 8},
		{"VDI", "\x7f\x10\xda\xbe", 64, 4},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct log log = {0};
		struct logger logger = {on_message, &log, LOG_LEVEL_DEBUG};
		char path[64], wanted[64];
		struct virtio_blk_options options = {
			.fd = -1, .path = path, .environment.logger = &logger};
		struct virtio_device *device;
		int fd;

		make_image(path, sizeof(path), 65536);
		fd = open(path, O_WRONLY);
		cr_assert_eq(pwrite(fd, cases[i].magic, cases[i].length, (off_t)cases[i].offset),
			     (ssize_t)cases[i].length);
		close(fd);
		snprintf(wanted, sizeof(wanted), "is a %s image", cases[i].name);
		cr_expect_eq(virtio_blk_create(&options, &device), -EINVAL, "%s", wanted);
		cr_expect_not_null(strstr(log.text, wanted), "%s", log.text);
		cr_expect_not_null(strstr(log.text, "qemu-img convert -O raw"), "%s", log.text);
		unlink(path);
	}
}

/* As a ring does that outlives its process: another descriptor of the same open file. */
Test(virtio_blk, the_lock_ends_with_the_disk)
{
	struct log log = {0};
	struct logger logger = {on_message, &log, LOG_LEVEL_DEBUG};
	char path[64];
	struct virtio_blk_options options = {.path = path, .environment.logger = &logger};
	struct virtio_device *device;
	int other;

	make_image(path, sizeof(path), 4096);
	options.fd = open(path, O_RDWR | O_CLOEXEC);
	other = dup(options.fd);
	cr_assert_eq(virtio_blk_create(&options, &device), 0, "%s", log.text);
	virtio_device_destroy(device);
	options.fd = -1;
	cr_assert_eq(virtio_blk_create(&options, &device), 0, "%s", log.text);
	virtio_device_destroy(device);
	close(other);
	unlink(path);
}

static void *give_up_lock(void *opaque)
{
	nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
	close(*(int *)opaque);
	return NULL;
}

Test(virtio_blk, a_lock_that_ends_soon_is_waited_for, .timeout = 20)
{
	struct log log = {0};
	struct logger logger = {on_message, &log, LOG_LEVEL_DEBUG};
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[64];
	struct virtio_blk_options options = {.fd = -1, .path = path, .environment.logger = &logger};
	struct virtio_device *device;
	pthread_t thread;
	int holder;

	make_image(path, sizeof(path), 4096);
	holder = open(path, O_RDWR | O_CLOEXEC);
	cr_assert_eq(fcntl(holder, F_OFD_SETLK, &lock), 0);
	cr_assert_eq(pthread_create(&thread, NULL, give_up_lock, &holder), 0);
	cr_expect_eq(virtio_blk_create(&options, &device), 0, "%s", log.text);
	pthread_join(thread, NULL);
	virtio_device_destroy(device);
	unlink(path);
}
