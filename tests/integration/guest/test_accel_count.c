/* SPDX-License-Identifier: Apache-2.0 */
#include "accel.h"

/* ticks=1: the median of batches of reads, as bench_mmio counts them */
#define BATCHES_MAX 1001u

static uint32_t ticks[BATCHES_MAX];

static inline uint64_t timestamp(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static uint32_t time_component(const struct accel *accel, uint64_t count, uint64_t batches)
{
	uint64_t address = accel->hdm;

	CHECK(batches >= 1 && batches <= BATCHES_MAX);
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
	return ticks[batches / 2];
}

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
		guest_exit(time_component(&accel, guest_option("count", 50), batches));
}
