/* SPDX-License-Identifier: Apache-2.0 */
#include "time_reads.h"
#include "virtio.h"

/*
 * The exit code is what time_reads() says of count= reads in batches= batches. The register is at
 * address=, or a virtio device's (device_feature) when none is given.
 */
void guest_main(void)
{
	uint64_t address = guest_option("address", 0);

	if (!address) {
		struct virtio device;

		virtio_find(&device, VIRTIO_RNG);
		address = device.common + 4;
	}
	guest_map(address);
	guest_exit(time_reads(address, guest_option("count", 50), guest_option("batches", 1)));
}
