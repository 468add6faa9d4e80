/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>

#include "accel-sim/component_block.h"

#define GIB    (UINT64_C(1) << 30)
#define BASE   UINT64_C(0x4000000000)
#define COMMIT HDM_CONTROL_COMMIT
#define DONE   HDM_CONTROL_COMMITTED
#define ERROR  HDM_CONTROL_ERROR_NOT_COMMITTED
#define LOCK   HDM_CONTROL_LOCK_ON_COMMIT

static void put(struct sim_hdm *hdm, unsigned n, uint32_t reg, uint32_t value)
{
	sim_hdm_write(hdm, SIM_HDM_DECODER(n) + reg, value, UINT32_MAX);
}

static uint32_t get(const struct sim_hdm *hdm, unsigned n, uint32_t reg)
{
	return sim_hdm_read(hdm, SIM_HDM_DECODER(n) + reg);
}

static void program(struct sim_hdm *hdm, unsigned n, uint64_t base, uint64_t size)
{
	put(hdm, n, SIM_HDM_BASE_HIGH, (uint32_t)(base >> 32));
	put(hdm, n, SIM_HDM_BASE_LOW, (uint32_t)base);
	put(hdm, n, SIM_HDM_SIZE_HIGH, (uint32_t)(size >> 32));
	put(hdm, n, SIM_HDM_SIZE_LOW, (uint32_t)size);
}

static uint32_t state(const struct sim_hdm *hdm, unsigned n)
{
	return get(hdm, n, SIM_HDM_CONTROL) & (COMMIT | DONE | ERROR | LOCK);
}

Test(hdm_decoder, count_codes)
{
	static const unsigned counts[] = {1, 2, 4, 6, 8, 10};

	for (unsigned i = 0; i < 6; i++) {
		struct sim_hdm hdm;
		uint32_t code;

		sim_hdm_init(&hdm, counts[i], 4 * GIB, false);
		code = sim_hdm_read(&hdm, 0) & 0xf;
		cr_assert_eq(code == 0 ? 1 : 2 * code, counts[i]);
	}
}

Test(hdm_decoder, commit_release)
{
	struct sim_hdm hdm;

	sim_hdm_init(&hdm, 2, 4 * GIB, false);
	program(&hdm, 0, BASE, GIB);
	put(&hdm, 0, SIM_HDM_CONTROL, COMMIT);
	cr_assert_eq(state(&hdm, 0), COMMIT | DONE);
	put(&hdm, 0, SIM_HDM_BASE_HIGH, 0x99);
	put(&hdm, 0, SIM_HDM_SIZE_LOW, 0x20000000);
	put(&hdm, 0, SIM_HDM_SKIP_LOW, 0x20000000);
	cr_assert_eq(get(&hdm, 0, SIM_HDM_BASE_HIGH), BASE >> 32,
		     "fields are frozen while committed");
	cr_assert_eq(get(&hdm, 0, SIM_HDM_SIZE_LOW), GIB);
	cr_assert_eq(get(&hdm, 0, SIM_HDM_SKIP_LOW), 0);
	put(&hdm, 0, SIM_HDM_CONTROL, 0);
	cr_assert_eq(state(&hdm, 0), 0);
	put(&hdm, 0, SIM_HDM_BASE_HIGH, 0x99);
	cr_assert_eq(get(&hdm, 0, SIM_HDM_BASE_HIGH), 0x99);
}

Test(hdm_decoder, low_bits_are_reserved)
{
	struct sim_hdm hdm;

	sim_hdm_init(&hdm, 1, 4 * GIB, false);
	put(&hdm, 0, SIM_HDM_BASE_LOW, 0x12345678);
	put(&hdm, 0, SIM_HDM_SIZE_LOW, 0xffffffff);
	put(&hdm, 0, SIM_HDM_SKIP_LOW, 0x1fffffff);
	cr_assert_eq(get(&hdm, 0, SIM_HDM_BASE_LOW), 0x10000000);
	cr_assert_eq(get(&hdm, 0, SIM_HDM_SIZE_LOW), 0xf0000000);
	cr_assert_eq(get(&hdm, 0, SIM_HDM_SKIP_LOW), 0x10000000);
}

Test(hdm_decoder, invalid_commits)
{
	static const struct {
		const char *why;
		uint64_t base, size;
		uint32_t control;
		uint64_t skip;
	} cases[] = {
		{"size 0", BASE, 0, 0, 0},
		{"wraps", UINT64_MAX - GIB + 1, 2 * GIB, 0, 0},
		{"more than there is", BASE, 5 * GIB, 0, 0},
		{"skip and size are more than there is", BASE, 4 * GIB, 0, 0x10000000},
		{"granularity code 7", BASE, GIB, 7, 0},
		{"16 ways", BASE, GIB, 4 << 4, 0},
		{"3 ways", BASE, GIB, 8 << 4, 0},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sim_hdm hdm;

		sim_hdm_init(&hdm, 1, 4 * GIB, false);
		program(&hdm, 0, cases[i].base, cases[i].size);
		put(&hdm, 0, SIM_HDM_SKIP_LOW, (uint32_t)cases[i].skip);
		put(&hdm, 0, SIM_HDM_CONTROL, COMMIT | cases[i].control);
		cr_assert_eq(state(&hdm, 0), COMMIT | ERROR, "%s", cases[i].why);
		/* The error stays, whatever is corrected, until COMMIT is cleared. */
		program(&hdm, 0, BASE, GIB);
		put(&hdm, 0, SIM_HDM_SKIP_LOW, 0);
		put(&hdm, 0, SIM_HDM_CONTROL, COMMIT);
		cr_assert_eq(state(&hdm, 0), COMMIT | ERROR, "%s", cases[i].why);
		put(&hdm, 0, SIM_HDM_CONTROL, 0);
		cr_assert_eq(state(&hdm, 0), 0, "%s", cases[i].why);
		put(&hdm, 0, SIM_HDM_CONTROL, COMMIT);
		cr_assert_eq(state(&hdm, 0), COMMIT | DONE, "%s", cases[i].why);
	}
}

Test(hdm_decoder, order_and_overlap)
{
	struct sim_hdm hdm;

	sim_hdm_init(&hdm, 4, 4 * GIB, false);
	program(&hdm, 0, BASE, GIB);
	program(&hdm, 1, BASE + GIB, GIB);
	put(&hdm, 1, SIM_HDM_CONTROL, COMMIT);
	cr_assert_eq(state(&hdm, 1), COMMIT | ERROR, "decoder 0 is not committed yet");
	put(&hdm, 1, SIM_HDM_CONTROL, 0);
	put(&hdm, 0, SIM_HDM_CONTROL, COMMIT);
	program(&hdm, 1, BASE + GIB - SIM_HDM_UNIT, GIB);
	put(&hdm, 1, SIM_HDM_CONTROL, COMMIT);
	cr_assert_eq(state(&hdm, 1), COMMIT | ERROR, "overlaps decoder 0");
	put(&hdm, 1, SIM_HDM_CONTROL, 0);
	program(&hdm, 1, 0, GIB);
	put(&hdm, 1, SIM_HDM_CONTROL, COMMIT);
	cr_assert_eq(state(&hdm, 1), COMMIT | ERROR, "below decoder 0");
	put(&hdm, 1, SIM_HDM_CONTROL, 0);
	program(&hdm, 1, BASE + GIB, GIB);
	put(&hdm, 1, SIM_HDM_CONTROL, COMMIT);
	cr_assert_eq(state(&hdm, 1), COMMIT | DONE);
}

Test(hdm_decoder, lock_holds_until_reset)
{
	struct sim_hdm hdm;

	sim_hdm_init(&hdm, 1, 4 * GIB, false);
	sim_hdm_firmware_commit(&hdm, BASE);
	cr_assert_eq(state(&hdm, 0), COMMIT | DONE | LOCK);
	cr_assert_eq(sim_hdm_read(&hdm, HDM_DECODER_GLOBAL_CONTROL), HDM_GLOBAL_ENABLE);
	put(&hdm, 0, SIM_HDM_CONTROL, 0);
	put(&hdm, 0, SIM_HDM_CONTROL, COMMIT);
	put(&hdm, 0, SIM_HDM_BASE_HIGH, 1);
	cr_assert_eq(state(&hdm, 0), COMMIT | DONE | LOCK);
	cr_assert_eq(get(&hdm, 0, SIM_HDM_BASE_HIGH), BASE >> 32);
	sim_hdm_reset(&hdm);
	cr_assert_eq(state(&hdm, 0), 0);
	cr_assert_eq(get(&hdm, 0, SIM_HDM_BASE_HIGH), 0);
}

Test(hdm_decoder, lock_comes_with_commit)
{
	struct sim_hdm hdm;

	sim_hdm_init(&hdm, 1, 4 * GIB, false);
	program(&hdm, 0, BASE, GIB);
	put(&hdm, 0, SIM_HDM_CONTROL, LOCK);
	put(&hdm, 0, SIM_HDM_BASE_HIGH, 0x50);
	cr_assert_eq(get(&hdm, 0, SIM_HDM_BASE_HIGH), 0x50, "LOCK without COMMIT locks nothing");
	put(&hdm, 0, SIM_HDM_CONTROL, LOCK | COMMIT);
	put(&hdm, 0, SIM_HDM_CONTROL, 0);
	cr_assert_eq(state(&hdm, 0), LOCK | COMMIT | DONE);
}

Test(hdm_decoder, read_only_and_outside)
{
	struct sim_hdm hdm;
	uint32_t capability;

	sim_hdm_init(&hdm, 1, 4 * GIB, false);
	capability = sim_hdm_read(&hdm, 0);
	sim_hdm_write(&hdm, 0, UINT32_MAX, UINT32_MAX);
	sim_hdm_write(&hdm, 8, UINT32_MAX, UINT32_MAX);
	sim_hdm_write(&hdm, HDM_DECODER_GLOBAL_CONTROL, UINT32_MAX, UINT32_MAX);
	cr_assert_eq(sim_hdm_read(&hdm, 0), capability);
	cr_assert_eq(sim_hdm_read(&hdm, 8), 0);
	cr_assert_eq(sim_hdm_read(&hdm, HDM_DECODER_GLOBAL_CONTROL), HDM_GLOBAL_ENABLE);
	/* decoder 1 does not exist */
	sim_hdm_write(&hdm, SIM_HDM_DECODER(1), UINT32_MAX, UINT32_MAX);
	cr_assert_eq(sim_hdm_read(&hdm, SIM_HDM_DECODER(1)), 0);
	put(&hdm, 0, SIM_HDM_CONTROL, DONE | ERROR);
	cr_assert_eq(state(&hdm, 0), 0, "status bits are read-only");
}

/* Whatever is written: committed ranges are in order, disjoint, non-empty and inside the memory. */
Test(hdm_decoder, random_walk)
{
	struct sim_hdm hdm;
	uint64_t seed = 88172645463325252u;
	unsigned commits = 0;

	sim_hdm_init(&hdm, 4, 2 * GIB, false);
	for (unsigned step = 0; step < 200000; step++) {
		struct sim_hdm before = hdm;
		uint64_t end = 0, total = 0;
		uint32_t value, reg;
		unsigned n;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		n = seed % 4;
		reg = (uint32_t)(seed >> 8) % 8 * 4;
		value = (uint32_t)(seed >> 32);
		if (reg == SIM_HDM_CONTROL)
			value &= COMMIT | 0x11;
		else if (reg == SIM_HDM_BASE_HIGH || reg == SIM_HDM_SIZE_HIGH ||
			 reg == SIM_HDM_SKIP_HIGH)
			value = 0;
		else
			value &= 0x70000000;
		put(&hdm, n, reg, value);
		for (unsigned i = 0; i < 4; i++) {
			const struct sim_decoder *d = &hdm.decoders[i];

			cr_assert((d->control & (DONE | ERROR)) != (DONE | ERROR));
			cr_assert(!(d->control & (DONE | ERROR)) || (d->control & COMMIT));
			if (!(d->control & DONE))
				continue;
			cr_assert(d->size > 0);
			if (before.decoders[i].control & DONE)
				cr_assert(d->base == before.decoders[i].base &&
					  d->size == before.decoders[i].size);
			else
				commits++;
			if (i > 0 && (hdm.decoders[i - 1].control & DONE))
				cr_assert(d->base >= end);
			end = d->base + d->size;
			total += d->size >> ((d->control & 0xf0) >> 4);
		}
		cr_assert(total <= 2 * GIB);
		if (step % 1000 == 999)
			sim_hdm_reset(&hdm);
	}
	cr_assert(commits > 1000, "the walk has to commit often to mean anything: %u", commits);
}

Test(component_block, array_and_widths)
{
	struct sim_component_block block;
	uint32_t dword = 0;
	uint64_t qword = 0;
	uint16_t word = 0;
	uint8_t byte = 0;

	sim_component_init(&block, 1, GIB, false);
	cr_assert_eq(sim_component_read(&block, 0x1000, 4, &dword), 0);
	cr_assert_eq(dword & 0xffff, 1);
	cr_assert_eq(dword >> 24, 3);
	for (uint32_t i = 1; i <= 3; i++) {
		sim_component_read(&block, 0x1000 + 4 * i, 4, &dword);
		cr_assert_eq(dword & 0xffff, i == 1 ? 2 : i == 2 ? 4 : 5);
	}
	cr_assert_eq(dword >> 20, SIM_HDM_POINTER);
	cr_assert_eq(sim_component_read(&block, 0x100e, 2, &word), 0);
	cr_assert_eq(word, dword >> 16);
	cr_assert_eq(sim_component_read(&block, 0x100f, 1, &byte), 0);
	cr_assert_eq(byte, dword >> 24);
	cr_assert_eq(sim_component_read(&block, 0x1008, 8, &qword), 0);
	cr_assert_eq(qword >> 32, dword);
	cr_assert_eq(sim_component_read(&block, 0x1001, 2, &word), -EINVAL);
	cr_assert_eq(sim_component_read(&block, 0x1004, 8, &qword), -EINVAL);
	cr_assert_eq(sim_component_read(&block, 0x1000, 3, &qword), -EINVAL);
	cr_assert_eq(sim_component_read(&block, 0x10000, 4, &dword), -EINVAL);
	cr_assert_eq(sim_component_read(&block, 0xfff8, 8, &qword), 0);
	cr_assert_eq(qword, 0);
}

Test(component_block, byte_writes_keep_their_neighbours)
{
	struct sim_component_block block;
	const uint32_t base_high =
		0x1000 + SIM_HDM_POINTER + SIM_HDM_DECODER(0) + SIM_HDM_BASE_HIGH;
	uint8_t byte = 0xab;
	uint32_t dword = 0x11223344;

	sim_component_init(&block, 1, GIB, false);
	sim_component_write(&block, base_high, 4, &dword);
	sim_component_write(&block, base_high + 1, 1, &byte);
	sim_component_read(&block, base_high, 4, &dword);
	cr_assert_eq(dword, 0x1122ab44);
}

Test(component_block, ras_is_rw1c)
{
	struct sim_component_block block;
	uint32_t value = 0x00000011;

	sim_component_init(&block, 1, GIB, false);
	block.ras.uncorrectable_status = 0x31;
	sim_component_write(&block, 0x1000 + SIM_RAS_POINTER, 4, &value);
	cr_assert_eq(block.ras.uncorrectable_status, 0x20);
}
