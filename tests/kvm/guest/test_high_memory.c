/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

/* The memory map adds up to what was asked for, and RAM above 4 GiB is there and is not RAM below.
 */
void guest_main(void)
{
	uint64_t base, size, total = 0, high = 0, high_size = 0, low_end = 0, wanted, last_end = 0;
	uint32_t type;

	for (uint32_t i = 0; guest_memory_map(i, &base, &size, &type); i++) {
		CHECK(size > 0);
		CHECK(base >= last_end);
		last_end = base + size;
		if (type != 1)
			continue;
		/* Nothing of it lies in the hole. */
		CHECK(base + size <= 0xc0000000 || base >= 0x100000000);
		total += size;
		if (base >= 0x100000000) {
			high = base;
			high_size = size;
		} else if (base + size > low_end) {
			low_end = base + size;
		}
	}
	wanted = guest_option("mib", 0) << 20;
	/* Less a few KiB below 1 MiB that firmware tables and legacy holes take. */
	CHECK(total <= wanted && total + (1 << 20) >= wanted);
	if (wanted > 0xc0000000) {
		CHECK_EQ(high, 0x100000000);
		CHECK_EQ(high_size, wanted - 0xc0000000);
		CHECK_EQ(low_end, 0xc0000000);
		guest_map(high);
		guest_map(high + high_size - 8);
		mmio_write64(high, 0x1122334455667788);
		mmio_write64(high + high_size - 8, 0x99aabbccddeeff00);
		CHECK(mmio_read64(0) != 0x1122334455667788);
		CHECK_EQ(mmio_read64(high), 0x1122334455667788);
		CHECK_EQ(mmio_read64(high + high_size - 8), 0x99aabbccddeeff00);
		guest_map(high + high_size);
		CHECK_EQ(mmio_read32(high + high_size), 0xffffffff);
	}
	mmio_write64(low_end - 8, 0x0123456789abcdef);
	CHECK_EQ(mmio_read64(low_end - 8), 0x0123456789abcdef);
}
