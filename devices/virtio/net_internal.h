/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_VIRTIO_NET_INTERNAL_H
#define DEVICES_VIRTIO_NET_INTERNAL_H

#include <linux/virtio_net.h>

#include "devices/virtio/vhost.h"
#include "devices/virtio/net.h"

#define NET_RX             0u
#define NET_TX             1u
#define NET_CONTROL        2u
#define NET_QUEUES         3u
#define NET_MAX_QUEUE_SIZE 512u /* a chain and the spill buffer must fit in one readv */
#define NET_HEADER         12u  /* virtio_net_hdr_v1, also on the tap (5.1.6) */
#define NET_SPILL          (65536u + 256u)
#define NET_RX_IOVECS      1023u
#define NET_CHAIN_IOVECS   VIRTQUEUE_CHAIN_IOVECS(NET_MAX_QUEUE_SIZE)

/* virtio_net_tap.c: the interface of the host. */
struct net_tap {
	int fd;        /* -1: none */
	char name[16]; /* IFNAMSIZ */
	uint32_t mtu;
	bool offloads; /* TUNSETOFFLOAD works on it */
};

/* As virtio_net_create(); logs. net_tap_close() is allowed on { .fd = -1 }. */
int net_tap_open(struct net_tap *tap, const struct virtio_net_options *options, const char *name);
void net_tap_close(struct net_tap *tap);
/* What the driver accepts from us: VIRTIO_NET_F_GUEST_* bits. Returns 0 or -errno. */
int net_tap_set_offloads(const struct net_tap *tap, uint64_t guest_features);

/* A receive buffer that the driver offered and that no packet used yet. */
struct net_rx_chain {
	uint16_t head;
	uint32_t iovecs;
	uint64_t bytes;
};

struct net_rx {
	struct iovec iov[NET_RX_IOVECS + 1]; /* of all chains, in order; + 1: the spill buffer */
	uint32_t iov_count;
	struct net_rx_chain chains[NET_MAX_QUEUE_SIZE];
	uint32_t chain_count;
	uint64_t bytes;   /* room in all chains */
	uint64_t wanted;  /* room that the largest packet needs */
	uint64_t pending; /* length of a packet that did not fit; its tail is in spill */
	uint64_t spilled_at;
	uint8_t spill[NET_SPILL];
};

enum net_counter {
	NET_RX_BYTES,
	NET_RX_PACKETS,
	NET_RX_DROPPED,
	NET_TX_BYTES,
	NET_TX_PACKETS,
	NET_TX_DROPPED,
	NET_COUNTERS,
};

struct net {
	struct virtio_device device;
	char *name;
	struct net_tap tap;
	struct vhost vhost;
	struct virtio_net_config config;
	_Atomic bool link_down;
	uint64_t guest_offloads; /* in force now */
	struct virtio_counter counters[NET_COUNTERS];
	struct log_ratelimit limit;

	/* Owned by whoever may run the queues. */
	struct event_source *tap_source;
	struct event_source *rx_timer;
	struct event_source *tx_timer;
	struct rate_limiter rx_limiter;
	struct rate_limiter tx_limiter;
	struct net_rx *rx;                         /* allocated at the first activation */
	struct iovec tx_iov[1 + NET_CHAIN_IOVECS]; /* the first is for our copy of the header */
	struct virtqueue_chain tx_chain;
	bool tx_waiting; /* tx_chain waits for tokens */
};

static inline void net_count(struct net *net, enum net_counter counter, uint64_t amount)
{
	atomic_fetch_add_explicit(&net->counters[counter].value, amount, memory_order_relaxed);
}

/* virtio_net_queues.c: the data path, in the loop's thread. */
void net_receive(struct net *net);
void net_transmit(struct net *net);
void net_control(struct net *net);
void net_forget_buffers(struct net *net);
/*
 * What the driver asks for in the header of a packet that it sends: only offloads that it has
 * negotiated (5.1.6.2.1). Changes what the device has to ignore. Returns false when the packet is
 * no use without the rest.
 */
bool net_header_is_allowed(const struct virtio_device *device, struct virtio_net_hdr_v1 *header);
/* Recompute what depends on the offloads in force. */
void net_offloads_changed(struct net *net);

/* The device on a ready backend (any packet socket or tap), which it owns on success; the tests
 * hand in one end of a socket pair. */
int net_create_on(const struct virtio_net_options *options, const struct net_tap *tap,
		  struct virtio_device **created);

#endif
