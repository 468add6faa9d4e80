/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/vfio-user/client.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/clock.h"
#include "core/fd.h"
#include "passthrough/transport/info.h"
#include "passthrough/vfio-user/internal.h"

/* So long may one callback read before the loop's other sources have their turn. */
#define CLIENT_DISPATCH_MS 5u

static struct vfio_user_client *client_of(struct vfio_transport *transport)
{
	return (struct vfio_user_client *)transport;
}

/*
 * Between the messages of one operation that began at @start: each of them is bounded, and together
 * they are no longer than one may be.
 */
static int client_go_on(struct vfio_user_client *client, uint64_t start)
{
	if (clock_now_ms() - start < client->channel.timeout_ms)
		return 0;
	vfio_user_channel_fail(&client->channel, "the server answers too slowly");
	return -ENODEV;
}

static int client_read(struct vfio_transport *transport, uint32_t index, uint64_t offset,
		       void *data, uint32_t length)
{
	struct vfio_user_client *client = client_of(transport);
	uint32_t piece = client->limits.max_data_xfer_size;
	uint8_t small[sizeof(struct vfio_user_region_access) + 64];
	uint8_t *reply = small;
	uint64_t begin = length > piece ? clock_now_ms() : 0;
	int result = 0;

	if (!length || length > VFIO_TRANSPORT_MAX_ACCESS)
		return -EINVAL;
	if (length > 64)
		reply = malloc(sizeof(struct vfio_user_region_access) +
			       (length < piece ? length : piece));
	if (!reply)
		return -ENOMEM;
	for (uint32_t done = 0; done < length && !result; done += piece) {
		uint32_t count = length - done < piece ? length - done : piece;
		struct vfio_user_region_access access = {offset + done, index, count};
		struct vfio_user_call call = {
			.command = VFIO_USER_REGION_READ,
			.fixed = &access,
			.fixed_length = sizeof(access),
			.reply = reply,
			.reply_capacity = (uint32_t)sizeof(access) + count,
		};

		result = vfio_user_simple_call(client, &call);
		if (result)
			break;
		memset(&access, 0, sizeof(access));
		if (call.reply_length >= sizeof(access))
			memcpy(&access, reply, sizeof(access));
		if (call.reply_length != sizeof(access) + count || access.count != count)
			result = -EIO;
		else
			memcpy((uint8_t *)data + done, reply + sizeof(access), count);
		if (!result && done + count < length)
			result = client_go_on(client, begin);
	}
	if (reply != small)
		free(reply);
	return result;
}

static int client_read_dwords(struct vfio_transport *transport, uint32_t index,
			      const uint64_t *offsets, uint32_t *values, uint32_t count)
{
	struct vfio_user_client *client = client_of(transport);
	struct vfio_user_region_access access[VFIO_USER_CHANNEL_BATCH];
	struct vfio_user_call calls[VFIO_USER_CHANNEL_BATCH];
	uint8_t replies[VFIO_USER_CHANNEL_BATCH][sizeof(access[0]) + 4];
	int result;

	if (!count || count > VFIO_USER_CHANNEL_BATCH)
		return -EINVAL;
	memset(calls, 0, sizeof(calls[0]) * count);
	for (uint32_t i = 0; i < count; i++) {
		access[i] = (struct vfio_user_region_access){offsets[i], index, 4};
		calls[i].command = VFIO_USER_REGION_READ;
		calls[i].fixed = &access[i];
		calls[i].fixed_length = sizeof(access[i]);
		calls[i].reply = replies[i];
		calls[i].reply_capacity = sizeof(replies[i]);
	}
	result = vfio_user_channel_call(&client->channel, calls, count);
	for (uint32_t i = 0; i < count && !result; i++) {
		if (calls[i].result)
			result = calls[i].result;
		else if (calls[i].reply_length != sizeof(replies[i]))
			result = -EIO;
		else
			memcpy(&values[i], replies[i] + sizeof(access[i]), 4);
	}
	return result;
}

static int client_write(struct vfio_transport *transport, uint32_t index, uint64_t offset,
			const void *data, uint32_t length, bool posted)
{
	struct vfio_user_client *client = client_of(transport);
	uint32_t piece = client->limits.max_data_xfer_size;
	uint64_t begin = length > piece ? clock_now_ms() : 0;
	int result = 0;

	if (!length || length > VFIO_TRANSPORT_MAX_ACCESS)
		return -EINVAL;
	for (uint32_t done = 0; done < length && !result; done += piece) {
		uint32_t count = length - done < piece ? length - done : piece;
		struct vfio_user_region_access access = {offset + done, index, count};
		struct vfio_user_call call = {
			.command = VFIO_USER_REGION_WRITE,
			.no_reply = posted,
			.fixed = &access,
			.fixed_length = sizeof(access),
			.data = (const uint8_t *)data + done,
			.data_length = count,
			.reply = &access,
			.reply_capacity = sizeof(access),
		};

		result = vfio_user_simple_call(client, &call);
		if (!result && !posted &&
		    (call.reply_length != sizeof(access) || access.count != count))
			result = -EIO;
		if (!result && done + count < length)
			result = client_go_on(client, begin);
	}
	return result;
}

/* The mmap fd of region @index, checked to cover [0, @end) of the region. */
static int client_region_fd(struct vfio_user_client *client, uint32_t index, uint64_t end,
			    uint64_t *start)
{
	struct vfio_user_region *region;
	struct stat status;
	uint64_t file_end;

	if (index >= client->region_count)
		return -EINVAL;
	region = &client->regions[index];
	if (region->fd < 0)
		return -ENODEV;
	*start = bytes_get_le64(region->info + VFIO_USER_REGION_INFO(offset));
	if (end > bytes_get_le64(region->info + VFIO_USER_REGION_INFO(size)) ||
	    __builtin_add_overflow(*start, end, &file_end) || fstat(region->fd, &status))
		return -EINVAL;
	/* A file that is too short would fault; device nodes and dma-bufs tell no size. */
	if (S_ISREG(status.st_mode) && file_end > (uint64_t)status.st_size)
		return -EINVAL;
	return region->fd;
}

static int client_map(struct vfio_transport *transport, uint32_t index, uint64_t offset,
		      uint64_t size, void **host, int *fd, uint64_t *fd_offset)
{
	struct vfio_user_client *client = client_of(transport);
	uint64_t start, end;
	void *address;
	int file;

	if (__builtin_add_overflow(offset, size, &end))
		return -EINVAL;
	file = client_region_fd(client, index, end, &start);
	if (file < 0)
		return file;
	address = mmap(*host, size, PROT_READ | PROT_WRITE, MAP_SHARED | (*host ? MAP_FIXED : 0),
		       file, (off_t)(start + offset));
	if (address == MAP_FAILED)
		return -errno;
	*host = address;
	*fd = file;
	*fd_offset = start + offset;
	return 0;
}

static bool client_mapping_intact(struct vfio_transport *transport, uint32_t index)
{
	struct vfio_user_client *client = client_of(transport);
	uint64_t start;

	return index < client->region_count && client->regions[index].fd >= 0 &&
	       client_region_fd(
		       client, index,
		       bytes_get_le64(client->regions[index].info + VFIO_USER_REGION_INFO(size)),
		       &start) >= 0;
}

static int client_set_irqs_once(struct vfio_user_client *client, struct vfio_user_irq_set *set,
				const int *fds, uint32_t fd_count)
{
	struct vfio_user_call call = {
		.command = VFIO_USER_DEVICE_SET_IRQS,
		.fixed = set,
		.fixed_length = sizeof(*set),
		.fds = fds,
		.fd_count = fd_count,
	};

	set->argsz = sizeof(*set);
	return vfio_user_simple_call(client, &call);
}

static int client_set_irqs(struct vfio_transport *transport, uint32_t index, uint32_t flags,
			   uint32_t start, uint32_t count, const int *fds)
{
	struct vfio_user_client *client = client_of(transport);
	struct vfio_user_irq_set set = {.flags = flags, .index = index, .start = start};
	uint64_t begin = clock_now_ms();
	uint32_t done = 0;
	int result;

	if (!(flags & VFIO_IRQ_SET_DATA_EVENTFD)) {
		set.count = count;
		return client_set_irqs_once(client, &set, NULL, 0);
	}
	/* Runs of eventfds, as many as a message may carry, and runs without (detached). */
	do {
		bool attach = count && fds[done] >= 0;
		uint32_t run = 0;

		while (done + run < count && (fds[done + run] >= 0) == attach &&
		       (!attach || run < client->limits.max_msg_fds))
			run++;
		set.start = start + done;
		set.count = run;
		result = client_set_irqs_once(client, &set, attach ? fds + done : NULL,
					      attach ? run : 0);
		done += run;
		if (!result && done < count)
			result = client_go_on(client, begin);
	} while (!result && done < count);
	return result;
}

static int client_reset(struct vfio_transport *transport)
{
	struct vfio_user_call call = {.command = VFIO_USER_DEVICE_RESET};

	return vfio_user_simple_call(client_of(transport), &call);
}

static int client_command(void *opaque, uint16_t command, const uint8_t *payload, uint32_t length,
			  const void **answer, uint32_t *answer_length)
{
	struct vfio_user_client *client = opaque;

	if (command == VFIO_USER_DMA_READ || command == VFIO_USER_DMA_WRITE)
		return vfio_user_dma_access(client, command == VFIO_USER_DMA_WRITE, payload, length,
					    answer, answer_length);
	log_limited(client->options.logger, &client->limit, LOG_LEVEL_WARNING, client->name,
		    "vfio-user server sent command %u, which a client does not take", command);
	return -EINVAL;
}

static void client_lost(void *opaque, const char *reason)
{
	struct vfio_user_client *client = opaque;

	if (client->options.events.lost)
		client->options.events.lost(client->options.events.opaque, reason);
}

/* Answers wait until the server takes more. */
static void client_blocked(void *opaque)
{
	struct vfio_user_client *client = opaque;

	if (client->source)
		event_source_modify(client->source, EVENT_EDGE_INPUT | (uint32_t)EPOLLOUT);
}

static void client_readable(void *opaque, uint32_t epoll_events)
{
	struct vfio_user_client *client = opaque;
	uint64_t start = clock_now_ms();
	bool again = epoll_events & (uint32_t)EPOLLOUT;
	enum vfio_user_poll result = VFIO_USER_POLL_MORE;

	/* Edge-triggered: read until nothing is left, but let the loop's other sources run. */
	for (unsigned int i = 0; i < 32 && result == VFIO_USER_POLL_MORE; i++) {
		result = vfio_user_channel_poll(&client->channel);
		if (clock_now_ms() - start >= CLIENT_DISPATCH_MS)
			break;
	}
	if (result == VFIO_USER_POLL_DONE && !again)
		return;
	/* epoll tells again if there is something left by then. Answers that still wait ask again
	 * for the moment when the server takes them. */
	event_source_modify(client->source, EVENT_EDGE_INPUT);
	vfio_user_answers_flush(&client->channel);
}

static void client_close(struct vfio_transport *transport)
{
	struct vfio_user_client *client = client_of(transport);

	vfio_user_unwatch(client);
	event_source_remove(client->source);
	for (uint32_t i = 0; i < client->region_count; i++) {
		free(client->regions[i].info);
		fd_close(&client->regions[i].fd);
	}
	address_space_put(&client->space, false);
	vfio_user_channel_destroy(&client->channel);
	free(client->scratch);
	free(client->name);
	free(client);
}

static const struct vfio_transport_ops client_ops = {
	.get_device_info = vfio_user_get_device_info,
	.get_region_info = vfio_user_get_region_info,
	.get_irq_info = vfio_user_get_irq_info,
	.region_read = client_read,
	.region_read_dwords = client_read_dwords,
	.region_write = client_write,
	.map = client_map,
	.mapping_intact = client_mapping_intact,
	.set_irqs = client_set_irqs,
	.reset = client_reset,
	.close = client_close,
};

static int client_negotiate(struct vfio_user_client *client)
{
	uint8_t request[256];
	uint8_t reply[sizeof(struct vfio_user_version) + VFIO_USER_LIMIT_VERSION_JSON];
	struct vfio_user_version version = {VFIO_USER_VERSION_MAJOR, VFIO_USER_VERSION_MINOR};
	uint32_t length;
	const char *json = vfio_user_capabilities(&length);
	struct vfio_user_call call = {
		.command = VFIO_USER_VERSION,
		.fixed = request,
		.fixed_length = (uint32_t)sizeof(version) + length,
		.reply = reply,
		.reply_capacity = sizeof(reply),
	};
	const char *why = NULL;
	int result;

	memcpy(request, &version, sizeof(version));
	memcpy(request + sizeof(version), json, length);
	result = vfio_user_simple_call(client, &call);
	if (!result)
		result = vfio_user_negotiate(&client->limits, reply, call.reply_length, &why);
	if (why)
		log_error(client->options.logger, client->name, "vfio-user negotiation: %s", why);
	return result;
}

int vfio_user_attach(int fd, const struct vfio_transport_options *options,
		     struct vfio_transport **transport)
{
	struct vfio_user_channel_ops ops = {
		.command = client_command, .blocked = client_blocked, .lost = client_lost};
	struct vfio_user_client *client = calloc(1, sizeof(*client));
	int result;

	if (!client) {
		close(fd);
		return -ENOMEM;
	}
	client->transport.ops = &client_ops;
	client->transport.name = "vfio-user";
	vfio_user_space_init(client);
	client->options = *options;
	client->limit = (struct log_ratelimit)LOG_RATELIMIT_DEFAULT;
	client->error.fd = client->request.fd = -1;
	client->name = strdup(options->name);
	ops.opaque = client;
	result = vfio_user_channel_init(&client->channel, fd, client->name, options->logger,
					options->timeout_ms ? options->timeout_ms
							    : VFIO_TRANSPORT_DEFAULT_TIMEOUT_MS,
					&ops);
	if (!result && !client->name)
		result = -ENOMEM;
	if (!result)
		result = client_negotiate(client);
	if (!result && options->loop)
		result = event_loop_add(options->loop, fd, EVENT_EDGE_INPUT, client_readable,
					client, &client->source);
	if (result) {
		client_close(&client->transport);
		return result;
	}
	*transport = &client->transport;
	return 0;
}

int vfio_user_connect(const char *path, const struct vfio_transport_options *options,
		      struct vfio_transport **transport)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		log_error(options->logger, options->name,
			  "vfio-user socket path is longer than %zu bytes: %s",
			  sizeof(address.sun_path) - 1, path);
		return -ENAMETOOLONG;
	}
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		int result = -errno;

		log_error(options->logger, options->name,
			  "cannot connect to the vfio-user server at %s: %s", path,
			  strerror(-result));
		close(fd);
		return result;
	}
	return vfio_user_attach(fd, options, transport);
}
