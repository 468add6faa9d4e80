/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_vsock.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "devices/virtio/vsock.h"
#include "guest.h"

#define CID    42u
#define RX     0u
#define TX     1u
#define BUFFER 4096u
#define WINDOW 65536u

struct packet {
	struct virtio_vsock_hdr header;
	uint8_t data[BUFFER];
};

struct fixture {
	struct guest guest;
	char folder[64];
	char path[96];
	char text[2048];
	struct logger logger;
	uint64_t rx_gpa[128];
	uint64_t tx_gpa;
};

static void on_message(void *opaque, enum log_level level, const char *object, const char *message)
{
	struct fixture *f = opaque;
	size_t used = strlen(f->text);

	(void)level;
	snprintf(f->text + used, sizeof(f->text) - used, "%s: %s\n", object, message);
}

static void offer(struct fixture *f, unsigned int slot)
{
	struct guest_buffer buffer = {f->rx_gpa[slot], 44 + BUFFER, true};

	/* One descriptor each, so that the head is the slot. */
	f->guest.queues[RX].next_descriptor = (uint16_t)slot;
	guest_add(&f->guest, &f->guest.queues[RX], &buffer, 1);
}

static void setup(struct fixture *f, uint32_t max_connections, unsigned int buffers)
{
	struct virtio_vsock_options options = {
		.name = "vsock0", .cid = CID, .max_connections = max_connections};
	struct virtio_device *device;
	unsigned int i;

	memset(f, 0, sizeof(*f));
	f->logger = (struct logger){on_message, f, LOG_LEVEL_DEBUG};
	guest_init(&f->guest, true);
	snprintf(f->folder, sizeof(f->folder), "/tmp/cxvm-vsock-XXXXXX");
	cr_assert_not_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/v.sock", f->folder);
	options.environment = guest_environment(&f->guest, &f->logger);
	options.socket = f->path;
	cr_assert_eq(virtio_vsock_create(&options, &device), 0, "%s", f->text);
	cr_assert_eq(guest_start(&f->guest, device, 32, 0), 0);
	f->tx_gpa = guest_alloc(&f->guest, 44 + WINDOW + 4096);
	for (i = 0; i < buffers; i++) {
		f->rx_gpa[i] = guest_alloc(&f->guest, 44 + BUFFER);
		offer(f, i);
	}
}

static void teardown(struct fixture *f)
{
	struct stat info;

	guest_fini(&f->guest);
	cr_assert_eq(stat(f->path, &info), -1, "the socket file is still there");
	cr_assert_eq(rmdir(f->folder), 0);
}

static void send_raw(struct fixture *f, const struct virtio_vsock_hdr *header, uint32_t length)
{
	struct guest_buffer buffer = {f->tx_gpa, length, false};
	struct vring_used_elem used;

	memcpy(guest_at(&f->guest, f->tx_gpa, 44), header, 44);
	guest_add(&f->guest, &f->guest.queues[TX], &buffer, 1);
	f->guest.device->ops->queue_notify(f->guest.device, TX);
	cr_assert(guest_used(&f->guest, &f->guest.queues[TX], &used));
}

static void send_op(struct fixture *f, uint32_t host_port, uint32_t guest_port, uint16_t op,
		    uint32_t flags, uint32_t length, uint32_t buf_alloc, uint32_t fwd_cnt)
{
	struct virtio_vsock_hdr header = {
		.src_cid = CID,
		.dst_cid = 2,
		.src_port = guest_port,
		.dst_port = host_port,
		.len = length,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.flags = flags,
		.buf_alloc = buf_alloc,
		.fwd_cnt = fwd_cnt,
	};

	send_raw(f, &header, 44 + length);
}

/* The next packet for the guest; runs the loop when there is none yet. */
static bool receive(struct fixture *f, struct packet *packet, uint32_t timeout_ms)
{
	struct vring_used_elem used;

	while (!guest_used(&f->guest, &f->guest.queues[RX], &used))
		if (!guest_run(&f->guest, timeout_ms))
			return false;
	memset(packet, 0, sizeof(*packet));
	memcpy(packet, guest_at(&f->guest, f->rx_gpa[used.id], used.len), used.len);
	cr_assert_eq(used.len, 44 + packet->header.len);
	cr_assert_eq(packet->header.src_cid, 2);
	cr_assert_eq(packet->header.dst_cid, CID);
	offer(f, used.id);
	return true;
}

static void expect(struct fixture *f, struct packet *packet, uint16_t op)
{
	cr_assert(receive(f, packet, 5000), "no packet, expected op %u", op);
	cr_assert_eq(packet->header.op, op, "op %u instead of %u", packet->header.op, op);
}

static void expect_nothing(struct fixture *f)
{
	struct packet packet;

	cr_assert_not(receive(f, &packet, 30), "unexpected op %u", packet.header.op);
}

static int host_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static int host_listen(struct fixture *f, uint32_t port, char *path, size_t size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(path, size, "%s_%u", f->path, port);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(fd, 4), 0);
	return fd;
}

/* A guest connection to host port @port; returns the host's accepted end. */
static int guest_connects(struct fixture *f, uint32_t port, uint32_t guest_port, uint32_t buf_alloc)
{
	char path[128];
	struct packet packet;
	int listener = host_listen(f, port, path, sizeof(path)), fd;

	send_op(f, port, guest_port, VIRTIO_VSOCK_OP_REQUEST, 0, 0, buf_alloc, 0);
	expect(f, &packet, VIRTIO_VSOCK_OP_RESPONSE);
	cr_assert_eq(packet.header.src_port, port);
	cr_assert_eq(packet.header.dst_port, guest_port);
	cr_assert_eq(packet.header.buf_alloc, WINDOW);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	cr_assert(fd >= 0);
	close(listener);
	unlink(path);
	return fd;
}

Test(virtio_vsock, host_connects_and_talks, .timeout = 20)
{
	struct fixture f;
	struct packet packet;
	char line[64] = "";
	uint32_t port;
	int fd;

	setup(&f, 0, 16);
	fd = host_connect(f.path);
	/* In two pieces, and data right behind. */
	cr_assert_eq(send(fd, "CONNE", 5, 0), 5);
	expect_nothing(&f);
	cr_assert_eq(send(fd, "CT 1234\nhello", 13, 0), 13);
	expect(&f, &packet, VIRTIO_VSOCK_OP_REQUEST);
	cr_assert_eq(packet.header.dst_port, 1234);
	cr_assert_eq(packet.header.type, VIRTIO_VSOCK_TYPE_STREAM);
	port = packet.header.src_port;
	cr_assert_geq(port, 1u << 30);
	expect_nothing(&f); /* data waits for the answer */
	send_op(&f, port, 1234, VIRTIO_VSOCK_OP_RESPONSE, 0, 0, 65536, 0);
	expect(&f, &packet, VIRTIO_VSOCK_OP_RW);
	cr_assert_eq(packet.header.len, 5);
	cr_assert_eq(memcmp(packet.data, "hello", 5), 0);
	char expected[64];

	snprintf(expected, sizeof(expected), "OK %u\n", port);
	cr_assert_gt(recv(fd, line, sizeof(line) - 1, 0), 0);
	cr_assert_str_eq(line, expected);

	memcpy(guest_at(&f.guest, f.tx_gpa + 44, 5), "world", 5);
	send_op(&f, port, 1234, VIRTIO_VSOCK_OP_RW, 0, 5, 65536, 5);
	cr_assert_eq(recv(fd, line, sizeof(line), 0), 5);
	cr_assert_eq(memcmp(line, "world", 5), 0);
	close(fd);
	expect(&f, &packet, VIRTIO_VSOCK_OP_SHUTDOWN);
	cr_assert_eq(packet.header.flags, 3);
	send_op(&f, port, 1234, VIRTIO_VSOCK_OP_RST, 0, 0, 65536, 5);
	send_op(&f, port, 1234, VIRTIO_VSOCK_OP_RW, 0, 1, 65536, 5); /* it is forgotten */
	expect(&f, &packet, VIRTIO_VSOCK_OP_RST);
	teardown(&f);
}

Test(virtio_vsock, guest_refuses_the_host, .timeout = 20)
{
	struct fixture f;
	struct packet packet;
	char byte;
	int fd;

	setup(&f, 0, 4);
	fd = host_connect(f.path);
	cr_assert_eq(send(fd, "CONNECT 7\n", 10, 0), 10);
	expect(&f, &packet, VIRTIO_VSOCK_OP_REQUEST);
	send_op(&f, packet.header.src_port, 7, VIRTIO_VSOCK_OP_RST, 0, 0, 0, 0);
	cr_assert_eq(recv(fd, &byte, 1, 0), 0); /* closed, without an OK */
	close(fd);
	teardown(&f);
}

Test(virtio_vsock, bad_handshakes_are_closed, .timeout = 20)
{
	static const char *const lines[] = {
		"CONNECT \n",
		"CONNECT -1\n",
		"CONNECT 4294967296\n",
		"CONNECT 99999999999999999999999\n",
		"CONNECT 12x\n",
		"connect 12\n",
		"GET / HTTP/1.1\n",
		"\n",
		"CONNECT 00000000000000000000000000000012\n",
	};
	struct fixture f;
	size_t i;

	setup(&f, 0, 4);
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		int fd = host_connect(f.path);
		char byte;

		cr_assert_eq(send(fd, lines[i], strlen(lines[i]), 0), (ssize_t)strlen(lines[i]));
		expect_nothing(&f);
		/* Unread bytes make it ECONNRESET instead of an end of file. */
		errno = 0;
		cr_assert_leq(recv(fd, &byte, 1, 0), 0, "%s", lines[i]);
		cr_assert_neq(errno, EAGAIN, "%s", lines[i]);
		close(fd);
	}
	teardown(&f);
}

Test(virtio_vsock, guest_connects_and_half_closes, .timeout = 20)
{
	struct fixture f;
	struct packet packet;
	char text[16];
	int fd;

	setup(&f, 0, 8);
	fd = guest_connects(&f, 5000, 1025, 65536);
	memcpy(guest_at(&f.guest, f.tx_gpa + 44, 4), "ping", 4);
	send_op(&f, 5000, 1025, VIRTIO_VSOCK_OP_RW, 0, 4, 65536, 0);
	cr_assert_eq(recv(fd, text, sizeof(text), 0), 4);
	/* The guest sends no more, but still listens. */
	send_op(&f, 5000, 1025, VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_SHUTDOWN_SEND, 0, 65536, 0);
	cr_assert_eq(recv(fd, text, sizeof(text), 0), 0);
	cr_assert_eq(send(fd, "pong", 4, 0), 4);
	expect(&f, &packet, VIRTIO_VSOCK_OP_RW);
	cr_assert_eq(memcmp(packet.data, "pong", 4), 0);
	cr_assert_eq(packet.header.fwd_cnt, 4);
	/* Now the other direction too: the host answers with RST. */
	send_op(&f, 5000, 1025, VIRTIO_VSOCK_OP_SHUTDOWN, VIRTIO_VSOCK_SHUTDOWN_RCV, 0, 65536, 4);
	expect(&f, &packet, VIRTIO_VSOCK_OP_RST);
	close(fd);
	teardown(&f);
}

Test(virtio_vsock, host_half_closes, .timeout = 20)
{
	struct fixture f;
	struct packet packet;
	char text[16];
	int fd;

	setup(&f, 0, 8);
	fd = guest_connects(&f, 5000, 1025, 65536);
	cr_assert_eq(send(fd, "bye", 3, 0), 3);
	shutdown(fd, SHUT_WR);
	expect(&f, &packet, VIRTIO_VSOCK_OP_RW);
	cr_assert_eq(packet.header.len, 3);
	expect(&f, &packet, VIRTIO_VSOCK_OP_SHUTDOWN);
	cr_assert_eq(packet.header.flags, VIRTIO_VSOCK_SHUTDOWN_SEND);
	send_op(&f, 5000, 1025, VIRTIO_VSOCK_OP_RW, 0, 4, 65536, 3);
	cr_assert_eq(recv(fd, text, sizeof(text), 0), 4); /* the guest may still send */
	close(fd);
	teardown(&f);
}

Test(virtio_vsock, resets_for_what_does_not_exist, .timeout = 20)
{
	struct fixture f;
	struct packet packet;
	struct virtio_vsock_hdr header = {.src_cid = CID,
					  .dst_cid = 2,
					  .src_port = 9,
					  .dst_port = 10,
					  .type = VIRTIO_VSOCK_TYPE_STREAM};
	static const uint16_t ops[] = {VIRTIO_VSOCK_OP_REQUEST, /* nobody listens */
				       VIRTIO_VSOCK_OP_RESPONSE,
				       VIRTIO_VSOCK_OP_SHUTDOWN,
				       VIRTIO_VSOCK_OP_RW,
				       VIRTIO_VSOCK_OP_CREDIT_UPDATE,
				       77};
	size_t i;

	setup(&f, 0, 8);
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		header.op = ops[i];
		send_raw(&f, &header, 44);
		expect(&f, &packet, VIRTIO_VSOCK_OP_RST);
		cr_assert_eq(packet.header.src_port, 10);
		cr_assert_eq(packet.header.dst_port, 9);
	}
	header.op = VIRTIO_VSOCK_OP_RST; /* never answered: no ping-pong */
	send_raw(&f, &header, 44);
	expect_nothing(&f);
	header.op = VIRTIO_VSOCK_OP_REQUEST;
	header.src_cid = 43; /* not this guest */
	send_raw(&f, &header, 44);
	header.src_cid = CID;
	header.dst_cid = 3; /* not the host */
	send_raw(&f, &header, 44);
	header.dst_cid = 2;
	send_raw(&f, &header, 43); /* no whole header */
	expect_nothing(&f);
	header.type = 2; /* SEQPACKET was not offered */
	send_raw(&f, &header, 44);
	expect(&f, &packet, VIRTIO_VSOCK_OP_RST);
	cr_assert_eq(packet.header.type, 2);
	teardown(&f);
}

Test(virtio_vsock, window_is_enforced_and_reopened, .timeout = 20)
{
	struct fixture f;
	struct packet packet;
	uint8_t *data, *copy = malloc(2 * WINDOW);
	size_t got = 0;
	uint32_t sent = 0, forwarded = 0;
	unsigned int i;
	int fd, small = 1;

	setup(&f, 0, 8);
	fd = guest_connects(&f, 5000, 1025, 65536);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	data = guest_at(&f.guest, f.tx_gpa + 44, WINDOW);
	for (i = 0; i < WINDOW; i++)
		data[i] = (uint8_t)(i * 7 + (i >> 8));
	/* Nobody reads: the host's socket takes some, the device keeps up to a window. */
	for (;;) {
		send_op(&f, 5000, 1025, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 0, 0, 65536, 0);
		do {
			expect(&f, &packet, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
			forwarded = packet.header.fwd_cnt;
		} while (0);
		if (WINDOW - (sent - forwarded) < 16384)
			break;
		send_op(&f, 5000, 1025, VIRTIO_VSOCK_OP_RW, 0, 16384, 65536, 0);
		sent += 16384;
	}
	cr_assert_leq(sent - forwarded, WINDOW);
	/* The host reads: everything arrives, the guest hears of it. */
	while (got < sent) {
		ssize_t n = recv(fd, copy, WINDOW, 0);
		ssize_t k;

		if (n < 0) {
			cr_assert_eq(errno, EAGAIN);
			guest_run(&f.guest, 20);
			continue;
		}
		for (k = 0; k < n; k++, got++)
			cr_assert_eq(copy[k], data[got % 16384], "at %zu", got);
	}
	while (receive(&f, &packet, 50))
		forwarded = packet.header.fwd_cnt;
	cr_assert_leq(sent - forwarded, WINDOW / 2);
	/* More than the window: the connection ends. */
	send_op(&f, 5000, 1025, VIRTIO_VSOCK_OP_RW, 0, WINDOW + 1, 65536, 0);
	expect(&f, &packet, VIRTIO_VSOCK_OP_RST);
	free(copy);
	close(fd);
	teardown(&f);
}

Test(virtio_vsock, data_beyond_the_window_ends_the_connection, .timeout = 20)
{
	struct fixture f;
	struct packet packet;
	unsigned int i;
	int fd;

	setup(&f, 0, 8);
	fd = guest_connects(&f, 5000, 1025, 65536);
	/* Nobody reads and the guest ignores its credit: at some time the buffer is full. */
	for (i = 0; i < 64; i++)
		send_op(&f, 5000, 1025, VIRTIO_VSOCK_OP_RW, 0, 60000, 65536, 0);
	do {
		cr_assert(receive(&f, &packet, 5000));
	} while (packet.header.op == VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	cr_assert_eq(packet.header.op, VIRTIO_VSOCK_OP_RST);
	close(fd);
	teardown(&f);
}

Test(virtio_vsock, guests_window_is_respected, .timeout = 20)
{
	struct fixture f;
	struct packet packet;
	int fd;

	setup(&f, 0, 8);
	fd = guest_connects(&f, 5000, 1025, 10);
	cr_assert_eq(send(fd, "0123456789abcdefghijABCDE", 25, 0), 25);
	expect(&f, &packet, VIRTIO_VSOCK_OP_RW);
	cr_assert_eq(packet.header.len, 10);
	expect_nothing(&f);
	send_op(&f, 5000, 1025, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, 0, 10, 4);
	expect(&f, &packet, VIRTIO_VSOCK_OP_RW);
	cr_assert_eq(packet.header.len, 4);
	cr_assert_eq(memcmp(packet.data, "abcd", 4), 0);
	expect_nothing(&f);
	/* A guest that claims to have read more than it got gets no more than it may. */
	send_op(&f, 5000, 1025, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, 0, 10, 1000);
	expect_nothing(&f);
	send_op(&f, 5000, 1025, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, 0, 100, 14);
	expect(&f, &packet, VIRTIO_VSOCK_OP_RW);
	cr_assert_eq(packet.header.len, 11);
	close(fd);
	teardown(&f);
}

Test(virtio_vsock, lies_about_the_length_end_the_connection, .timeout = 20)
{
	struct fixture f;
	struct packet packet;
	struct virtio_vsock_hdr header = {.src_cid = CID,
					  .dst_cid = 2,
					  .src_port = 1025,
					  .dst_port = 5000,
					  .type = VIRTIO_VSOCK_TYPE_STREAM,
					  .op = VIRTIO_VSOCK_OP_RW,
					  .len = 500};
	static const uint32_t lengths[] = {500, 0x80000000u, UINT32_MAX};
	unsigned int i;

	for (i = 0; i < 3; i++) {
		int fd;

		setup(&f, 0, 8);
		fd = guest_connects(&f, 5000, 1025, 65536);
		header.len = lengths[i];
		send_raw(&f, &header, 44 + 499);
		expect(&f, &packet, VIRTIO_VSOCK_OP_RST);
		close(fd);
		teardown(&f);
	}
}

Test(virtio_vsock, connections_are_bounded, .timeout = 20)
{
	struct fixture f;
	char byte;
	int fds[4], i, open_count = 0;

	setup(&f, 3, 8);
	for (i = 0; i < 4; i++)
		fds[i] = host_connect(f.path);
	expect_nothing(&f);
	for (i = 0; i < 4; i++) {
		open_count += recv(fds[i], &byte, 1, 0) < 0 && errno == EAGAIN;
		close(fds[i]);
	}
	cr_assert_eq(open_count, 3);
	cr_assert_not_null(strstr(f.text, "refused"), "%s", f.text);
	teardown(&f);
}

/* Without descriptors the listener would be ready for ever, and the loop do nothing else. */
Test(virtio_vsock, without_descriptors_the_listener_is_silent_for_a_while, .timeout = 20)
{
	struct rlimit before, none;
	struct timespec begin, end;
	struct event_source *timer;
	struct packet packet;
	struct fixture f;
	int fd, probe;

	setup(&f, 0, 8);
	fd = host_connect(f.path);
	cr_assert_eq(write(fd, "CONNECT 77\n", 11), 11);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	cr_assert_eq(event_loop_add_timer(f.guest.loop, guest_timeout, &f.guest, &timer), 0);
	cr_assert_eq(event_timer_set(timer, 1000000000, 0), 0);
	probe = dup(0);
	close(probe);
	none = before;
	none.rlim_cur = (rlim_t)probe;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	cr_assert_eq(event_loop_run(f.guest.loop), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	event_source_remove(timer);
	cr_expect_lt((end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000,
		     300, "the loop spins");
	cr_expect_not_null(strstr(f.text, "Too many open files"), "%s", f.text);
	/* It was only waiting. */
	cr_assert(receive(&f, &packet, 5000));
	cr_expect_eq(packet.header.op, VIRTIO_VSOCK_OP_REQUEST);
	cr_expect_eq(packet.header.dst_port, 77);
	close(fd);
	teardown(&f);
}

Test(virtio_vsock, who_says_nothing_is_closed, .timeout = 20)
{
	struct packet packet;
	struct fixture f;
	char byte;
	int mute, late;

	setup(&f, 0, 8);
	mute = host_connect(f.path);
	cr_expect_not(receive(&f, &packet, 3000));
	cr_expect(recv(mute, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
	late = host_connect(f.path);
	cr_expect_not(receive(&f, &packet, 3500));
	cr_expect_eq(recv(mute, &byte, 1, MSG_DONTWAIT), 0);
	cr_expect(recv(late, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN, "it has its own time");
	cr_expect_not_null(strstr(f.text, "did not send \"CONNECT PORT\" within 5 s"), "%s",
			   f.text);
	close(mute);
	close(late);
	teardown(&f);
}

Test(virtio_vsock, flood_of_refusals_is_bounded, .timeout = 20)
{
	struct fixture f;
	struct packet packet;
	unsigned int i, seen = 0;

	setup(&f, 0, 0); /* no receive buffers at all */
	for (i = 0; i < 1000; i++)
		send_op(&f, 1, i, VIRTIO_VSOCK_OP_REQUEST, 0, 0, 0, 0);
	for (i = 0; i < 16; i++) {
		f.rx_gpa[i] = guest_alloc(&f.guest, 44 + BUFFER);
		offer(&f, i);
	}
	f.guest.device->ops->queue_notify(f.guest.device, RX);
	while (receive(&f, &packet, 30)) {
		cr_assert_eq(packet.header.op, VIRTIO_VSOCK_OP_RST);
		seen++;
		f.guest.device->ops->queue_notify(f.guest.device, RX);
	}
	cr_assert_eq(seen, 64);
	teardown(&f);
}

Test(virtio_vsock, reset_closes_and_pause_keeps, .timeout = 20)
{
	struct fixture f;
	struct packet packet;
	struct virtio_device *device;
	char byte;
	int fd;

	setup(&f, 0, 8);
	fd = guest_connects(&f, 5000, 1025, 65536);
	device = f.guest.device;
	device->ops->pause(device);
	cr_assert_eq(send(fd, "x", 1, 0), 1);
	expect_nothing(&f);
	device->ops->resume(device);
	expect(&f, &packet, VIRTIO_VSOCK_OP_RW);
	guest_stop(&f.guest);
	cr_assert_eq(recv(fd, &byte, 1, 0), 0);
	close(fd);
	cr_assert_eq(guest_start(&f.guest, device, 32, 0), 0);
	offer(&f, 0);
	fd = guest_connects(&f, 5001, 1026, 0);
	close(fd);
	teardown(&f);
}

Test(virtio_vsock, small_receive_buffer_asks_for_a_reset, .timeout = 20)
{
	struct fixture f;
	struct guest_buffer buffer;

	setup(&f, 0, 0);
	buffer = (struct guest_buffer){guest_alloc(&f.guest, 64), 43, true};
	guest_add(&f.guest, &f.guest.queues[RX], &buffer, 1);
	send_op(&f, 1, 2, VIRTIO_VSOCK_OP_REQUEST, 0, 0, 0, 0);
	cr_assert(f.guest.needs_reset);
	teardown(&f);
}

Test(virtio_vsock, creation_is_checked, .timeout = 20)
{
	static const struct {
		uint64_t cid;
		const char *socket;
		int expected;
		const char *message;
	} cases[] = {
		{2, "/tmp/x", -EINVAL, "cid is 2"},
		{UINT32_MAX, "/tmp/x", -EINVAL, "cid"},
		{1ull << 32, "/tmp/x", -EINVAL, "cid"},
		{3, NULL, -EINVAL, "path"},
		{3, "", -EINVAL, "path"},
		{3, "/tmp/no-such-folder/x", -ENOENT, "create the folder"},
		{3,
		 "/tmp/"
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		 "aaaaaaaaaaaaaaaaaaaaaaa",
		 -EINVAL, "1 to"},
		{3, "/tmp", -EADDRINUSE, "another"},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture f = {0};
		struct virtio_vsock_options options = {.cid = cases[i].cid,
						       .socket = cases[i].socket};
		struct virtio_device *device;

		f.logger = (struct logger){on_message, &f, LOG_LEVEL_DEBUG};
		options.environment.logger = &f.logger;
		cr_assert_eq(virtio_vsock_create(&options, &device), cases[i].expected, "%zu %s", i,
			     f.text);
		cr_assert_not_null(strstr(f.text, cases[i].message), "%zu %s", i, f.text);
	}
}

Test(virtio_vsock, stale_socket_is_replaced_and_a_live_one_is_not, .timeout = 20)
{
	struct virtio_vsock_options options = {.cid = 3};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct virtio_device *device;
	struct fixture f;
	int fd;

	setup(&f, 0, 0);
	options.environment = guest_environment(&f.guest, &f.logger);
	options.socket = f.path;
	cr_assert_eq(virtio_vsock_create(&options, &device), -EADDRINUSE);
	char stale[100];

	snprintf(stale, sizeof(stale), "%s2", f.path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", stale);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	options.socket = stale;
	cr_assert_eq(virtio_vsock_create(&options, &device), 0, "%s", f.text);
	virtio_device_destroy(device);
	cr_assert_eq(access(stale, F_OK), -1);
	teardown(&f);
}
