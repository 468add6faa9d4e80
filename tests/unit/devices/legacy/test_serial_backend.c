/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "devices/legacy/serial_backend.h"

struct host {
	struct event_loop *loop;
	pthread_t thread;
	struct serial_backend *backend;
	pthread_mutex_t lock;
	pthread_cond_t arrived;
	char input[16384];
	size_t input_count;
	bool deaf; /* take nothing */
};

static void take_input(void *opaque)
{
	struct host *h = opaque;
	uint8_t bytes[16];
	size_t count;

	pthread_mutex_lock(&h->lock);
	while (!h->deaf && (count = serial_backend_read(h->backend, bytes, sizeof(bytes))) > 0) {
		cr_assert_leq(h->input_count + count, sizeof(h->input));
		memcpy(h->input + h->input_count, bytes, count);
		h->input_count += count;
	}
	pthread_cond_broadcast(&h->arrived);
	pthread_mutex_unlock(&h->lock);
}

static void *run(void *opaque)
{
	struct host *h = opaque;

	event_loop_run(h->loop);
	return NULL;
}

static int start(struct host *h, struct serial_backend_options *options)
{
	int result;

	memset(h, 0, sizeof(*h));
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->arrived, NULL);
	cr_assert_eq(event_loop_create(&h->loop), 0);
	options->loop = h->loop;
	options->name = "serial0";
	result = serial_backend_create(&h->backend, options);
	if (result < 0) {
		event_loop_destroy(h->loop);
		return result;
	}
	serial_backend_set_receiver(h->backend, take_input, h);
	pthread_create(&h->thread, NULL, run, h);
	return 0;
}

static void stop(struct host *h)
{
	event_loop_stop(h->loop);
	pthread_join(h->thread, NULL);
	serial_backend_destroy(h->backend);
	event_loop_destroy(h->loop);
}

static void wait_for_input(struct host *h, size_t count)
{
	pthread_mutex_lock(&h->lock);
	while (h->input_count < count)
		pthread_cond_wait(&h->arrived, &h->lock);
	pthread_mutex_unlock(&h->lock);
}

/* Reads exactly @count bytes; the test's time limit ends it when they do not come. */
static void read_exactly(int fd, char *bytes, size_t count)
{
	size_t done = 0;

	while (done < count) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		ssize_t length;

		cr_assert_gt(poll(&wait, 1, 10000), 0, "only %zu of %zu bytes came", done, count);
		length = read(fd, bytes + done, count - done);
		cr_assert_gt(length, 0);
		done += (size_t)length;
	}
}

static void say(struct serial_backend *backend, const char *text)
{
	for (; *text; text++)
		serial_backend_write(backend, (const uint8_t *)text, 1);
}

Test(legacy_serial_backend, pipes_both_ways, .timeout = 20)
{
	struct serial_backend_options options = {.kind = SERIAL_BACKEND_FDS};
	int in[2], out[2];
	char text[16];
	struct host h;

	cr_assert_eq(pipe(in) | pipe(out), 0);
	options.input_fd = in[0];
	options.output_fd = out[1];
	cr_assert_eq(start(&h, &options), 0);
	cr_assert_not(fcntl(out[1], F_GETFL) & O_NONBLOCK, "others share the description");
	say(h.backend, "login: ");
	read_exactly(out[0], text, 7);
	cr_assert_eq(memcmp(text, "login: ", 7), 0);
	cr_assert_eq(write(in[1], "root\n", 5), 5);
	wait_for_input(&h, 5);
	cr_assert_eq(memcmp(h.input, "root\n", 5), 0);
	/* The end of the input is no end of the output. */
	close(in[1]);
	say(h.backend, "bye");
	read_exactly(out[0], text, 3);
	stop(&h);
	close(in[0]);
	close(out[0]);
	close(out[1]);
}

Test(legacy_serial_backend, single_bytes_become_few_writes, .timeout = 20)
{
	struct serial_backend_options options = {.kind = SERIAL_BACKEND_FDS, .input_fd = -1};
	int pair[2];
	char packet[8192];
	size_t total = 0;
	unsigned int packets = 0;
	struct host h;

	/* Each write is one packet here. */
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	options.output_fd = pair[0];
	cr_assert_eq(start(&h, &options), 0);
	for (int i = 0; i < 400; i++)
		say(h.backend, "0123456789abcde\n");
	while (total < 6400) {
		ssize_t length = read(pair[1], packet, sizeof(packet));

		cr_assert_gt(length, 0);
		total += (size_t)length;
		packets++;
	}
	cr_assert_eq(total, 6400);
	cr_assert_lt(packets, 400, "at most one write for a FIFO of 16 bytes");
	stop(&h);
	close(pair[0]);
	close(pair[1]);
}

Test(legacy_serial_backend, a_stuck_reader_costs_bytes_not_time, .timeout = 20)
{
	struct serial_backend_options options = {.kind = SERIAL_BACKEND_FDS, .input_fd = -1};
	static char drained[1 << 20];
	ssize_t length;
	int out[2];
	struct host h;

	cr_assert_eq(pipe(out), 0);
	options.output_fd = out[1];
	cr_assert_eq(start(&h, &options), 0);
	for (int i = 0; i < 300000; i++) {
		uint8_t byte = (uint8_t)('a' + i % 26);

		serial_backend_write(h.backend, &byte, 1);
	}
	cr_assert_gt(serial_backend_dropped(h.backend), 0);
	/* The newest were kept: they come when the reader wakes up. */
	size_t total = 0;
	size_t expected = 300000 - serial_backend_dropped(h.backend);
	while (total < expected) {
		length = read(out[0], drained + total, sizeof(drained) - total);
		cr_assert_gt(length, 0);
		total += (size_t)length;
	}
	cr_assert_eq(total, expected);
	cr_assert_eq(drained[total - 1], 'a' + 299999 % 26);
	stop(&h);
	close(out[0]);
	close(out[1]);
}

struct late_reader {
	int fd;
	size_t total;
};

static void *read_late(void *opaque)
{
	struct late_reader *reader = opaque;
	const struct timespec late = {.tv_sec = 1};
	char bytes[4096];
	ssize_t length;

	nanosleep(&late, NULL); /* the subject of the test: the writer has ended by then */
	while ((length = read(reader->fd, bytes, sizeof(bytes))) > 0)
		reader->total += (size_t)length;
	return NULL;
}

/* A panic message stands at the end. */
Test(legacy_serial_backend, the_end_waits_for_the_reader, .timeout = 20)
{
	struct serial_backend_options options = {.kind = SERIAL_BACKEND_FDS, .input_fd = -1};
	struct late_reader reader;
	pthread_t thread;
	struct host h;
	int out[2];

	cr_assert_eq(pipe(out), 0);
	options.output_fd = out[1];
	cr_assert_eq(start(&h, &options), 0);
	for (int i = 0; i < 96016; i++)
		serial_backend_write(h.backend, (const uint8_t *)"x", 1);
	cr_assert_eq(serial_backend_dropped(h.backend), 0);
	reader = (struct late_reader){.fd = out[0]};
	cr_assert_eq(pthread_create(&thread, NULL, read_late, &reader), 0);
	stop(&h);
	close(out[1]);
	pthread_join(thread, NULL);
	cr_expect_eq(reader.total, 96016u);
	close(out[0]);
}

static char said[1024];

static void on_message(void *opaque, enum log_level level, const char *object, const char *message)
{
	(void)opaque;
	(void)level;
	snprintf(said, sizeof(said), "%s: %s", object, message);
}

/* ... but not for ever, and the loss is told to the byte. */
Test(legacy_serial_backend, what_nobody_took_is_counted_at_the_end, .timeout = 20)
{
	const struct logger logger = {on_message, NULL, LOG_LEVEL_DEBUG};
	struct serial_backend_options options = {
		.kind = SERIAL_BACKEND_FDS, .input_fd = -1, .logger = &logger};
	char expected[128];
	size_t total = 0;
	uint64_t begin;
	struct host h;
	char bytes[4096];
	ssize_t length;
	int out[2];

	cr_assert_eq(pipe(out), 0);
	options.output_fd = out[1];
	cr_assert_eq(start(&h, &options), 0);
	for (int i = 0; i < 300000; i++)
		serial_backend_write(h.backend, (const uint8_t *)"x", 1);
	begin = clock_now_ms();
	stop(&h);
	cr_expect_geq(clock_now_ms() - begin, SERIAL_BACKEND_FINISH_MS - 100);
	cr_expect_lt(clock_now_ms() - begin, 2 * SERIAL_BACKEND_FINISH_MS);
	close(out[1]);
	while ((length = read(out[0], bytes, sizeof(bytes))) > 0)
		total += (size_t)length;
	snprintf(expected, sizeof(expected), "serial0: %zu bytes of the output are lost",
		 300000 - total);
	cr_expect_eq(strncmp(said, expected, strlen(expected)), 0, "%s, not %s", said, expected);
	close(out[0]);
}

Test(legacy_serial_backend, input_waits_for_the_receiver, .timeout = 20)
{
	struct serial_backend_options options = {.kind = SERIAL_BACKEND_FDS, .output_fd = -1};
	static char sent[12000];
	uint8_t bytes[16];
	int in[2];
	struct host h;
	size_t count;

	cr_assert_eq(pipe(in), 0);
	options.input_fd = in[0];
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (char)(i * 7);
	cr_assert_eq(write(in[1], sent, sizeof(sent)), (ssize_t)sizeof(sent));
	memset(&h, 0, sizeof(h));
	cr_assert_eq(start(&h, &options), 0);
	pthread_mutex_lock(&h.lock);
	h.deaf = true;
	pthread_mutex_unlock(&h.lock);
	/* Pulls as a guest does, sixteen at a time, while the loop refills. */
	while (h.input_count < sizeof(sent)) {
		pthread_mutex_lock(&h.lock);
		count = serial_backend_read(h.backend, bytes, sizeof(bytes));
		memcpy(h.input + h.input_count, bytes, count);
		h.input_count += count;
		pthread_mutex_unlock(&h.lock);
		if (count == 0)
			sched_yield();
	}
	cr_assert_eq(memcmp(h.input, sent, sizeof(sent)), 0);
	stop(&h);
	close(in[0]);
	close(in[1]);
}

Test(legacy_serial_backend, file, .timeout = 20)
{
	char path[] = "/tmp/cxvm-serial-XXXXXX";
	struct serial_backend_options options = {.kind = SERIAL_BACKEND_FILE, .path = path};
	char text[32] = "";
	struct host h;
	int fd = mkstemp(path);

	cr_assert_eq(write(fd, "old content", 11), 11);
	cr_assert_eq(start(&h, &options), 0);
	say(h.backend, "console\n");
	stop(&h); /* flushes */
	cr_assert_eq(pread(fd, text, sizeof(text), 0), 8);
	cr_assert_str_eq(text, "console\n");
	close(fd);
	unlink(path);
	options.path = "/nonexistent/file";
	cr_assert_eq(start(&h, &options), -ENOENT);
	options.path = NULL;
	cr_assert_eq(start(&h, &options), -EINVAL);
}

Test(legacy_serial_backend, pty, .timeout = 20)
{
	struct serial_backend_options options = {.kind = SERIAL_BACKEND_PTY};
	char text[16];
	struct host h;
	int fd;

	cr_assert_eq(start(&h, &options), 0);
	fd = open(serial_backend_pty_path(h.backend), O_RDWR | O_NOCTTY);
	cr_assert_geq(fd, 0);
	say(h.backend, "hi\n");
	read_exactly(fd, text, 3);
	cr_assert_eq(memcmp(text, "hi\n", 3), 0, "no line discipline changes it");
	cr_assert_eq(write(fd, "yes\r", 4), 4);
	wait_for_input(&h, 4);
	cr_assert_eq(memcmp(h.input, "yes\r", 4), 0);
	/* A reader that leaves and comes back. */
	close(fd);
	say(h.backend, "later\n");
	fd = open(serial_backend_pty_path(h.backend), O_RDWR | O_NOCTTY);
	read_exactly(fd, text, 6);
	cr_assert_eq(memcmp(text, "later\n", 6), 0);
	close(fd);
	stop(&h);
}

static int dial(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

Test(legacy_serial_backend, socket_clients_come_and_go, .timeout = 30)
{
	char path[64];
	struct serial_backend_options options = {.kind = SERIAL_BACKEND_SOCKET, .path = path};
	char text[64];
	struct host h;
	int fd, second;

	snprintf(path, sizeof(path), "/tmp/cxvm-serial-%d.sock", getpid());
	cr_assert_eq(start(&h, &options), 0);
	say(h.backend, "before\n");
	fd = dial(path);
	read_exactly(fd, text, 7);
	cr_assert_eq(memcmp(text, "before\n", 7), 0, "kept until somebody listens");
	cr_assert_eq(write(fd, "one", 3), 3);
	wait_for_input(&h, 3);
	second = dial(path); /* waits in the backlog */
	close(fd);
	cr_assert_eq(write(second, "two", 3), 3);
	wait_for_input(&h, 6);
	cr_assert_eq(memcmp(h.input, "onetwo", 6), 0);
	say(h.backend, "after\n");
	read_exactly(second, text, 6);
	/* A half-closed client still listens. */
	shutdown(second, SHUT_WR);
	say(h.backend, "still\n");
	read_exactly(second, text, 6);
	close(second);
	for (int i = 0; i < 50; i++) {
		fd = dial(path);
		cr_assert_eq(write(fd, "x", 1), 1);
		close(fd);
	}
	wait_for_input(&h, 56);
	stop(&h);
	cr_assert_neq(access(path, F_OK), 0, "the socket's file is removed");
}

Test(legacy_serial_backend, socket_path_rules, .timeout = 30)
{
	char path[64];
	char long_path[200];
	struct serial_backend_options options = {.kind = SERIAL_BACKEND_SOCKET, .path = path};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct host h, second;
	int fd;

	snprintf(path, sizeof(path), "/tmp/cxvm-serial-rules-%d.sock", getpid());
	/* A file that a dead program left behind. */
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	cr_assert_eq(start(&h, &options), 0);
	/* A live one is not taken over. */
	cr_assert_eq(start(&second, &options), -EADDRINUSE);
	/* Another file in its place is not removed. */
	unlink(path);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	stop(&h);
	cr_assert_eq(access(path, F_OK), 0);
	/* A regular file is never removed. */
	cr_assert_eq(start(&h, &options), -EADDRINUSE);
	cr_assert_eq(access(path, F_OK), 0);
	unlink(path);
	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	options.path = long_path;
	cr_assert_eq(start(&h, &options), -ENAMETOOLONG);
}

Test(legacy_serial_backend, null_drops_everything, .timeout = 20)
{
	struct serial_backend_options options = {.kind = SERIAL_BACKEND_NULL};
	uint8_t byte;
	struct host h;

	cr_assert_eq(start(&h, &options), 0);
	say(h.backend, "nothing");
	cr_assert_eq(serial_backend_read(h.backend, &byte, 1), 0);
	cr_assert_eq(serial_backend_dropped(h.backend), 0);
	stop(&h);
	serial_backend_destroy(NULL);
}
