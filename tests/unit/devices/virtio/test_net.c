/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

#include "devices/virtio/net_internal.h"
#include "guest.h"

struct fixture {
	struct guest guest;
	struct net *net;
	int peer; /* the other end of the cable */
	char text[1024];
	struct logger logger;
};

static void on_message(void *opaque, enum log_level level, const char *object, const char *message)
{
	struct fixture *f = opaque;
	size_t used = strlen(f->text);

	(void)level;
	snprintf(f->text + used, sizeof(f->text) - used, "%s: %s\n", object, message);
}

static void setup(struct fixture *f, struct virtio_net_options *options, uint64_t without)
{
	struct net_tap tap = {.name = "wire", .mtu = 1500};
	struct virtio_device *device;
	int fds[2];

	memset(f, 0, sizeof(*f));
	f->logger = (struct logger){on_message, f, LOG_LEVEL_DEBUG};
	guest_init(&f->guest, true);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	tap.fd = fds[0];
	f->peer = fds[1];
	options->environment = guest_environment(&f->guest, &f->logger);
	cr_assert_eq(net_create_on(options, &tap, &device), 0);
	f->net = (struct net *)(void *)device;
	cr_assert_eq(guest_start(&f->guest, device, 64, without), 0);
}

static void teardown(struct fixture *f)
{
	guest_fini(&f->guest);
	close(f->peer);
}

/* A packet with its header, as a tap with IFF_VNET_HDR gives it. */
static void from_wire(struct fixture *f, size_t length, uint8_t seed)
{
	uint8_t *packet = calloc(1, NET_HEADER + length);
	size_t i;

	packet[0] = VIRTIO_NET_HDR_F_DATA_VALID;
	for (i = 0; i < length; i++)
		packet[NET_HEADER + i] = (uint8_t)(seed + i * 7);
	cr_assert_eq(send(f->peer, packet, NET_HEADER + length, 0), (ssize_t)(NET_HEADER + length));
	free(packet);
}

static void check_bytes(const uint8_t *data, size_t from, size_t length, uint8_t seed)
{
	size_t i;

	for (i = 0; i < length; i++)
		cr_assert_eq(data[i], (uint8_t)(seed + (from + i) * 7), "at %zu", from + i);
}

static uint64_t offer_receive(struct fixture *f, uint32_t length)
{
	struct guest_buffer buffer = {guest_alloc(&f->guest, length), length, true};

	guest_add(&f->guest, &f->guest.queues[NET_RX], &buffer, 1);
	return buffer.gpa;
}

static void kick(struct fixture *f, uint16_t queue)
{
	f->guest.device->ops->queue_notify(f->guest.device, queue);
}

static uint64_t count(struct fixture *f, enum net_counter counter)
{
	return f->net->counters[counter].value;
}

#define NO_GSO                                                                                     \
	(1ull << VIRTIO_NET_F_GUEST_TSO4 | 1ull << VIRTIO_NET_F_GUEST_TSO6 |                       \
	 1ull << VIRTIO_NET_F_GUEST_ECN)

Test(virtio_net, packet_goes_into_one_buffer, .timeout = 20)
{
	struct virtio_net_options options = {.name = "net0"};
	struct vring_used_elem used;
	struct fixture f;
	uint8_t *data;
	unsigned int mergeable;

	for (mergeable = 0; mergeable < 2; mergeable++) {
		setup(&f, &options, NO_GSO | (mergeable ? 0 : 1ull << VIRTIO_NET_F_MRG_RXBUF));
		uint64_t gpa = offer_receive(&f, 2048);

		offer_receive(&f, 2048);
		from_wire(&f, 1000, 3);
		cr_assert(guest_transact(&f.guest, NET_RX, &used));
		cr_assert_eq(used.len, 1000 + NET_HEADER);
		data = guest_at(&f.guest, gpa, 2048);
		cr_assert_eq(data[0], VIRTIO_NET_HDR_F_DATA_VALID);
		cr_assert_eq(data[10] | data[11] << 8, 1); /* num_buffers */
		check_bytes(data + NET_HEADER, 0, 1000, 3);
		cr_assert_eq(count(&f, NET_RX_BYTES), 1000);
		teardown(&f);
	}
}

Test(virtio_net, large_packet_is_merged_over_buffers, .timeout = 20)
{
	struct virtio_net_options options = {.name = "net0"};
	struct vring_used_elem used;
	struct fixture f;
	uint64_t gpa[50];
	unsigned int i, pieces = 0;
	size_t seen = 0;

	setup(&f, &options, 0);
	for (i = 0; i < 50; i++)
		gpa[i] = offer_receive(&f, 1536);
	from_wire(&f, 40000, 9);
	cr_assert(guest_transact(&f.guest, NET_RX, &used));
	uint8_t *first = guest_at(&f.guest, gpa[0], 1536);

	cr_assert_eq(first[10] | first[11] << 8, (40012 + 1535) / 1536);
	do {
		size_t skip = pieces == 0 ? NET_HEADER : 0;

		check_bytes((uint8_t *)guest_at(&f.guest, gpa[pieces], 1536) + skip, seen,
			    used.len - skip, 9);
		seen += used.len - skip;
		pieces++;
	} while (guest_used(&f.guest, &f.guest.queues[NET_RX], &used));
	cr_assert_eq(seen, 40000);
	cr_assert_eq(pieces, 27);
	teardown(&f);
}

Test(virtio_net, packet_waits_for_buffers_and_is_whole, .timeout = 20)
{
	struct virtio_net_options options = {.name = "net0"};
	struct vring_used_elem used;
	struct fixture f;
	uint64_t gpa[6];
	unsigned int i;
	size_t seen = 0;

	setup(&f, &options, 0);
	from_wire(&f, 5000, 1);
	kick(&f, NET_RX); /* no buffer at all: the packet stays on the wire */
	cr_assert_eq(count(&f, NET_RX_PACKETS), 0);
	gpa[0] = offer_receive(&f, 1000);
	kick(&f, NET_RX); /* too little: the packet is taken and held */
	cr_assert_not(guest_used(&f.guest, &f.guest.queues[NET_RX], &used));
	for (i = 1; i < 6; i++)
		gpa[i] = offer_receive(&f, 1000);
	kick(&f, NET_RX);
	for (i = 0; guest_used(&f.guest, &f.guest.queues[NET_RX], &used); i++) {
		size_t skip = i == 0 ? NET_HEADER : 0;

		check_bytes((uint8_t *)guest_at(&f.guest, gpa[i], 1000) + skip, seen,
			    used.len - skip, 1);
		seen += used.len - skip;
	}
	cr_assert_eq(seen, 5000);
	cr_assert_eq(count(&f, NET_RX_DROPPED), 0);
	teardown(&f);
}

Test(virtio_net, too_large_without_merging_is_dropped, .timeout = 20)
{
	struct virtio_net_options options = {.name = "net0"};
	struct vring_used_elem used;
	struct fixture f;
	uint64_t gpa;

	setup(&f, &options, 1ull << VIRTIO_NET_F_MRG_RXBUF);
	gpa = offer_receive(&f, 1000);
	from_wire(&f, 3000, 1);
	from_wire(&f, 500, 2);
	kick(&f, NET_RX);
	cr_assert(guest_used(&f.guest, &f.guest.queues[NET_RX], &used));
	cr_assert_eq(used.len, 500 + NET_HEADER);
	check_bytes((uint8_t *)guest_at(&f.guest, gpa, 1000) + NET_HEADER, 0, 500, 2);
	cr_assert_eq(count(&f, NET_RX_DROPPED), 1);
	teardown(&f);
}

Test(virtio_net, more_packets_than_one_turn, .timeout = 20)
{
	struct virtio_net_options options = {.name = "net0", .queue_size = 512};
	struct vring_used_elem used;
	struct fixture f;
	unsigned int i, seen = 0;

	setup(&f, &options, NO_GSO);
	for (i = 0; i < 60; i++)
		offer_receive(&f, 2048);
	for (i = 0; i < 8; i++)
		from_wire(&f, 60 + i, (uint8_t)i);
	while (seen < 8) {
		cr_assert(guest_transact(&f.guest, NET_RX, &used));
		cr_assert_eq(used.len, NET_HEADER + 60 + seen);
		seen++;
	}
	teardown(&f);
}

Test(virtio_net, transmit_passes_header_and_frame, .timeout = 20)
{
	struct virtio_net_options options = {.name = "net0"};
	struct vring_used_elem used;
	struct fixture f;
	uint8_t packet[4096];
	uint64_t gpa;

	setup(&f, &options, 0);
	gpa = guest_alloc(&f.guest, 4096);
	memset(guest_at(&f.guest, gpa, 4096), 0x5a, 4096);
	memset(guest_at(&f.guest, gpa, 4096), 0, NET_HEADER);
	struct guest_buffer split[] = {
		{gpa, 12, false}, {gpa + 12, 30, false}, {gpa + 512, 1000, false}};
	struct guest_buffer joined = {gpa, 100, false};
	struct guest_buffer crumb = {gpa, 12, false}; /* a header and no frame */

	guest_add(&f.guest, &f.guest.queues[NET_TX], split, 3);
	cr_assert(guest_transact(&f.guest, NET_TX, &used));
	cr_assert_eq(recv(f.peer, packet, sizeof(packet), 0), 1042);
	cr_assert_eq(packet[1041], 0x5a);
	guest_add(&f.guest, &f.guest.queues[NET_TX], &joined, 1);
	guest_add(&f.guest, &f.guest.queues[NET_TX], &crumb, 1);
	cr_assert(guest_transact(&f.guest, NET_TX, &used));
	cr_assert(guest_transact(&f.guest, NET_TX, &used));
	cr_assert_eq(recv(f.peer, packet, sizeof(packet), 0), 100);
	cr_assert_eq(recv(f.peer, packet, sizeof(packet), 0), -1);
	cr_assert_eq(count(&f, NET_TX_PACKETS), 2);
	cr_assert_eq(count(&f, NET_TX_DROPPED), 1);
	teardown(&f);
}

/* 5.1.6.2.1: the host's tap would do for the guest what its driver never agreed to. */
Test(virtio_net, offloads_that_were_not_negotiated_are_dropped)
{
	const uint64_t csum = 1ull << VIRTIO_NET_F_CSUM, tso4 = 1ull << VIRTIO_NET_F_HOST_TSO4,
		       tso6 = 1ull << VIRTIO_NET_F_HOST_TSO6, ecn = 1ull << VIRTIO_NET_F_HOST_ECN;
	const struct {
		uint64_t features;
		uint8_t flags, type;
		bool allowed;
	} cases[] = {
		{0, 0, VIRTIO_NET_HDR_GSO_NONE, true},
		{0, VIRTIO_NET_HDR_F_DATA_VALID | VIRTIO_NET_HDR_F_RSC_INFO, 0, true},
		{0, VIRTIO_NET_HDR_F_NEEDS_CSUM, 0, false},
		{csum, VIRTIO_NET_HDR_F_NEEDS_CSUM, 0, true},
		{csum, 1, VIRTIO_NET_HDR_GSO_TCPV4, false},
		{csum | tso4, 1, VIRTIO_NET_HDR_GSO_TCPV4, true},
		{csum | tso4, 1, VIRTIO_NET_HDR_GSO_TCPV6, false},
		{csum | tso6, 1, VIRTIO_NET_HDR_GSO_TCPV6, true},
		{csum | tso4, 1, VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN, false},
		{csum | tso4 | ecn, 1, VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN, true},
		{csum | ecn, 1, VIRTIO_NET_HDR_GSO_ECN, false},
		{UINT64_MAX, 1, VIRTIO_NET_HDR_GSO_UDP, false},
		{UINT64_MAX, 1, 5 /* UDP_L4 */, false},
		{UINT64_MAX, 1, 0x7f, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct virtio_device device = {.driver_features = cases[i].features};
		struct virtio_net_hdr_v1 header = {
			.flags = cases[i].flags, .gso_type = cases[i].type, .num_buffers = 9};

		cr_expect_eq(net_header_is_allowed(&device, &header), cases[i].allowed, "case %zu",
			     i);
		cr_expect_eq(header.flags, cases[i].flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
		cr_expect_eq(header.num_buffers, 0);
	}
}

/* The header lies anywhere in the chain, and the tap gets the copy that was checked. */
Test(virtio_net, headers_are_checked_however_they_lie, .timeout = 20)
{
	struct virtio_net_options options = {.name = "net0"};
	struct vring_used_elem used;
	struct fixture f;
	uint8_t packet[4096], *bytes;
	uint64_t gpa;

	setup(&f, &options, 1ull << VIRTIO_NET_F_CSUM);
	gpa = guest_alloc(&f.guest, 4096);
	bytes = guest_at(&f.guest, gpa, 4096);
	memset(bytes, 0x5a, 4096);
	memset(bytes, 0, NET_HEADER);
	bytes[10] = 3; /* num_buffers */
	for (uint32_t cut = 1; cut < 20; cut++) {
		struct guest_buffer parts[] = {{gpa, cut, false}, {gpa + cut, 100 - cut, false}};

		guest_add(&f.guest, &f.guest.queues[NET_TX], parts, 2);
		cr_assert(guest_transact(&f.guest, NET_TX, &used));
		cr_assert_eq(recv(f.peer, packet, sizeof(packet), 0), 100, "cut %u", cut);
		cr_expect_eq(packet[10], 0);
		cr_expect_eq(packet[12], 0x5a);
		cr_expect_eq(packet[99], 0x5a);
	}
	bytes[0] = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	for (uint32_t cut = 1; cut < 20; cut++) {
		struct guest_buffer parts[] = {{gpa, cut, false}, {gpa + cut, 100 - cut, false}};

		guest_add(&f.guest, &f.guest.queues[NET_TX], parts, 2);
		cr_assert(guest_transact(&f.guest, NET_TX, &used));
		cr_expect_eq(recv(f.peer, packet, sizeof(packet), 0), -1);
	}
	cr_expect_eq(count(&f, NET_TX_DROPPED), 19u);
	cr_expect_not_null(strstr(f.text, "has not negotiated"), "%s", f.text);
	teardown(&f);
}

Test(virtio_net, full_wire_drops_instead_of_blocking, .timeout = 20)
{
	struct virtio_net_options options = {.name = "net0"};
	struct vring_used_elem used;
	struct fixture f;
	unsigned int i;
	uint64_t gpa;

	setup(&f, &options, 0);
	gpa = guest_alloc(&f.guest, 60000);
	for (i = 0; i < 60; i++) {
		struct guest_buffer buffer = {gpa, 60000, false};

		guest_add(&f.guest, &f.guest.queues[NET_TX], &buffer, 1);
	}
	for (i = 0; i < 60; i++)
		cr_assert(guest_transact(&f.guest, NET_TX, &used), "%u", i);
	cr_assert_gt(count(&f, NET_TX_DROPPED), 0);
	teardown(&f);
}

Test(virtio_net, rates_are_limited_both_ways, .timeout = 30)
{
	struct virtio_net_options options = {
		.name = "net0",
		.rx_rate_limiter = {.ops = {.size = 2, .refill_time = 40}},
		.tx_rate_limiter = {.bandwidth = {.size = 1000, .refill_time = 100}},
	};
	struct vring_used_elem used;
	struct fixture f;
	unsigned int i;
	uint64_t gpa;

	setup(&f, &options, NO_GSO);
	for (i = 0; i < 8; i++)
		offer_receive(&f, 2048);
	for (i = 0; i < 6; i++)
		from_wire(&f, 100, 1);
	kick(&f, NET_RX);
	for (i = 0; guest_used(&f.guest, &f.guest.queues[NET_RX], &used); i++)
		;
	cr_assert_eq(i, 2); /* the rest waits for tokens */
	for (; i < 6; i++)
		cr_assert(guest_transact(&f.guest, NET_RX, &used));
	gpa = guest_alloc(&f.guest, 600);
	for (i = 0; i < 4; i++) {
		struct guest_buffer buffer = {gpa, 600, false};

		guest_add(&f.guest, &f.guest.queues[NET_TX], &buffer, 1);
	}
	kick(&f, NET_TX);
	for (i = 0; guest_used(&f.guest, &f.guest.queues[NET_TX], &used); i++)
		;
	cr_assert_eq(i, 1);
	for (; i < 4; i++)
		cr_assert(guest_transact(&f.guest, NET_TX, &used));
	teardown(&f);
}

struct control_case {
	const char *name;
	uint8_t bytes[16];
	uint32_t length;
	uint8_t expected;
};

Test(virtio_net, control_queue, .timeout = 20)
{
	static const struct control_case cases[] = {
		{"promiscuous", {VIRTIO_NET_CTRL_RX, 0, 1}, 3, VIRTIO_NET_OK},
		{"filter table",
		 {VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET},
		 10,
		 VIRTIO_NET_OK},
		{"address was not offered", {VIRTIO_NET_CTRL_MAC, 1}, 8, VIRTIO_NET_ERR},
		{"unknown class", {77, 0, 1}, 3, VIRTIO_NET_ERR},
		{"one byte", {VIRTIO_NET_CTRL_RX}, 1, VIRTIO_NET_ERR},
		{"no offloads", {VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0}, 10, VIRTIO_NET_OK},
		{"short offloads", {VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0}, 9, VIRTIO_NET_ERR},
		{"unoffered offload",
		 {VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, 0, 0x40},
		 10,
		 VIRTIO_NET_ERR}, /* bit 14: HOST_UFO */
	};
	struct virtio_net_options options = {.name = "net0"};
	struct vring_used_elem used;
	struct fixture f;
	size_t i;

	setup(&f, &options, 0);
	cr_assert_gt(f.net->rx->wanted, 65536);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t gpa = guest_alloc(&f.guest, 64);
		struct guest_buffer buffers[] = {{gpa, cases[i].length, false},
						 {gpa + 32, 1, true}};

		memcpy(guest_at(&f.guest, gpa, 16), cases[i].bytes, 16);
		*(uint8_t *)guest_at(&f.guest, gpa + 32, 1) = 0xee;
		guest_add(&f.guest, &f.guest.queues[NET_CONTROL], buffers, 2);
		cr_assert(guest_transact(&f.guest, NET_CONTROL, &used), "%s", cases[i].name);
		cr_assert_eq(*(uint8_t *)guest_at(&f.guest, gpa + 32, 1), cases[i].expected, "%s",
			     cases[i].name);
	}
	cr_assert_lt(f.net->rx->wanted, 2000); /* offloads are off now */
	teardown(&f);
}

Test(virtio_net, broken_queues_ask_for_a_reset, .timeout = 20)
{
	struct virtio_net_options options = {.name = "net0"};
	struct fixture f;
	uint16_t queue;

	for (queue = 0; queue < 3; queue++) {
		setup(&f, &options, 0);
		struct guest_buffer bad = {4096, 64, queue == NET_RX};

		guest_add(&f.guest, &f.guest.queues[queue], &bad, 1);
		kick(&f, queue);
		cr_assert(f.guest.needs_reset, "%u", queue);
		teardown(&f);
	}
	setup(&f, &options, 0);
	struct guest_buffer readable = {guest_alloc(&f.guest, 64), 64, false};

	guest_add(&f.guest, &f.guest.queues[NET_RX], &readable, 1);
	kick(&f, NET_RX);
	cr_assert(f.guest.needs_reset);
	teardown(&f);
}

Test(virtio_net, link_and_configuration)
{
	struct virtio_net_options options = {
		.name = "net0", .has_mac = true, .mac = {2, 1, 2, 3, 4, 5}, .mtu = 9000};
	struct virtio_net_config config;
	struct fixture f;

	setup(&f, &options, 0);
	f.guest.device->ops->config_read(f.guest.device, 0, &config, 12);
	cr_assert_eq(memcmp(config.mac, options.mac, 6), 0);
	cr_assert_eq(config.status, VIRTIO_NET_S_LINK_UP);
	cr_assert_eq(config.mtu, 9000);
	virtio_net_set_link(f.guest.device, false);
	f.guest.device->ops->config_read(f.guest.device, 6, &config.status, 2);
	cr_assert_eq(config.status, 0);
	cr_assert_eq(f.guest.config_interrupts, 1);
	virtio_net_set_link(f.guest.device, false);
	cr_assert_eq(f.guest.config_interrupts, 1);
	virtio_net_set_link(f.guest.device, true);
	cr_assert_eq(f.guest.config_interrupts, 2);
	teardown(&f);
}

Test(virtio_net, pause_and_resume_keep_packets, .timeout = 20)
{
	struct virtio_net_options options = {.name = "net0"};
	struct vring_used_elem used;
	struct fixture f;
	unsigned int i;

	setup(&f, &options, NO_GSO);
	for (i = 0; i < 4; i++)
		offer_receive(&f, 2048);
	kick(&f, NET_RX);
	f.guest.device->ops->pause(f.guest.device);
	from_wire(&f, 100, 1);
	cr_assert_not(guest_used(&f.guest, &f.guest.queues[NET_RX], &used));
	f.guest.device->ops->resume(f.guest.device);
	cr_assert(guest_run(&f.guest, 5000));
	cr_assert(guest_used(&f.guest, &f.guest.queues[NET_RX], &used));
	cr_assert_eq(used.len, 100 + NET_HEADER);
	teardown(&f);
}

Test(virtio_net, options_are_checked)
{
	static const struct {
		struct virtio_net_options options;
		int expected;
		const char *message;
	} cases[] = {
		{{.fd = -1, .tap = "a-name-that-is-too-long"}, -EINVAL, "1 to 15"},
		{{.fd = -1, .tap = ""}, -EINVAL, "1 to 15"},
		{{.fd = -1, .mtu = 60}, -EINVAL, "mtu"},
		{{.fd = -1, .queue_size = 1024}, -EINVAL, "queue_size"},
		{{.fd = -1, .has_mac = true, .mac = {1}}, -EINVAL, "multicast"},
		{{.fd = 0, .tap = "x"}, -EINVAL, "IFF_VNET_HDR"},
		{{.fd = 1000, .tap = "x"}, -EINVAL, "not an open file"},
		{{.fd = -1, .tap = "lo"}, -EINVAL, "no tap"},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture f = {0};
		struct virtio_net_options options = cases[i].options;
		struct virtio_device *device;
		int r;

		f.logger = (struct logger){on_message, &f, LOG_LEVEL_DEBUG};
		options.environment.logger = &f.logger;
		r = virtio_net_create(&options, &device);
		if (i == 7 && r != cases[i].expected)
			continue; /* no /dev/net/tun, or not allowed to use it */
		cr_assert_eq(r, cases[i].expected, "%zu: %d %s", i, r, f.text);
		cr_assert_not_null(strstr(f.text, cases[i].message), "%zu: %s", i, f.text);
	}
}

/* With a real tap, where that is permitted. */
Test(virtio_net, real_tap, .timeout = 20)
{
	struct virtio_net_options options = {.name = "net0", .fd = -1, .mtu = 1400};
	struct virtio_device *device, *second;
	struct vring_used_elem used;
	struct fixture f = {0};
	struct guest_buffer buffer;
	uint8_t *packet;
	int r;

	guest_init(&f.guest, true);
	f.logger = (struct logger){on_message, &f, LOG_LEVEL_DEBUG};
	options.environment = guest_environment(&f.guest, &f.logger);
	r = virtio_net_create(&options, &device);
	if (r == -EPERM || r == -ENOENT || r == -ENODEV || r == -EACCES) {
		guest_fini(&f.guest);
		cr_skip("no tap here: error %d", -r);
	}
	cr_assert_eq(r, 0, "%d %s", r, f.text);
	f.net = (struct net *)(void *)device;
	cr_assert_eq(f.net->tap.mtu, 1400);
	options.tap = f.net->tap.name;
	cr_assert_eq(virtio_net_create(&options, &second), -EBUSY, "%s", f.text);
	cr_assert_not_null(strstr(f.text, "another process uses it"), "%s", f.text);
	cr_assert_eq(guest_start(&f.guest, device, 64, 0), 0);
	buffer = (struct guest_buffer){guest_alloc(&f.guest, 128), 100, false};
	packet = guest_at(&f.guest, buffer.gpa, 128);
	memset(packet + NET_HEADER, 0xff, 12);
	packet[NET_HEADER + 12] = 0x88; /* an EtherType for experiments, 0x88b5 */
	packet[NET_HEADER + 13] = 0xb5;
	guest_add(&f.guest, &f.guest.queues[NET_TX], &buffer, 1);
	cr_assert(guest_transact(&f.guest, NET_TX, &used));
	cr_assert_eq(count(&f, NET_TX_PACKETS), 1, "%s", f.text);
	guest_fini(&f.guest);
}
