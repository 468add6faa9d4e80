/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio.h"

static inline uint64_t timestamp(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

#define BATCHES_MAX 1001u

static uint32_t ticks[BATCHES_MAX];

/*
 * Time-stamp ticks for count= trapped 32-bit reads, as the exit code: the median of batches=
 * batches, so that what else the host does falls on few of them. The register is at address=, or a
 * virtio device's (device_feature) when none is given.
 */
void guest_main(void)
{
	uint64_t address = guest_option("address", 0);
	uint64_t count = guest_option("count", 50);
	uint64_t batches = guest_option("batches", 1);

	CHECK(batches >= 1 && batches <= BATCHES_MAX);
	if (!address) {
		struct virtio device;

		virtio_find(&device, VIRTIO_RNG);
		address = device.common + 4;
	}
	guest_map(address);
	/* The first ones fill caches and shadow page tables. */
	for (unsigned int i = 0; i < 100; i++)
		mmio_read32(address);
	for (uint64_t batch = 0; batch < batches; batch++) {
		uint64_t start = timestamp(), place = batch;
		uint32_t spent;

		for (uint64_t i = 0; i < count; i++)
			mmio_read32(address);
		spent = (uint32_t)(timestamp() - start);
		for (; place > 0 && ticks[place - 1] > spent; place--)
			ticks[place] = ticks[place - 1];
		ticks[place] = spent;
	}
	guest_exit(ticks[batches / 2]);
}
