/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_VIRTIO_NET_H
#define DEVICES_VIRTIO_NET_H

#include "devices/virtio/rate_limiter.h"
#include "devices/virtio/device.h"

/*
 * A network card (virtio 1.2, 5.1) on a tap interface. Checksum and segmentation offloads are
 * passed through with the virtio-net header that tap understands (IFF_VNET_HDR); nothing is copied
 * between guest buffers and the tap's file descriptor.
 */
struct virtio_net_options {
	struct virtio_environment environment;
	const char *name; /* "net0"; copied */
	const char *tap;  /* name of the interface, made when it does not exist; NULL: "cxvm%d" */
	int fd;           /* -1, or an open tap with IFF_VNET_HDR, owned by the device on success */
	bool has_mac;
	uint8_t mac[6];       /* else a locally administered one is derived from name and tap */
	uint16_t mtu;         /* 0: not set and not told; else 68..65535, also set on the tap */
	bool no_offload_csum; /* offloads are on unless told */
	bool no_offload_tso;
	bool vhost; /* vhost-net; falls back with a warning when /dev/vhost-net is missing */
	uint16_t queue_size; /* 0: 256; power of two */
	struct rate_limiter_options rx_rate_limiter;
	struct rate_limiter_options tx_rate_limiter;
};

/*
 * Returns 0; -EINVAL (name too long, MTU, queue size, multicast MAC, fd without IFF_VNET_HDR);
 * -EPERM (needs CAP_NET_ADMIN), -EBUSY (interface in use), -ENOENT (no /dev/net/tun), -ENODEV,
 * -ENOMEM. The log says what would fix it.
 */
int virtio_net_create(const struct virtio_net_options *options, struct virtio_device **device);

/* Link up or down, seen by the driver as VIRTIO_NET_S_LINK_UP. Any thread. */
void virtio_net_set_link(struct virtio_device *device, bool up);

#endif
