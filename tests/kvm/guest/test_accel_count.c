/* SPDX-License-Identifier: Apache-2.0 */
#include "accel.h"
#include "time_reads.h"

/* The same steps whatever the counts are, so that two runs differ by the counted accesses only. */
void guest_main(void)
{
	uint64_t window = guest_option("window", 0), dpa = guest_option("dpa", 0);
	uint64_t component = guest_option("component", 0), batches = guest_option("batches", 0);
	struct accel accel;

	accel_find(&accel, 0);
	if (guest_option("commit", 1))
		CHECK(accel_is_committed(&accel) || accel_commit(&accel));
	mmio_write64(accel.scratch, 1);
	if (dpa)
		mmio_write64(accel.fixed_base, 1);
	for (uint64_t i = 0; i < window; i += 2) {
		mmio_write32(accel.scratch, (uint32_t)i);
		CHECK(mmio_read32(accel.scratch) == (uint32_t)i);
	}
	for (uint64_t i = 0; i < dpa; i += 2) {
		mmio_write32(accel.fixed_base, (uint32_t)i);
		CHECK(mmio_read32(accel.fixed_base) == (uint32_t)i);
	}
	for (uint64_t i = 0; i < component; i++)
		mmio_read32(accel.hdm);
	if (batches)
		guest_exit(time_reads(accel.hdm, guest_option("count", 50), batches));
}
