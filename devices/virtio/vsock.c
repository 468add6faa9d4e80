/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/vsock.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/vhost.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/virtio/vsock_internal.h"

#define VHOST_DEVICE "/dev/vhost-vsock"
#define PORT_SUFFIX  11u /* "_4294967295" */

static struct vsock *vsock_of(struct virtio_device *device)
{
	return (struct vsock *)(void *)device;
}

static void listener_ready(void *opaque, uint32_t events)
{
	(void)events;
	vsock_accept(opaque);
}

static void timer_expired(void *opaque, uint32_t events)
{
	(void)events;
	vsock_timer_expired(opaque);
}

static void vsock_queue_notify(struct virtio_device *device, uint16_t queue)
{
	struct vsock *vsock = vsock_of(device);

	/* The event queue only tells of migrations (5.10.6.7); its buffers wait. */
	if (queue == VSOCK_TX)
		vsock_transmit(vsock);
	if (queue == VSOCK_TX || queue == VSOCK_RX)
		vsock_receive(vsock);
}

static int set_running(struct vsock *vsock, int running)
{
	return ioctl(vsock->vhost.fd, VHOST_VSOCK_SET_RUNNING, &running) < 0 ? -errno : 0;
}

static int start(struct vsock *vsock)
{
	int result;

	if (vsock->vhost.fd >= 0) {
		result = vhost_start(&vsock->vhost, &vsock->device);
		return result ? result : set_running(vsock, 1);
	}
	result = vsock_watch_all(vsock);
	if (!result)
		result = event_loop_add_timer(vsock->device.environment.loop, timer_expired, vsock,
					      &vsock->timer);
	if (!result)
		result = event_loop_add(vsock->device.environment.loop, vsock->listen_fd, EPOLLIN,
					listener_ready, vsock, &vsock->listen_source);
	if (!result)
		vsock_timer_expired(vsock); /* handshakes that a pause interrupted */
	return result;
}

static void stop(struct vsock *vsock)
{
	if (vsock->vhost.fd >= 0 && vsock->vhost.started) {
		set_running(vsock, 0);
		vhost_stop(&vsock->vhost, &vsock->device);
	}
	event_source_remove(vsock->listen_source);
	vsock->listen_source = NULL;
	vsock->listener_silent = false;
	event_source_remove(vsock->timer);
	vsock->timer = NULL;
	vsock->timer_armed = false;
	vsock_unwatch_all(vsock);
}

static int vsock_activate(struct virtio_device *device)
{
	struct vsock *vsock = vsock_of(device);
	int result;

	memset(vsock->vhost.base, 0, sizeof(vsock->vhost.base));
	vsock->rx_held = false;
	result = start(vsock);
	if (result)
		stop(vsock);
	return result;
}

static void vsock_reset(struct virtio_device *device)
{
	struct vsock *vsock = vsock_of(device);

	stop(vsock);
	vsock_close_all(vsock);
	vsock->rx_held = false;
}

static void vsock_pause(struct virtio_device *device)
{
	stop(vsock_of(device));
}

static void vsock_resume(struct virtio_device *device)
{
	if (start(vsock_of(device)))
		virtio_device_broken(device, "cannot watch the sockets again");
}

static void vsock_config_read(struct virtio_device *device, uint32_t offset, void *data,
			      uint32_t size)
{
	uint64_t cid = htole64(vsock_of(device)->cid);

	memcpy(data, (const uint8_t *)&cid + offset, size);
}

static void vsock_destroy(struct virtio_device *device)
{
	struct vsock *vsock = vsock_of(device);
	struct stat info;

	vsock_close_all(vsock);
	vhost_close(&vsock->vhost);
	if (vsock->listen_fd >= 0) {
		close(vsock->listen_fd);
		if (stat(vsock->path, &info) == 0 && info.st_dev == vsock->socket_device &&
		    info.st_ino == vsock->socket_inode)
			unlink(vsock->path);
	}
	virtio_device_fini(device);
	free(vsock->path);
	free(vsock->name);
	free(vsock);
}

static const struct virtio_device_ops vsock_ops = {
	.activate = vsock_activate,
	.reset = vsock_reset,
	.queue_notify = vsock_queue_notify,
	.config_read = vsock_config_read,
	.pause = vsock_pause,
	.resume = vsock_resume,
	.destroy = vsock_destroy,
};

/* A socket file that nobody listens on was left behind by a process that died. */
static bool is_stale(const struct sockaddr_un *address)
{
	struct stat info;
	int fd, result;

	if (lstat(address->sun_path, &info) || !S_ISSOCK(info.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	result = connect(fd, (const struct sockaddr *)address, sizeof(*address)) ? errno : 0;
	close(fd);
	return result == ECONNREFUSED;
}

static int open_listener(struct vsock *vsock, const struct logger *logger)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat info;
	int result = 0;

	memcpy(address.sun_path, vsock->path, strlen(vsock->path) + 1);
	vsock->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (vsock->listen_fd < 0)
		return -errno;
	if (bind(vsock->listen_fd, (struct sockaddr *)&address, sizeof(address))) {
		result = -errno;
		if (result == -EADDRINUSE && is_stale(&address) && unlink(vsock->path) == 0)
			result =
				bind(vsock->listen_fd, (struct sockaddr *)&address, sizeof(address))
					? -errno
					: 0;
	}
	if (!result && (listen(vsock->listen_fd, 128) || stat(vsock->path, &info)))
		result = -errno;
	if (!result) {
		vsock->socket_device = info.st_dev;
		vsock->socket_inode = info.st_ino;
		return 0;
	}
	log_error(logger, vsock->name, "vsock socket %s: listen: %s%s", vsock->path,
		  strerror(-result),
		  result == -EADDRINUSE ? "; another process listens there, or it is another file: "
					  "choose another path"
		  : result == -ENOENT   ? "; create the folder"
					: "");
	close(vsock->listen_fd);
	vsock->listen_fd = -1;
	return result;
}

static int open_vhost(struct vsock *vsock, const struct logger *logger)
{
	int result = vhost_open(&vsock->vhost, VHOST_DEVICE);
	const char *what = "open " VHOST_DEVICE;

	if (!result && ioctl(vsock->vhost.fd, VHOST_VSOCK_SET_GUEST_CID, &vsock->cid) < 0) {
		result = -errno;
		what = "claim the CID";
	}
	if (result)
		log_error(logger, vsock->name, "vsock cid %" PRIu64 ": %s: %s; %s", vsock->cid,
			  what, strerror(-result),
			  result == -EADDRINUSE
				  ? "another machine has this CID"
				  : "load vhost_vsock, or give a socket path instead");
	return result;
}

static int check_options(const struct virtio_vsock_options *options, const char *name)
{
	const struct logger *logger = options->environment.logger;
	const size_t room = sizeof(((struct sockaddr_un *)0)->sun_path);

	if (options->cid < 3 || options->cid >= UINT32_MAX) {
		log_error(logger, name, "vsock: cid is %" PRIu64 "; a guest has 3 to 4294967294",
			  options->cid);
		return -EINVAL;
	}
	if (options->vhost)
		return 0;
	if (!options->socket || !*options->socket ||
	    strlen(options->socket) + PORT_SUFFIX >= room) {
		log_error(logger, name, "vsock socket %s: a path of 1 to %zu characters is needed",
			  options->socket ? options->socket : "(none)", room - PORT_SUFFIX - 1);
		return -EINVAL;
	}
	return 0;
}

static const char *const counter_names[VSOCK_COUNTERS] = {
	[VSOCK_RX_BYTES] = "rx_bytes",
	[VSOCK_TX_BYTES] = "tx_bytes",
	[VSOCK_CONNECTIONS] = "connections",
	[VSOCK_REFUSED] = "refused",
};

int virtio_vsock_create(const struct virtio_vsock_options *options, struct virtio_device **created)
{
	const char *name = options->name ? options->name : "vsock0";
	struct virtio_device *device;
	struct vsock *vsock;
	int result = check_options(options, name), i;

	if (result)
		return result;
	vsock = calloc(1, sizeof(*vsock));
	if (!vsock)
		return -ENOMEM;
	device = &vsock->device;
	vsock->listen_fd = -1;
	vsock->vhost.fd = -1;
	vsock->limit = (struct log_ratelimit)LOG_RATELIMIT_DEFAULT;
	vsock->cid = options->cid;
	vsock->max_connections =
		options->max_connections ? options->max_connections : VSOCK_DEFAULT_CONNECTIONS;
	vsock->next_port = VSOCK_FIRST_HOST_PORT;
	vsock->name = strdup(name);
	vsock->path = options->vhost ? NULL : strdup(options->socket);
	result = -ENOMEM;
	if (!vsock->name || (!options->vhost && !vsock->path))
		goto fail;
	for (i = 0; i < VSOCK_COUNTERS; i++)
		vsock->counters[i].name = counter_names[i];
	device->ops = &vsock_ops;
	device->name = vsock->name;
	device->type = VIRTIO_ID_VSOCK;
	device->class_code = 0x028000; /* network, other */
	device->queue_count = VSOCK_QUEUES;
	device->queue_max_size = VSOCK_QUEUE_SIZE;
	device->config_size = sizeof(struct virtio_vsock_config);
	device->environment = options->environment;
	device->counters = vsock->counters;
	device->counter_count = VSOCK_COUNTERS;
	result = virtio_device_init(device);
	if (!result)
		result = options->vhost ? open_vhost(vsock, options->environment.logger)
					: open_listener(vsock, options->environment.logger);
	if (result)
		goto fail;
	device->kernel_queues = options->vhost ? 2 : 0;
	*created = device;
	return 0;
fail:
	vsock_destroy(device);
	return result;
}
