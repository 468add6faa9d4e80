/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_console.h>
#include <signal.h>
#include <sys/socket.h>

#include "devices/virtio/console.h"
#include "guest.h"

#define RX 0u
#define TX 1u

static struct guest guest;
static int peer;

static void start_on(int input, int output)
{
	struct virtio_console_options options = {.name = "console0",
						 .input_fd = input,
						 .output_fd = output,
						 .columns = 80,
						 .rows = 25};
	struct virtio_device *device;

	guest_init(&guest, true);
	options.environment = guest_environment(&guest, NULL);
	cr_assert_eq(virtio_console_create(&options, &device), 0);
	cr_assert_eq(guest_start(&guest, device, 8, 0), 0);
}

static int fds[2];

static void setup(void)
{
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	peer = fds[1];
	start_on(fds[0], fds[0]); /* one descriptor for both directions, and a blocking one */
}

static void teardown(void)
{
	guest_fini(&guest);
	close(fds[0]);
	close(fds[1]);
}

TestSuite(virtio_console, .init = setup, .fini = teardown, .timeout = 20);

Test(virtio_console, bytes_from_the_host)
{
	struct guest_buffer buffer = {guest_alloc(&guest, 64), 64, true};
	struct vring_used_elem used;

	cr_assert_eq(send(peer, "early", 5, 0), 5); /* before there is a buffer */
	cr_assert_not(guest_run(&guest, 30));
	guest_add(&guest, &guest.queues[RX], &buffer, 1);
	cr_assert(guest_transact(&guest, RX, &used));
	cr_assert_eq(used.len, 5);
	cr_assert_eq(memcmp(guest_at(&guest, buffer.gpa, 5), "early", 5), 0);
	guest_add(&guest, &guest.queues[RX], &buffer, 1);
	guest_kick_later(&guest, RX);
	cr_assert_eq(send(peer, "late", 4, 0), 4);
	cr_assert(guest_transact(&guest, RX, &used));
	cr_assert_eq(used.len, 4);
}

Test(virtio_console, bytes_from_the_guest)
{
	uint64_t gpa = guest_alloc(&guest, 64);
	struct guest_buffer buffers[] = {{gpa, 6, false}, {gpa + 32, 6, false}};
	struct vring_used_elem used;
	char text[32];

	memcpy(guest_at(&guest, gpa, 6), "hello ", 6);
	memcpy(guest_at(&guest, gpa + 32, 6), "world\n", 6);
	guest_add(&guest, &guest.queues[TX], buffers, 2);
	cr_assert(guest_transact(&guest, TX, &used));
	cr_assert_eq(recv(peer, text, sizeof(text), 0), 12);
	cr_assert_eq(memcmp(text, "hello world\n", 12), 0);
}

/* Nobody reads: the device waits without blocking the loop, and nothing is lost. */
Test(virtio_console, slow_reader)
{
	const uint32_t length = 600000;
	struct guest_buffer buffer = {guest_alloc(&guest, length), length, false};
	struct vring_used_elem used;
	uint8_t *data = guest_at(&guest, buffer.gpa, length), copy[8192];
	uint32_t got = 0, i;

	for (i = 0; i < length; i++)
		data[i] = (uint8_t)(i * 31 >> 3);
	guest_add(&guest, &guest.queues[TX], &buffer, 1);
	guest_kick_later(&guest, TX);
	cr_assert_not(guest_run(&guest, 50));
	cr_assert_not(guest_used(&guest, &guest.queues[TX], &used));
	while (got < length) {
		ssize_t n = recv(peer, copy, sizeof(copy), MSG_DONTWAIT), k;

		if (n < 0) {
			cr_assert_eq(errno, EAGAIN);
			guest_run(&guest, 5);
			continue;
		}
		for (k = 0; k < n; k++, got++)
			cr_assert_eq(copy[k], data[got], "at %u", got);
	}
	cr_assert(guest_transact(&guest, TX, &used));
}

Test(virtio_console, pause_in_the_middle_of_a_write)
{
	const uint32_t length = 600000;
	struct guest_buffer buffer = {guest_alloc(&guest, length), length, false};
	struct vring_used_elem used;
	char copy[8192];
	uint32_t got = 0;

	guest_add(&guest, &guest.queues[TX], &buffer, 1);
	guest_kick_later(&guest, TX);
	guest_run(&guest, 50);
	guest.device->ops->pause(guest.device);
	guest.device->ops->resume(guest.device);
	guest_kick_later(&guest, TX); /* as the transport does */
	while (got < length) {
		ssize_t n = recv(peer, copy, sizeof(copy), MSG_DONTWAIT);

		if (n > 0)
			got += (uint32_t)n;
		else
			guest_run(&guest, 5);
	}
	cr_assert(guest_transact(&guest, TX, &used));
	cr_assert_eq(got, length);
}

Test(virtio_console, reader_that_goes_away)
{
	struct guest_buffer buffer = {guest_alloc(&guest, 64), 64, false};
	struct vring_used_elem used;

	signal(SIGPIPE, SIG_IGN); /* as the program that embeds the library does */
	shutdown(peer, SHUT_RDWR);
	guest_add(&guest, &guest.queues[TX], &buffer, 1);
	cr_assert(guest_transact(&guest, TX, &used)); /* dropped, not stuck */
	cr_assert_not(guest.needs_reset);
}

Test(virtio_console, size_and_resize)
{
	struct virtio_console_config config;

	guest.device->ops->config_read(guest.device, 0, &config, sizeof(config));
	cr_assert_eq(config.cols, 80);
	cr_assert_eq(config.rows, 25);
	virtio_console_resize(guest.device, 132, 50);
	cr_assert_eq(guest.config_interrupts, 1);
	guest.device->ops->config_read(guest.device, 0, &config, sizeof(config));
	cr_assert_eq(config.cols, 132);
	virtio_console_resize(guest.device, 132, 50);
	cr_assert_eq(guest.config_interrupts, 1);
}

Test(virtio_console, without_descriptors_or_with_a_plain_file)
{
	struct guest_buffer buffer;
	struct vring_used_elem used;
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), pass;

	for (pass = 0; pass < 2; pass++) {
		guest_fini(&guest);
		start_on(pass ? file : -1, -1);
		buffer = (struct guest_buffer){guest_alloc(&guest, 64), 64, false};
		guest_add(&guest, &guest.queues[TX], &buffer, 1);
		cr_assert(guest_transact(&guest, TX, &used));
	}
	close(file);
}

Test(virtio_console, broken_rings)
{
	struct guest_buffer bad = {0, 64, false};
	struct vring_used_elem used;

	guest_add(&guest, &guest.queues[TX], &bad, 1);
	cr_assert_not(guest_transact(&guest, TX, &used));
	cr_assert(guest.needs_reset);
}
