/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/net.h"

#include <endian.h>
#include <errno.h>
#include <linux/vhost.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "devices/virtio/net_internal.h"

#define DEFAULT_QUEUE_SIZE 256u
#define VHOST_DEVICE       "/dev/vhost-net"

#define GUEST_OFFLOADS                                                                             \
	(1ull << VIRTIO_NET_F_GUEST_CSUM | 1ull << VIRTIO_NET_F_GUEST_TSO4 |                       \
	 1ull << VIRTIO_NET_F_GUEST_TSO6 | 1ull << VIRTIO_NET_F_GUEST_ECN)

static struct net *net_of(struct virtio_device *device)
{
	return (struct net *)(void *)device;
}

static void tap_ready(void *opaque, uint32_t events)
{
	(void)events;
	net_receive(opaque);
}

static void tx_timer_expired(void *opaque, uint32_t events)
{
	(void)events;
	net_transmit(opaque);
}

static void net_queue_notify(struct virtio_device *device, uint16_t queue)
{
	struct net *net = net_of(device);

	if (queue == NET_RX)
		net_receive(net);
	else if (queue == NET_TX)
		net_transmit(net);
	else
		net_control(net);
}

/* The kernel's queues get or lose the tap. */
static int set_backends(struct net *net, int fd)
{
	struct vhost_vring_file file = {.fd = fd};

	for (file.index = 0; file.index < net->device.kernel_queues; file.index++) {
		if (!net->device.queues[file.index].running)
			continue;
		if (ioctl(net->vhost.fd, VHOST_NET_SET_BACKEND, &file) < 0)
			return -errno;
	}
	return 0;
}

static int start_sources(struct net *net)
{
	struct event_loop *loop = net->device.environment.loop;
	int result;

	if (net->vhost.fd >= 0) {
		result = vhost_start(&net->vhost, &net->device);
		return result ? result : set_backends(net, net->tap.fd);
	}
	if (rate_limiter_active(&net->rx_limiter)) {
		result = event_loop_add_timer(loop, tap_ready, net, &net->rx_timer);
		if (result)
			return result;
	}
	if (rate_limiter_active(&net->tx_limiter)) {
		result = event_loop_add_timer(loop, tx_timer_expired, net, &net->tx_timer);
		if (result)
			return result;
	}
	/* Edge triggered: net_receive() reads until the tap is empty or the driver has no room;
	 * its next buffers start it again. */
	return event_loop_add(loop, net->tap.fd, EPOLLIN | EPOLLET, tap_ready, net,
			      &net->tap_source);
}

static void stop_sources(struct net *net)
{
	if (net->vhost.fd >= 0 && net->vhost.started) {
		set_backends(net, -1);
		vhost_stop(&net->vhost, &net->device);
	}
	event_source_remove(net->tap_source);
	event_source_remove(net->rx_timer);
	event_source_remove(net->tx_timer);
	net->tap_source = NULL;
	net->rx_timer = NULL;
	net->tx_timer = NULL;
}

static int net_activate(struct virtio_device *device)
{
	struct net *net = net_of(device);
	int result;

	if (!net->rx && net->vhost.fd < 0)
		net->rx = calloc(1, sizeof(*net->rx));
	if (!net->rx && net->vhost.fd < 0)
		return -ENOMEM;
	net_forget_buffers(net);
	memset(net->vhost.base, 0, sizeof(net->vhost.base));
	net->guest_offloads = device->driver_features & GUEST_OFFLOADS;
	net_offloads_changed(net);
	result = net_tap_set_offloads(&net->tap, net->guest_offloads);
	if (result) {
		log_limited(device->environment.logger, &net->limit, LOG_LEVEL_ERROR, net->name,
			    "tap %s: TUNSETOFFLOAD: %s", net->tap.name, strerror(-result));
		return result;
	}
	result = start_sources(net);
	if (result)
		stop_sources(net);
	return result;
}

static void net_reset(struct virtio_device *device)
{
	struct net *net = net_of(device);

	stop_sources(net);
	net_forget_buffers(net);
}

static void net_pause(struct virtio_device *device)
{
	stop_sources(net_of(device)); /* fetched buffers stay ours for the resume */
}

static void net_resume(struct virtio_device *device)
{
	if (start_sources(net_of(device)))
		virtio_device_broken(device, "cannot start the queues again");
}

static void net_config_read(struct virtio_device *device, uint32_t offset, void *data,
			    uint32_t size)
{
	struct net *net = net_of(device);
	struct virtio_net_config config = net->config;

	config.status = htole16(atomic_load(&net->link_down) ? 0 : (uint16_t)VIRTIO_NET_S_LINK_UP);
	memcpy(data, (const uint8_t *)&config + offset, size);
}

static void net_destroy(struct virtio_device *device)
{
	struct net *net = net_of(device);

	vhost_close(&net->vhost);
	net_tap_close(&net->tap);
	virtio_device_fini(device);
	free(net->rx);
	free(net->name);
	free(net);
}

static const struct virtio_device_ops net_ops = {
	.activate = net_activate,
	.reset = net_reset,
	.queue_notify = net_queue_notify,
	.config_read = net_config_read,
	.pause = net_pause,
	.resume = net_resume,
	.destroy = net_destroy,
};

void virtio_net_set_link(struct virtio_device *device, bool up)
{
	if (atomic_exchange(&net_of(device)->link_down, !up) == up)
		virtio_device_config_changed(device);
}

/* Stable from one start to the next, locally administered, unicast. */
static void derive_mac(uint8_t mac[6], const char *name, const char *tap)
{
	uint64_t hash = 0xcbf29ce484222325ull; /* FNV-1a */
	const char *texts[2] = {name, tap};
	unsigned int i;

	for (i = 0; i < 2; i++) {
		const char *c;

		for (c = texts[i]; *c; c++)
			hash = (hash ^ (uint8_t)*c) * 0x100000001b3ull;
	}
	mac[0] = 0x02;
	for (i = 1; i < 6; i++)
		mac[i] = (uint8_t)(hash >> (8 * i));
}

static uint64_t offered_features(const struct virtio_net_options *options)
{
	uint64_t features = 1ull << VIRTIO_NET_F_MAC | 1ull << VIRTIO_NET_F_STATUS |
			    1ull << VIRTIO_NET_F_MRG_RXBUF;

	features |= 1ull << VIRTIO_NET_F_CTRL_VQ | 1ull << VIRTIO_NET_F_CTRL_RX;
	if (options->mtu)
		features |= 1ull << VIRTIO_NET_F_MTU;
	if (options->no_offload_csum)
		return features; /* segmentation needs checksums (5.1.3.1) */
	features |= 1ull << VIRTIO_NET_F_CSUM | 1ull << VIRTIO_NET_F_GUEST_CSUM |
		    1ull << VIRTIO_NET_F_CTRL_GUEST_OFFLOADS;
	if (!options->no_offload_tso)
		features |= 1ull << VIRTIO_NET_F_HOST_TSO4 | 1ull << VIRTIO_NET_F_HOST_TSO6 |
			    1ull << VIRTIO_NET_F_HOST_ECN | (GUEST_OFFLOADS);
	return features;
}

static int check_options(const struct virtio_net_options *options, const char *name)
{
	const struct logger *logger = options->environment.logger;

	if (options->queue_size &&
	    (options->queue_size < 16 || options->queue_size > NET_MAX_QUEUE_SIZE ||
	     (options->queue_size & (options->queue_size - 1)))) {
		log_error(logger, name, "net: queue_size is %u; a power of two from 16 to %u works",
			  options->queue_size, NET_MAX_QUEUE_SIZE);
		return -EINVAL;
	}
	if (options->mtu && options->mtu < 68) {
		log_error(logger, name, "net: mtu is %u; 68 is the least", options->mtu);
		return -EINVAL;
	}
	if (options->has_mac && (options->mac[0] & 1)) {
		log_error(logger, name,
			  "net: the MAC address %02x:... is a multicast address; make its first "
			  "byte even",
			  options->mac[0]);
		return -EINVAL;
	}
	return 0;
}

static void open_vhost(struct net *net, const struct logger *logger)
{
	const uint64_t needed = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_NET_F_MRG_RXBUF;
	int result;

	if (rate_limiter_active(&net->rx_limiter) || rate_limiter_active(&net->tx_limiter)) {
		log_warning(logger, net->name,
			    "tap %s: vhost-net cannot limit rates; packets go through this process",
			    net->tap.name);
		return;
	}
	result = vhost_open(&net->vhost, VHOST_DEVICE);
	if (!result && (net->vhost.features & needed) != needed) {
		vhost_close(&net->vhost);
		result = -EOPNOTSUPP;
	}
	if (result)
		log_warning(logger, net->name,
			    "tap %s: " VHOST_DEVICE ": %s; packets go through this process "
			    "(load vhost_net, or say vhost=off)",
			    net->tap.name, strerror(-result));
}

static const char *const counter_names[NET_COUNTERS] = {
	[NET_RX_BYTES] = "rx_bytes",     [NET_RX_PACKETS] = "rx_packets",
	[NET_RX_DROPPED] = "rx_dropped", [NET_TX_BYTES] = "tx_bytes",
	[NET_TX_PACKETS] = "tx_packets", [NET_TX_DROPPED] = "tx_dropped",
};

int net_create_on(const struct virtio_net_options *options, const struct net_tap *tap,
		  struct virtio_device **created)
{
	const char *name = options->name ? options->name : "net0";
	struct net *net = calloc(1, sizeof(*net));
	struct virtio_device *device;
	int result = -ENOMEM, i;

	if (!net)
		return -ENOMEM;
	device = &net->device;
	net->tap.fd = -1;
	net->vhost.fd = -1;
	net->limit = (struct log_ratelimit)LOG_RATELIMIT_DEFAULT;
	net->name = strdup(name);
	if (!net->name)
		goto fail;
	result = rate_limiter_init(&net->rx_limiter, &options->rx_rate_limiter, 0);
	if (!result)
		result = rate_limiter_init(&net->tx_limiter, &options->tx_rate_limiter, 0);
	if (result) {
		log_error(options->environment.logger, name,
			  "net: rate_limiter: a bucket with a size needs a refill_time (ms)");
		goto fail;
	}
	for (i = 0; i < NET_COUNTERS; i++)
		net->counters[i].name = counter_names[i];
	device->ops = &net_ops;
	device->name = net->name;
	device->type = VIRTIO_ID_NET;
	device->class_code = 0x020000; /* Ethernet */
	device->queue_count = NET_QUEUES;
	device->queue_max_size = options->queue_size ? options->queue_size : DEFAULT_QUEUE_SIZE;
	device->environment = options->environment;
	device->counters = net->counters;
	device->counter_count = NET_COUNTERS;
	device->config_size = offsetof(struct virtio_net_config, speed);
	device->device_features = offered_features(options);
	if (options->has_mac)
		memcpy(net->config.mac, options->mac, sizeof(options->mac));
	else
		derive_mac(net->config.mac, name, tap->name);
	net->config.max_virtqueue_pairs = htole16(1);
	net->config.mtu = htole16(options->mtu);
	result = virtio_device_init(device);
	if (result)
		goto fail;
	net->tap = *tap; /* last: a failure above leaves it to the caller */
	if (options->vhost)
		open_vhost(net, options->environment.logger);
	if (net->vhost.fd >= 0)
		device->kernel_queues = 2;
	*created = device;
	return 0;
fail:
	net_destroy(device);
	return result;
}

int virtio_net_create(const struct virtio_net_options *options, struct virtio_device **created)
{
	const char *name = options->name ? options->name : "net0";
	struct net_tap tap;
	int result = check_options(options, name);

	if (!result)
		result = net_tap_open(&tap, options, name);
	if (result)
		return result;
	result = net_create_on(options, &tap, created);
	if (result && options->fd < 0)
		net_tap_close(&tap);
	return result;
}
