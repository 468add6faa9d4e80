/* SPDX-License-Identifier: Apache-2.0 */
/* Network queues of a hostile driver, with packets of any size arriving at the same time. */
#include <sys/socket.h>

#include "devices/virtio/net_internal.h"
#include "tests/fuzz/virtio_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct guest guest;
	static struct virtio_device *device;
	static int peer;
	static uint8_t packet[65536];
	struct fuzz_input input = {data, size};
	struct virtio_net_options options = {.name = "net0"};
	struct net_tap tap = {.name = "wire", .mtu = 1500};
	uint16_t queue, length;
	unsigned int i;
	int fds[2];

	if (!device) {
		guest_init(&guest, true);
		options.environment = guest_environment(&guest, NULL);
		if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds))
			abort();
		tap.fd = fds[0];
		peer = fds[1];
		if (net_create_on(&options, &tap, &device))
			abort();
	}
	queue = fuzz_byte(&input) % NET_QUEUES;
	length = fuzz_word(&input);
	fuzz_start(&guest, device);
	fuzz_ring(&guest, queue, &input);
	for (i = 0; i < 2; i++)
		if (send(peer, packet, i ? length : length % 3000, 0) < 0)
			break;
	device->ops->queue_notify(device, queue);
	device->ops->queue_notify(device, NET_RX);
	guest_stop(&guest);
	while (recv(peer, packet, sizeof(packet), 0) > 0 ||
	       recv(((struct net *)(void *)device)->tap.fd, packet, sizeof(packet), 0) > 0)
		;
	return 0;
}
