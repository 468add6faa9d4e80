/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Socket packets of a hostile driver, while a host process connects and sends. The first bytes of
 * each packet are put right (CIDs, type), so that the fuzzer reaches the state machine.
 */
#include <linux/virtio_vsock.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "devices/virtio/vsock_internal.h"
#include "tests/fuzz/virtio_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CID       7u
#define PORT      5u
#define MAX_TURNS 12u

static struct guest guest;
static struct virtio_device *device;
static char path[64];
static int listener;

static void address_of(struct sockaddr_un *address, const char *suffix)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	snprintf(address->sun_path, sizeof(address->sun_path), "%s%s", path, suffix);
}

static void clean(void)
{
	struct sockaddr_un address;

	address_of(&address, "_5");
	unlink(address.sun_path);
	unlink(path);
}

static void make(void)
{
	struct virtio_vsock_options options = {.cid = CID, .socket = path, .max_connections = 8};
	struct sockaddr_un address;

	guest_init(&guest, true);
	options.environment = guest_environment(&guest, NULL);
	snprintf(path, sizeof(path), "/tmp/cxvm-fuzz-vsock-%d", (int)getpid());
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	address_of(&address, "_5");
	if (virtio_vsock_create(&options, &device) ||
	    bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 16) ||
	    atexit(clean))
		abort();
}

/* A packet in one buffer, with plausible addresses. */
static void send_packet(struct fuzz_input *input)
{
	struct virtio_vsock_hdr header = {
		.src_cid = CID,
		.dst_cid = 2,
		.src_port = fuzz_byte(input) & 1,
		.dst_port = PORT,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = fuzz_byte(input) & 15,
		.flags = fuzz_byte(input),
		.len = fuzz_word(input),
		.buf_alloc = fuzz_word(input),
		.fwd_cnt = fuzz_byte(input),
	};
	struct guest_buffer buffer = {FUZZ_DATA, 44 + (fuzz_word(input) & 0x7fff), false};

	if (header.op & 8) { /* answers to the host's request */
		header.dst_port = VSOCK_FIRST_HOST_PORT;
		header.src_port = 9;
		header.op &= 7;
	}
	memcpy(guest_at(&guest, FUZZ_DATA, 44), &header, sizeof(header));
	guest_add(&guest, &guest.queues[VSOCK_TX], &buffer, 1);
	device->ops->queue_notify(device, VSOCK_TX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	struct sockaddr_un address;
	char bytes[256];
	int host = -1, fd;
	unsigned int i, turns;
	uint8_t mode;

	if (!device)
		make();
	mode = fuzz_byte(&input);
	fuzz_start(&guest, device);
	((struct vsock *)(void *)device)->next_port = VSOCK_FIRST_HOST_PORT;
	if (mode & 1) {
		host = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		address_of(&address, "");
		if (connect(host, (struct sockaddr *)&address, sizeof(address)) == 0 &&
		    send(host, "CONNECT 9\nhello", mode & 2 ? 10 : 15, MSG_NOSIGNAL) < 0)
			abort();
		fuzz_turn(&guest); /* accept */
		fuzz_turn(&guest); /* handshake */
	}
	for (i = 0; i < FUZZ_RING; i++) {
		struct guest_buffer buffer = {FUZZ_DATA + 0x8000 + i * 256, mode & 4 ? 45 : 256,
					      true};

		guest_add(&guest, &guest.queues[VSOCK_RX], &buffer, 1);
	}
	device->ops->queue_notify(device, VSOCK_RX);
	for (turns = 0; turns < MAX_TURNS && input.size && (mode & 8); turns++) {
		send_packet(&input);
		fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			if (send(fd, bytes, mode & 16 ? sizeof(bytes) : 1, MSG_NOSIGNAL) < 0)
				abort();
			if (mode & 32)
				shutdown(fd, SHUT_WR);
			fuzz_turn(&guest);
			close(fd);
		}
		fuzz_turn(&guest);
	}
	if (!(mode & 8)) {
		fuzz_ring(&guest, mode & 64 ? VSOCK_RX : VSOCK_TX, &input);
		device->ops->queue_notify(device, VSOCK_TX);
		device->ops->queue_notify(device, VSOCK_RX);
	}
	guest_stop(&guest);
	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		close(fd);
	if (host >= 0)
		close(host);
	return 0;
}
