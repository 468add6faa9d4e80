/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptor chains of a hostile driver. Besides memory errors, checked for each chain: every iovec
 * lies in guest RAM, the sums are right, the number of buffers is bounded, and a broken queue stays
 * broken.
 */
#include "tests/fuzz/virtio_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool right)
{
	if (!right)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct guest guest;
	static bool ready;
	struct fuzz_input input = {data, size};
	struct virtqueue queue = {.max_size = FUZZ_RING};
	struct iovec iov[VIRTQUEUE_CHAIN_IOVECS(FUZZ_RING)];
	struct virtqueue_chain chain;
	uint8_t mode = fuzz_byte(&input);
	unsigned int turns;
	int r = 1;

	if (!ready) {
		guest_init(&guest, false);
		ready = true;
	}
	memset(guest_at(&guest, FUZZ_RAM, 0x4000), 0, 0x4000);
	memset(&guest.queues[0], 0, sizeof(guest.queues[0]));
	guest.next_gpa = FUZZ_RAM;
	guest_queue_build(&guest, &guest.queues[0], &queue, FUZZ_RING);
	check(virtqueue_start(&queue, guest.memory, mode & 1, mode & 2) == 0);
	fuzz_ring(&guest, 0, &input);
	for (turns = 0; turns < 64; turns++) {
		uint64_t out = 0, in = 0;
		uint32_t i;

		r = virtqueue_pop(&queue, &chain, iov,
				  mode & 4 ? 3 : VIRTQUEUE_CHAIN_IOVECS(FUZZ_RING));
		if (r <= 0)
			break;
		check(chain.out_count + chain.in_count > 0);
		check(chain.out_count + chain.in_count <= FUZZ_RING);
		for (i = 0; i < chain.out_count + chain.in_count; i++) {
			const uint8_t *first = guest_at(&guest, FUZZ_RAM, GUEST_RAM);
			const uint8_t *base = iov[i].iov_base;

			check(iov[i].iov_len > 0 && base >= first &&
			      iov[i].iov_len <= (size_t)(first + GUEST_RAM - base));
			*(i < chain.out_count ? &out : &in) += iov[i].iov_len;
		}
		check(out == chain.out_bytes && in == chain.in_bytes);
		if (mode & 8)
			continue; /* keep it in flight */
		virtqueue_push(&queue, chain.head, (uint32_t)in);
		virtqueue_needs_interrupt(&queue);
		if (mode & 16)
			virtqueue_enable_kicks(&queue);
	}
	check((r < 0) == queue.broken && queue.in_flight <= FUZZ_RING);
	check(!queue.broken || (queue.error && virtqueue_pop(&queue, &chain, iov, 3) == 0));
	return 0;
}
