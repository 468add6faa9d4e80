/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

static volatile uint32_t seen;
static volatile uint32_t counter;
static volatile uint32_t go;

#define ROUNDS 2000u

static void work(uint32_t apic_id)
{
	__sync_fetch_and_or(&seen, 1u << apic_id);
	while (!go)
		relax();
	for (uint32_t i = 0; i < ROUNDS; i++)
		__sync_fetch_and_add(&counter, 1);
}

/* INIT-SIPI-SIPI to every other processor; all of them run and share memory. */
void guest_main(void)
{
	uint32_t cpus = (uint32_t)guest_option("cpus", 1);

	ap_function = work;
	lapic_enable();
	CHECK_EQ(lapic_read(0x20) >> 24, 0);
	for (uint32_t id = 1; id < cpus; id++)
		smp_start(id);
	for (uint32_t i = 0; seen != (1u << cpus) - 2; i++) {
		if (i == 200000)
			guest_fail(__FILE__, __LINE__, "processors that started", seen,
				   (1u << cpus) - 2);
		inb(0x61);
	}
	CHECK_EQ(ap_started, cpus - 1);
	go = 1;
	for (uint32_t i = 0; counter < ROUNDS * (cpus - 1); i++) {
		CHECK(i < 2000000);
		inb(0x61);
	}
	CHECK_EQ(counter, ROUNDS * (cpus - 1));
}
