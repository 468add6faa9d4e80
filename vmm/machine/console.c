/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/machine/console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/legacy/serial_backend.h"
#include "devices/virtio/console.h"
#include "core/fd.h"

#define PUMP_BYTES 4096u

/*
 * The device waits for its output descriptor, and Linux' hvc0 spins while the device waits. A
 * pseudo terminal that nobody reads or a socket without a client must not cost the guest's time, so
 * the device talks to a socket pair whose other end is moved on to the host end of serial lines,
 * which knows all modes and drops what nobody takes.
 */
struct machine_console {
	const struct logger *logger;
	struct serial_backend *backend;
	int device_fd; /* the virtio device's end */
	int pump_fd;   /* ours */
	struct event_source *source;

	/* Event loop's thread, and the creator's before the loop runs. */
	uint8_t held[PUMP_BYTES]; /* input that the device's end did not take yet */
	size_t held_start;
	size_t held_count;
	bool waits_for_room;
};

enum serial_backend_kind machine_backend_kind(enum cxvm_console_mode mode)
{
	switch (mode) {
	case CXVM_CONSOLE_STDIO:
		return SERIAL_BACKEND_FDS;
	case CXVM_CONSOLE_FILE:
		return SERIAL_BACKEND_FILE;
	case CXVM_CONSOLE_PTY:
		return SERIAL_BACKEND_PTY;
	case CXVM_CONSOLE_SOCKET:
		return SERIAL_BACKEND_SOCKET;
	default:
		return SERIAL_BACKEND_NULL;
	}
}

static void watch(struct machine_console *console, bool for_room)
{
	if (console->waits_for_room == for_room)
		return;
	if (!event_source_modify(console->source, EPOLLIN | (for_room ? (uint32_t)EPOLLOUT : 0)))
		console->waits_for_room = for_room;
}

/* Host to guest, as much as the device's end takes. */
static void pump_input(struct machine_console *console)
{
	for (;;) {
		ssize_t sent;

		if (!console->held_count) {
			console->held_start = 0;
			console->held_count = serial_backend_read(console->backend, console->held,
								  sizeof(console->held));
		}
		if (!console->held_count)
			break;
		sent = send(console->pump_fd, console->held + console->held_start,
			    console->held_count, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent <= 0) {
			watch(console, true);
			return;
		}
		console->held_start += (size_t)sent;
		console->held_count -= (size_t)sent;
	}
	watch(console, false);
}

/* Guest to host. Returns false when there was nothing. */
static bool pump_output(struct machine_console *console)
{
	uint8_t bytes[PUMP_BYTES];
	ssize_t got = recv(console->pump_fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (got > 0)
		serial_backend_write(console->backend, bytes, (size_t)got);
	return got > 0;
}

static void pump_ready(void *opaque, uint32_t events)
{
	struct machine_console *console = opaque;

	/* One piece for each event: other devices of the loop get their turn. */
	if (events & EPOLLIN)
		pump_output(console);
	if (events & EPOLLOUT)
		pump_input(console);
}

static void input_ready(void *opaque)
{
	pump_input(opaque);
}

void machine_console_flush(struct machine_console *console)
{
	if (!console || !console->backend)
		return;
	/* Each piece goes on before the next comes: the backend drops what it has no room for. */
	do
		serial_backend_finish(console->backend);
	while (pump_output(console));
}

void machine_console_destroy(struct machine_console *console)
{
	if (!console)
		return;
	/* It calls into us until it is gone. */
	if (console->backend)
		serial_backend_set_receiver(console->backend, NULL, NULL);
	event_source_remove(console->source);
	serial_backend_destroy(console->backend);
	fd_close(&console->device_fd);
	fd_close(&console->pump_fd);
	free(console);
}

static int open_ends(struct machine_console *console, const struct specification_console *config,
		     struct event_loop *loop)
{
	const struct serial_backend_options backend = {
		.kind = machine_backend_kind(config->mode),
		.name = "console0",
		.path = config->path,
		.input_fd = STDIN_FILENO,
		.output_fd = STDOUT_FILENO,
		.loop = loop,
		.logger = console->logger,
	};
	int pair[2], result;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair)) {
		result = -errno;
		log_error(console->logger, "console0", "cannot make a socket pair: %s",
			  strerror(-result));
		return result;
	}
	console->device_fd = pair[0];
	console->pump_fd = pair[1];
	result = serial_backend_create(&console->backend, &backend);
	if (!result)
		result = event_loop_add(loop, console->pump_fd, EPOLLIN, pump_ready, console,
					&console->source);
	if (result)
		return result;
	serial_backend_set_receiver(console->backend, input_ready, console);
	/* A plain file as standard input never becomes ready: it always is. */
	pump_input(console);
	return 0;
}

int machine_console_create(struct machine_console **result,
			   const struct machine_console_options *options,
			   struct virtio_device **device)
{
	struct virtio_console_options virtio = {
		.environment = options->environment,
		.name = "console0",
		.input_fd = -1,
		.output_fd = -1,
	};
	struct machine_console *console;
	struct winsize size;
	int error;

	if (options->config->mode == CXVM_CONSOLE_STDIO && options->serial_on_stdio) {
		log_error(options->environment.logger, "console0",
			  "the serial port is on the terminal already; only one of them can read "
			  "it, so give the other one a pty, socket or file");
		return -EINVAL;
	}
	console = calloc(1, sizeof(*console));
	if (!console)
		return -ENOMEM;
	console->logger = options->environment.logger;
	console->device_fd = -1;
	console->pump_fd = -1;
	error = 0;
	if (options->config->mode != CXVM_CONSOLE_NULL) {
		error = open_ends(console, options->config, options->environment.loop);
		virtio.input_fd = console->device_fd;
		virtio.output_fd = console->device_fd;
	}
	if (options->config->mode == CXVM_CONSOLE_STDIO &&
	    !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size)) {
		virtio.columns = size.ws_col;
		virtio.rows = size.ws_row;
	}
	if (!error)
		error = virtio_console_create(&virtio, device);
	if (error)
		machine_console_destroy(console);
	else
		*result = console;
	return error;
}
