/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/console.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_console.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "core/fd.h"

#define CONSOLE_RX         0u
#define CONSOLE_TX         1u
#define CONSOLE_QUEUES     2u
#define CONSOLE_QUEUE_SIZE 64u
#define CONSOLE_IOVECS     VIRTQUEUE_CHAIN_IOVECS(CONSOLE_QUEUE_SIZE)
/* A file descriptor that poll() calls writable takes so much without blocking (PIPE_BUF). */
#define CONSOLE_CHUNK 4096u
#define BUDGET        64u

enum { CONSOLE_RX_BYTES, CONSOLE_TX_BYTES, CONSOLE_COUNTERS };

struct console {
	struct virtio_device device;
	char *name;
	int input_fd;
	int output_fd;
	_Atomic uint32_t size; /* columns, and rows in the upper half */
	struct virtio_counter counters[CONSOLE_COUNTERS];

	/* Owned by whoever may run the queues. */
	struct event_source *input;
	bool input_silent; /* the driver has no buffers */
	bool input_ended;
	int wait_fd; /* a duplicate of output_fd, to wait until it takes more; -1 */
	struct event_source *output;
	bool tx_held; /* tx_chain is not written whole */
	size_t tx_done;
	struct virtqueue_chain tx_chain;
	struct iovec tx_iov[CONSOLE_IOVECS];
};

static struct console *console_of(struct virtio_device *device)
{
	return (struct console *)(void *)device;
}

static void silence_input(struct console *console, bool silent)
{
	if (!console->input || console->input_silent == silent)
		return;
	if (event_source_modify(console->input, silent ? 0 : (uint32_t)EPOLLIN))
		virtio_device_broken(&console->device, "cannot watch the input any more");
	console->input_silent = silent;
}

/* One read for each event: the descriptor is the caller's and may be a blocking one. */
static void input_ready(void *opaque, uint32_t events)
{
	struct console *console = opaque;
	struct virtqueue *queue = &console->device.queues[CONSOLE_RX];
	struct iovec iov[CONSOLE_IOVECS];
	struct virtqueue_chain chain;
	ssize_t n;
	int result;

	(void)events;
	do {
		result = virtqueue_pop(queue, &chain, iov, CONSOLE_IOVECS);
	} while (result == 0 && virtqueue_enable_kicks(queue));
	if (result < 0)
		virtio_device_broken(&console->device, queue->error);
	if (result <= 0) {
		silence_input(console, true); /* until the driver's next buffers */
		return;
	}
	n = 0;
	if (chain.in_count) {
		n = readv(console->input_fd, chain.iov + chain.out_count, (int)chain.in_count);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			event_source_remove(console->input);
			console->input = NULL;
			console->input_ended = true;
		}
	}
	if (n > 0)
		atomic_fetch_add_explicit(&console->counters[CONSOLE_RX_BYTES].value, (uint64_t)n,
					  memory_order_relaxed);
	virtqueue_push(queue, chain.head, n > 0 ? (uint32_t)n : 0);
	virtio_device_notify(&console->device, CONSOLE_RX);
}

static void transmit(struct console *console);

static void output_ready(void *opaque, uint32_t events)
{
	struct console *console = opaque;

	(void)events;
	event_source_remove(console->output);
	console->output = NULL;
	transmit(console);
}

/* Ask to be called when output_fd takes more. A duplicate, because input and output may be the
 * same descriptor and epoll knows each only once. */
static bool wait_for_output(struct console *console)
{
	if (console->output)
		return true;
	if (console->wait_fd < 0)
		console->wait_fd = fcntl(console->output_fd, F_DUPFD_CLOEXEC, 0);
	return console->wait_fd >= 0 &&
	       event_loop_add(console->device.environment.loop, console->wait_fd, EPOLLOUT,
			      output_ready, console, &console->output) == 0;
}

/* Write what is held. Returns false when it must wait. */
static bool write_held(struct console *console)
{
	struct virtqueue_chain *chain = &console->tx_chain;

	while (console->output_fd >= 0 && console->tx_done < chain->out_bytes) {
		struct pollfd ready = {.fd = console->output_fd, .events = POLLOUT};
		struct iovec part[CONSOLE_IOVECS];
		uint32_t count = virtqueue_iov_slice(chain->iov, chain->out_count, console->tx_done,
						     CONSOLE_CHUNK, part, CONSOLE_IOVECS);
		ssize_t n = -1;

		errno = EAGAIN;
		if (poll(&ready, 1, 0) > 0)
			n = writev(console->output_fd, part, (int)count);
		if (n > 0)
			console->tx_done += (size_t)n;
		else if (n < 0 && (errno == EAGAIN || errno == EINTR) && wait_for_output(console))
			return false;
		else
			break; /* nobody reads it any more: drop, as a serial line would */
	}
	atomic_fetch_add_explicit(&console->counters[CONSOLE_TX_BYTES].value, console->tx_done,
				  memory_order_relaxed);
	virtqueue_push(&console->device.queues[CONSOLE_TX], chain->head, 0);
	console->tx_held = false;
	return true;
}

static void transmit(struct console *console)
{
	struct virtqueue *queue = &console->device.queues[CONSOLE_TX];
	unsigned int budget = BUDGET;
	bool again = true;

	if (console->tx_held && !write_held(console))
		return;
	virtqueue_disable_kicks(queue);
	while (budget && again) {
		int result =
			virtqueue_pop(queue, &console->tx_chain, console->tx_iov, CONSOLE_IOVECS);

		if (result < 0) {
			virtio_device_broken(&console->device, queue->error);
			return;
		}
		if (result == 0) {
			again = virtqueue_enable_kicks(queue);
			continue;
		}
		console->tx_held = true;
		console->tx_done = 0;
		if (!write_held(console))
			break;
		budget--;
	}
	virtio_device_notify(&console->device, CONSOLE_TX);
	if (!budget)
		virtio_device_kick(&console->device, CONSOLE_TX);
}

static void console_queue_notify(struct virtio_device *device, uint16_t queue)
{
	struct console *console = console_of(device);

	if (queue == CONSOLE_RX)
		silence_input(console, false);
	else if (!console->output)
		transmit(console);
}

static int start(struct console *console)
{
	int result;

	console->input_silent = false;
	if (console->input_fd < 0 || console->input_ended)
		return 0;
	result = event_loop_add(console->device.environment.loop, console->input_fd, EPOLLIN,
				input_ready, console, &console->input);
	if (result != -EPERM)
		return result;
	log_warning(console->device.environment.logger, console->name,
		    "console: the input is a plain file and cannot be waited for; it is ignored");
	console->input_ended = true;
	return 0;
}

static void stop(struct console *console)
{
	event_source_remove(console->input);
	event_source_remove(console->output);
	console->input = NULL;
	console->output = NULL;
}

static int console_activate(struct virtio_device *device)
{
	struct console *console = console_of(device);

	console->tx_held = false;
	return start(console);
}

static void console_reset(struct virtio_device *device)
{
	stop(console_of(device));
	console_of(device)->tx_held = false;
}

static void console_pause(struct virtio_device *device)
{
	stop(console_of(device));
}

static void console_resume(struct virtio_device *device)
{
	if (start(console_of(device)))
		virtio_device_broken(device, "cannot watch the input again");
}

static void console_config_read(struct virtio_device *device, uint32_t offset, void *data,
				uint32_t size)
{
	uint32_t now = atomic_load(&console_of(device)->size);
	struct virtio_console_config config = {
		.cols = htole16((uint16_t)now),
		.rows = htole16((uint16_t)(now >> 16)),
		.max_nr_ports = htole32(1),
	};

	memcpy(data, (const uint8_t *)&config + offset, size);
}

static void console_destroy(struct virtio_device *device)
{
	struct console *console = console_of(device);

	fd_close(&console->wait_fd);
	virtio_device_fini(device);
	free(console->name);
	free(console);
}

static const struct virtio_device_ops console_ops = {
	.activate = console_activate,
	.reset = console_reset,
	.queue_notify = console_queue_notify,
	.config_read = console_config_read,
	.pause = console_pause,
	.resume = console_resume,
	.destroy = console_destroy,
};

void virtio_console_resize(struct virtio_device *device, uint16_t columns, uint16_t rows)
{
	uint32_t size = columns | (uint32_t)rows << 16;

	if (atomic_exchange(&console_of(device)->size, size) != size)
		virtio_device_config_changed(device);
}

int virtio_console_create(const struct virtio_console_options *options,
			  struct virtio_device **created)
{
	struct console *console = calloc(1, sizeof(*console));
	struct virtio_device *device;
	int result = -ENOMEM;

	if (!console)
		return -ENOMEM;
	device = &console->device;
	device->ops = &console_ops;
	console->wait_fd = -1;
	console->input_fd = options->input_fd;
	console->output_fd = options->output_fd;
	atomic_store(&console->size, options->columns | (uint32_t)options->rows << 16);
	console->name = strdup(options->name ? options->name : "console0");
	if (!console->name)
		goto fail;
	console->counters[CONSOLE_RX_BYTES].name = "rx_bytes";
	console->counters[CONSOLE_TX_BYTES].name = "tx_bytes";
	device->name = console->name;
	device->type = VIRTIO_ID_CONSOLE;
	device->class_code = 0x078000; /* communication, other */
	device->queue_count = CONSOLE_QUEUES;
	device->queue_max_size = CONSOLE_QUEUE_SIZE;
	device->config_size = sizeof(struct virtio_console_config);
	device->environment = options->environment;
	device->counters = console->counters;
	device->counter_count = CONSOLE_COUNTERS;
	if (options->columns)
		device->device_features = 1ull << VIRTIO_CONSOLE_F_SIZE;
	result = virtio_device_init(device);
	if (result)
		goto fail;
	*created = device;
	return 0;
fail:
	console_destroy(device);
	return result;
}
