/* SPDX-License-Identifier: Apache-2.0 */
#include "virtio.h"

static inline uint64_t timestamp(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/*
 * Time-stamp ticks for count= trapped 32-bit reads, as the exit code. The register is at address=,
 * or a virtio device's (device_feature) when none is given.
 */
void guest_main(void)
{
	uint64_t address = guest_option("address", 0);
	uint64_t count = guest_option("count", 1000);
	uint64_t start;

	if (!address) {
		struct virtio device;

		virtio_find(&device, VIRTIO_RNG);
		address = device.common + 4;
	}
	guest_map(address);
	/* The first ones fill caches and shadow page tables. */
	for (unsigned int i = 0; i < 100; i++)
		mmio_read32(address);
	start = timestamp();
	for (uint64_t i = 0; i < count; i++)
		mmio_read32(address);
	guest_exit((uint32_t)(timestamp() - start));
}
