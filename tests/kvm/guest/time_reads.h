/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_KVM_GUEST_TIME_READS_H
#define TESTS_KVM_GUEST_TIME_READS_H

#include "guest.h"

#define BATCHES_MAX 1001u

static inline uint64_t timestamp(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/*
 * Time-stamp ticks for @count trapped 32-bit reads of @address, which is mapped: the median of
 * @batches batches, so that what else the host does falls on few of them.
 */
static inline uint32_t time_reads(uint64_t address, uint64_t count, uint64_t batches)
{
	static uint32_t ticks[BATCHES_MAX];

	CHECK(batches >= 1 && batches <= BATCHES_MAX);
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
	return ticks[batches / 2];
}

#endif
