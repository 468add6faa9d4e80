/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#include "core/clock.h"
#include "devices/virtio/net_internal.h"

/* Packets before other devices of the loop get their turn. */
#define BUDGET 128u

static bool has_offload(const struct net *net, unsigned int feature)
{
	return (net->guest_offloads >> feature) & 1;
}

void net_offloads_changed(struct net *net)
{
	uint64_t frame = net->tap.mtu + 14 + 4; /* Ethernet header, one VLAN tag */

	if (has_offload(net, VIRTIO_NET_F_GUEST_TSO4) || has_offload(net, VIRTIO_NET_F_GUEST_TSO6))
		frame = 65536 + 14 + 4;
	if (net->rx)
		net->rx->wanted = NET_HEADER + frame;
}

void net_forget_buffers(struct net *net)
{
	if (net->rx) {
		net->rx->iov_count = 0;
		net->rx->chain_count = 0;
		net->rx->bytes = 0;
		net->rx->pending = 0;
	}
	net->tx_waiting = false;
}

/* Receive (5.1.6.3). Buffers are fetched until the largest packet fits, the tap is read straight
 * into them, and what a packet does not use serves the next one. */

/* Fetch until there is room for @wanted bytes. Returns 0 or -EPROTO. */
static int fetch_buffers(struct net *net, uint64_t wanted)
{
	struct virtqueue *queue = &net->device.queues[NET_RX];
	struct net_rx *rx = net->rx;

	virtqueue_disable_kicks(queue);
	while (rx->bytes < wanted && rx->chain_count < NET_MAX_QUEUE_SIZE &&
	       rx->iov_count + NET_CHAIN_IOVECS <= NET_RX_IOVECS) {
		struct virtqueue_chain chain;
		int result =
			virtqueue_pop(queue, &chain, rx->iov + rx->iov_count, NET_CHAIN_IOVECS);

		if (result < 0)
			return result;
		if (result == 0) {
			/* Without buffers the next kick wakes us; the tap is edge triggered and
			 * stays silent meanwhile. */
			if (!virtqueue_enable_kicks(queue))
				return 0;
			continue;
		}
		if (chain.out_count) {
			queue->broken = true;
			queue->error = "receive buffer has a readable part";
			return -EPROTO;
		}
		rx->chains[rx->chain_count++] = (struct net_rx_chain){
			.head = chain.head,
			.iovecs = chain.in_count,
			.bytes = chain.in_bytes,
		};
		rx->iov_count += chain.in_count;
		rx->bytes += chain.in_bytes;
	}
	return 0;
}

/* Take the first @count chains out of the window. */
static void drop_chains(struct net_rx *rx, uint32_t count)
{
	uint32_t iovecs = 0, i;

	for (i = 0; i < count; i++) {
		iovecs += rx->chains[i].iovecs;
		rx->bytes -= rx->chains[i].bytes;
	}
	rx->iov_count -= iovecs;
	rx->chain_count -= count;
	memmove(rx->iov, rx->iov + iovecs, rx->iov_count * sizeof(rx->iov[0]));
	memmove(rx->chains, rx->chains + count, rx->chain_count * sizeof(rx->chains[0]));
}

/* A packet of @length bytes lies at the beginning of the window. */
static void give_packet(struct net *net, uint64_t length)
{
	struct virtqueue *queue = &net->device.queues[NET_RX];
	struct net_rx *rx = net->rx;
	uint64_t left = length;
	uint16_t used = 0, buffers;

	do {
		uint64_t part = rx->chains[used].bytes < left ? rx->chains[used].bytes : left;

		virtqueue_stage(queue, used, rx->chains[used].head, (uint32_t)part);
		left -= part;
		used++;
	} while (left && used < rx->chain_count);
	buffers = htole16(used);
	virtqueue_iov_write(rx->iov, rx->iov_count, offsetof(struct virtio_net_hdr_v1, num_buffers),
			    &buffers, sizeof(buffers));
	virtqueue_publish(queue, used);
	drop_chains(rx, used);
	net_count(net, NET_RX_PACKETS, 1);
	net_count(net, NET_RX_BYTES, length - NET_HEADER);
}

/* The rest of a packet that found too little room. True when it is delivered now. */
static bool finish_pending(struct net *net)
{
	struct net_rx *rx = net->rx;
	uint64_t length = rx->pending;

	if (rx->bytes < length)
		return false;
	virtqueue_iov_write(rx->iov, rx->iov_count, rx->spilled_at, rx->spill,
			    length - rx->spilled_at);
	rx->pending = 0;
	give_packet(net, length);
	return true;
}

/* Room for the next packet: all of the window with mergeable buffers, else the first chain. */
static uint64_t window(const struct net *net, bool mergeable, uint32_t *iovecs)
{
	*iovecs = mergeable ? net->rx->iov_count : net->rx->chains[0].iovecs;
	return mergeable ? net->rx->bytes : net->rx->chains[0].bytes;
}

/* Returns 1 when a packet was taken from the tap, 0 when there is none or no room. */
static int receive_one(struct net *net, bool mergeable)
{
	struct net_rx *rx = net->rx;
	uint32_t count;
	uint64_t room;
	struct iovec saved;
	ssize_t n;

	if (rx->chain_count == 0)
		return 0;
	room = window(net, mergeable, &count);
	saved = rx->iov[count];
	rx->iov[count] = (struct iovec){.iov_base = rx->spill, .iov_len = sizeof(rx->spill)};
	do {
		n = readv(net->tap.fd, rx->iov, (int)count + 1);
	} while (n < 0 && errno == EINTR);
	rx->iov[count] = saved;
	if (n <= 0)
		return 0;
	if (rate_limiter_active(&net->rx_limiter))
		rate_limiter_charge(&net->rx_limiter, (uint64_t)n);
	if ((uint64_t)n < NET_HEADER || room < NET_HEADER || atomic_load(&net->link_down) ||
	    ((uint64_t)n > room && !mergeable)) {
		net_count(net, NET_RX_DROPPED, 1);
		return 1;
	}
	if ((uint64_t)n > room) {
		rx->pending = (uint64_t)n;
		rx->spilled_at = room;
	} else {
		give_packet(net, (uint64_t)n);
	}
	return 1;
}

static bool receive_throttled(struct net *net)
{
	uint64_t wait;

	if (!rate_limiter_active(&net->rx_limiter))
		return false;
	wait = rate_limiter_wait(&net->rx_limiter, clock_now_ns());
	if (wait && event_timer_set(net->rx_timer, wait, 0))
		virtio_device_broken(&net->device, "the rate limiter's timer failed");
	return wait != 0;
}

void net_receive(struct net *net)
{
	struct virtqueue *queue = &net->device.queues[NET_RX];
	bool mergeable = virtio_device_has(&net->device, VIRTIO_NET_F_MRG_RXBUF);
	struct net_rx *rx = net->rx;
	unsigned int budget = BUDGET;

	if (!queue->running || queue->broken)
		return;
	while (budget && !receive_throttled(net)) {
		uint64_t wanted = mergeable ? rx->wanted : 1;

		if (fetch_buffers(net, rx->pending > wanted ? rx->pending : wanted)) {
			virtio_device_broken(&net->device, queue->error);
			return;
		}
		if (rx->pending && !finish_pending(net)) {
			if (rx->iov_count + NET_CHAIN_IOVECS <= NET_RX_IOVECS)
				break;   /* wait for more buffers */
			rx->pending = 0; /* crumbs of buffers: it will never fit */
			net_count(net, NET_RX_DROPPED, 1);
		}
		if (!receive_one(net, mergeable))
			break;
		budget--;
	}
	virtio_device_notify(&net->device, NET_RX);
	if (!budget)
		virtio_device_kick(&net->device, NET_RX);
}

/* Transmit (5.1.6.2). */

bool net_header_is_allowed(const struct virtio_device *device, struct virtio_net_hdr_v1 *header)
{
	uint8_t type = header->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;

	/* The other flags are for received packets, and so is num_buffers. */
	header->flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
	header->num_buffers = 0;
	if (header->flags && !virtio_device_has(device, VIRTIO_NET_F_CSUM))
		return false;
	if (header->gso_type & VIRTIO_NET_HDR_GSO_ECN &&
	    !virtio_device_has(device, VIRTIO_NET_F_HOST_ECN))
		return false;
	switch (type) {
	case VIRTIO_NET_HDR_GSO_NONE:
		return !(header->gso_type & VIRTIO_NET_HDR_GSO_ECN);
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return virtio_device_has(device, VIRTIO_NET_F_HOST_TSO4);
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return virtio_device_has(device, VIRTIO_NET_F_HOST_TSO6);
	default:
		return false;
	}
}

/*
 * The chain with our copy of its header in front: what was checked is what the tap gets. The entry
 * before the chain's first is free. Returns the number of entries from *@first on.
 */
static uint32_t take_header(const struct virtqueue_chain *chain, struct virtio_net_hdr_v1 *header,
			    struct iovec **first)
{
	struct iovec *iov = chain->iov;
	uint32_t count = chain->out_count;
	size_t left = NET_HEADER;

	virtqueue_iov_read(iov, count, 0, header, NET_HEADER);
	for (; count && iov->iov_len <= left; iov++, count--)
		left -= iov->iov_len;
	if (count && left) {
		iov->iov_base = (uint8_t *)iov->iov_base + left;
		iov->iov_len -= left;
	}
	*first = iov - 1;
	**first = (struct iovec){header, NET_HEADER};
	return count + 1;
}

static bool send_packet(struct net *net, const struct virtqueue_chain *chain)
{
	struct virtio_net_hdr_v1 header;
	struct iovec *first;
	uint32_t count;
	ssize_t n;

	if (chain->out_bytes <= NET_HEADER || chain->out_count > NET_RX_IOVECS ||
	    atomic_load(&net->link_down))
		return false;
	count = take_header(chain, &header, &first);
	if (!net_header_is_allowed(&net->device, &header)) {
		log_limited(net->device.environment.logger, &net->limit, LOG_LEVEL_WARNING,
			    net->name,
			    "packet of %" PRIu64 " bytes dropped: its header asks for an offload "
			    "that the guest's driver has not negotiated (flags %#x, type %#x)",
			    chain->out_bytes, header.flags, header.gso_type);
		return false;
	}
	do {
		n = writev(net->tap.fd, first, (int)count);
	} while (n < 0 && errno == EINTR);
	/* As a cable would: full, down, or a frame nobody can make sense of. */
	if (n < 0 && errno != EAGAIN && errno != ENOBUFS)
		log_limited(net->device.environment.logger, &net->limit, LOG_LEVEL_WARNING,
			    net->name, "tap %s: packet of %" PRIu64 " bytes dropped: %s%s",
			    net->tap.name, chain->out_bytes, strerror(errno),
			    errno == EIO ? "; use ip link set ... up" : "");
	return n >= 0;
}

static void send_chain(struct net *net, const struct virtqueue_chain *chain)
{
	if (send_packet(net, chain)) {
		net_count(net, NET_TX_PACKETS, 1);
		net_count(net, NET_TX_BYTES, chain->out_bytes - NET_HEADER);
	} else {
		net_count(net, NET_TX_DROPPED, 1);
	}
	virtqueue_push(&net->device.queues[NET_TX], chain->head, 0);
}

/* True when the chain in tx_chain must wait for tokens. */
static bool transmit_throttled(struct net *net)
{
	uint64_t wait;

	if (!rate_limiter_active(&net->tx_limiter))
		return false;
	wait = rate_limiter_take(&net->tx_limiter, net->tx_chain.out_bytes, clock_now_ns());
	if (wait && event_timer_set(net->tx_timer, wait, 0))
		virtio_device_broken(&net->device, "the rate limiter's timer failed");
	net->tx_waiting = wait != 0;
	return net->tx_waiting;
}

void net_transmit(struct net *net)
{
	struct virtqueue *queue = &net->device.queues[NET_TX];
	unsigned int budget = BUDGET;
	bool again = true;

	if (!queue->running || queue->broken)
		return;
	if (net->tx_waiting) {
		if (transmit_throttled(net))
			return;
		send_chain(net, &net->tx_chain);
	}
	virtqueue_disable_kicks(queue);
	while (budget && again) {
		int result =
			virtqueue_pop(queue, &net->tx_chain, net->tx_iov + 1, NET_CHAIN_IOVECS);

		if (result < 0) {
			virtio_device_broken(&net->device, queue->error);
			return;
		}
		if (result == 0) {
			again = virtqueue_enable_kicks(queue);
			continue;
		}
		if (transmit_throttled(net))
			break;
		send_chain(net, &net->tx_chain);
		budget--;
	}
	virtio_device_notify(&net->device, NET_TX);
	if (!budget)
		virtio_device_kick(&net->device, NET_TX);
}

/* Control (5.1.6.5): receive filters are accepted (a tap passes everything that is sent to it), and
 * the driver may turn offloads off and on again. */

static uint8_t control_command(struct net *net, const struct virtqueue_chain *chain)
{
	struct virtio_net_ctrl_hdr header;
	uint64_t allowed, offloads;

	if (virtqueue_iov_read(chain->iov, chain->out_count, 0, &header, sizeof(header)) !=
	    sizeof(header))
		return VIRTIO_NET_ERR;
	if (header.class == VIRTIO_NET_CTRL_RX && header.cmd <= VIRTIO_NET_CTRL_RX_NOBCAST)
		return VIRTIO_NET_OK;
	if (header.class == VIRTIO_NET_CTRL_MAC && header.cmd == VIRTIO_NET_CTRL_MAC_TABLE_SET)
		return VIRTIO_NET_OK;
	if (header.class != VIRTIO_NET_CTRL_GUEST_OFFLOADS ||
	    header.cmd != VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET ||
	    virtqueue_iov_read(chain->iov, chain->out_count, sizeof(header), &offloads,
			       sizeof(offloads)) != sizeof(offloads))
		return VIRTIO_NET_ERR;
	offloads = le64toh(offloads);
	allowed = net->device.driver_features &
		  (1ull << VIRTIO_NET_F_GUEST_CSUM | 1ull << VIRTIO_NET_F_GUEST_TSO4 |
		   1ull << VIRTIO_NET_F_GUEST_TSO6 | 1ull << VIRTIO_NET_F_GUEST_ECN);
	if (offloads & ~allowed || net_tap_set_offloads(&net->tap, offloads))
		return VIRTIO_NET_ERR;
	net->guest_offloads = offloads;
	net_offloads_changed(net);
	return VIRTIO_NET_OK;
}

void net_control(struct net *net)
{
	struct virtqueue *queue = &net->device.queues[NET_CONTROL];
	struct iovec iov[NET_CHAIN_IOVECS];
	struct virtqueue_chain chain;
	unsigned int budget = BUDGET;
	int result = 0;

	while (budget-- && (result = virtqueue_pop(queue, &chain, iov, NET_CHAIN_IOVECS)) > 0) {
		uint8_t ack = control_command(net, &chain);
		size_t written = virtqueue_iov_write(iov + chain.out_count, chain.in_count, 0, &ack,
						     sizeof(ack));

		virtqueue_push(queue, chain.head, (uint32_t)written);
	}
	if (result < 0) {
		virtio_device_broken(&net->device, queue->error);
		return;
	}
	virtio_device_notify(&net->device, NET_CONTROL);
	if (virtqueue_enable_kicks(queue))
		virtio_device_kick(&net->device, NET_CONTROL);
}
