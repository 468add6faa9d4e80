/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "devices/cxl/hdm_decoder.h"

#define MIB256        0x10000000ull
#define WINDOW        0x4000000000ull
#define REG(n, reg)   (HDM_DECODER_##reg + HDM_DECODER_STRIDE * (n))
#define MAX           32
#define LOCK          HDM_CONTROL_LOCK_ON_COMMIT
#define COMMIT        HDM_CONTROL_COMMIT
#define COMMITTED     HDM_CONTROL_COMMITTED
#define NOT_COMMITTED HDM_CONTROL_ERROR_NOT_COMMITTED
#define HOST_ONLY     HDM_CONTROL_HOST_ONLY

static struct hdm_decoder_block block;

static struct {
	bool mapped[MAX];
	struct hdm_decoder_range ranges[MAX];
	unsigned int committed;
	unsigned int decommitted;
	unsigned int order[MAX]; /* of decommits */
	int error;
} owner;

static int on_committed(void *opaque, unsigned int decoder, const struct hdm_decoder_range *range)
{
	cr_assert_eq(opaque, &owner);
	cr_assert_not(owner.mapped[decoder]);
	owner.committed++;
	if (owner.error)
		return owner.error;
	owner.mapped[decoder] = true;
	owner.ranges[decoder] = *range;
	return 0;
}

static void on_decommitted(void *opaque, unsigned int decoder)
{
	cr_assert_eq(opaque, &owner);
	cr_assert(owner.mapped[decoder]);
	cr_assert(block.decoders[decoder].control & COMMITTED, "told before it is clear");
	owner.mapped[decoder] = false;
	owner.order[owner.decommitted++ % MAX] = decoder;
}

static const struct hdm_decoder_options endpoint = {
	.count = 4,
	.dpa_size = 16 * MIB256,
	.window_base = WINDOW,
	.window_size = 16 * MIB256,
	.device_coherent = true,
	.committed = on_committed,
	.decommitted = on_decommitted,
	.opaque = &owner,
};

static void start(const struct hdm_decoder_options *options)
{
	memset(&owner, 0, sizeof(owner));
	cr_assert_eq(hdm_decoder_init(&block, options), 0);
}

static uint32_t get(uint32_t offset)
{
	return (uint32_t)hdm_decoder_read(&block, offset, 4);
}

static void set(uint32_t offset, uint32_t value)
{
	hdm_decoder_write(&block, offset, value, 4);
}

static void enable(void)
{
	set(HDM_DECODER_GLOBAL_CONTROL, 2);
}

static void program(unsigned int n, uint64_t base, uint64_t size)
{
	set(REG(n, BASE_HIGH), (uint32_t)(base >> 32));
	set(REG(n, BASE_LOW), (uint32_t)base);
	set(REG(n, SIZE_HIGH), (uint32_t)(size >> 32));
	set(REG(n, SIZE_LOW), (uint32_t)size);
}

static uint32_t commit(unsigned int n, uint64_t base, uint64_t size, uint32_t control)
{
	program(n, base, size);
	set(REG(n, CONTROL), control | COMMIT);
	return get(REG(n, CONTROL));
}

Test(hdm_decoder, count_codes)
{
	static const struct {
		unsigned int count;
		uint32_t code;
	} cases[] = {{1, 0},  {2, 1},  {4, 2},  {6, 3},   {8, 4},   {10, 5}, {12, 6},
		     {14, 7}, {16, 8}, {20, 9}, {24, 10}, {28, 11}, {32, 12}};
	unsigned int valid = 0;

	for (unsigned int count = 0; count <= 40; count++) {
		struct hdm_decoder_options options = endpoint;
		int expected = -EINVAL;
		uint32_t code = 0;

		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
			if (cases[i].count == count) {
				expected = 0;
				code = cases[i].code;
			}
		options.count = count;
		cr_expect_eq(hdm_decoder_init(&block, &options), expected, "count %u", count);
		if (expected)
			continue;
		valid++;
		cr_expect_eq(get(0) & 0xf, code, "count %u", count);
		cr_expect_eq(HDM_DECODER_BLOCK_SIZE(count), 0x10 + 0x20 * count);
		/* The last decoder is there, the one behind it is not. */
		set(REG(count - 1, BASE_HIGH), 0x12);
		set(REG(count, BASE_HIGH), 0x12);
		cr_expect_eq(get(REG(count - 1, BASE_HIGH)), 0x12);
		cr_expect_eq(get(REG(count, BASE_HIGH)), 0);
		hdm_decoder_destroy(&block);
	}
	cr_assert_eq(valid, 13);
}

Test(hdm_decoder, init_rejects)
{
	struct hdm_decoder_options options = endpoint;

	options.window_base += 0x1000;
	cr_expect_eq(hdm_decoder_init(&block, &options), -EINVAL);
	options = endpoint;
	options.window_size += 1;
	cr_expect_eq(hdm_decoder_init(&block, &options), -EINVAL);
	options = endpoint;
	options.window_base = -MIB256;
	options.window_size = 2 * MIB256;
	cr_expect_eq(hdm_decoder_init(&block, &options), -EINVAL);
	options = endpoint;
	options.device_coherent = false;
	cr_expect_eq(hdm_decoder_init(&block, &options), -EINVAL);
	options = endpoint;
	options.targets = 3;
	cr_expect_eq(hdm_decoder_init(&block, &options), -EINVAL);
	options = endpoint;
	options.interleave = 0x2000;
	cr_expect_eq(hdm_decoder_init(&block, &options), -EINVAL);
}

/* One row: what is programmed into decoder @n after @prior decoders of 256 MiB are committed from
 * the window's base on. */
struct commit_case {
	const char *name;
	unsigned int prior;
	unsigned int n;
	uint64_t base, size;
	uint32_t control;
	uint64_t skip;
	bool valid;
	uint64_t dpa;
};

static const struct commit_case commit_cases[] = {
	{"whole window", 0, 0, WINDOW, 16 * MIB256, 0, 0, true, 0},
	{"one granule at the end", 0, 0, WINDOW + 15 * MIB256, MIB256, 0, 0, true, 0},
	{"below the window", 0, 0, WINDOW - MIB256, MIB256, 0, 0, false, 0},
	{"across the window's end", 0, 0, WINDOW + 15 * MIB256, 2 * MIB256, 0, 0, false, 0},
	{"beyond the window", 0, 0, WINDOW + 16 * MIB256, MIB256, 0, 0, false, 0},
	{"larger than the device", 0, 0, WINDOW, 17 * MIB256, 0, 0, false, 0},
	{"base + size wraps", 0, 0, -MIB256, 2 * MIB256, 0, 0, false, 0},
	{"all ones", 0, 0, 0xfffffffff0000000, 0xfffffffff0000000, 0, 0, false, 0},
	{"second behind the first", 1, 1, WINDOW + MIB256, MIB256, 0, 0, true, MIB256},
	{"second with a gap", 1, 1, WINDOW + 8 * MIB256, MIB256, 0, 0, true, MIB256},
	{"second with a skip", 1, 1, WINDOW + MIB256, MIB256, 0, 2 * MIB256, true, 3 * MIB256},
	{"second over the first", 1, 1, WINDOW, MIB256, 0, 0, false, 0},
	{"second reaches into the first", 2, 2, WINDOW + MIB256, MIB256, 0, 0, false, 0},
	{"second below the first", 2, 2, WINDOW, MIB256, 0, 0, false, 0},
	{"out of order", 0, 1, WINDOW, MIB256, 0, 0, false, 0},
	{"out of order by two", 1, 3, WINDOW + MIB256, MIB256, 0, 0, false, 0},
	{"skip to the last granule", 0, 0, WINDOW, MIB256, 0, 15 * MIB256, true, 15 * MIB256},
	{"skip past the end", 0, 0, WINDOW, MIB256, 0, 16 * MIB256, false, 0},
	{"skip wraps", 1, 1, WINDOW + MIB256, MIB256, 0, -MIB256, false, 0},
	{"granularity 16 KiB", 0, 0, WINDOW, MIB256, 6, 0, true, 0},
	{"granularity reserved", 0, 0, WINDOW, MIB256, 7, 0, false, 0},
	{"granularity 15", 0, 0, WINDOW, MIB256, 15, 0, false, 0},
	{"2 ways", 0, 0, WINDOW, 2 * MIB256, 1 << 4, 0, false, 0},
	{"16 ways", 0, 0, WINDOW, 16 * MIB256, 4 << 4, 0, false, 0},
	{"3 ways", 0, 0, WINDOW, 3 * MIB256, 8 << 4, 0, false, 0},
	{"ways reserved", 0, 0, WINDOW, MIB256, 5 << 4, 0, false, 0},
	{"ways 15", 0, 0, WINDOW, MIB256, 15 << 4, 0, false, 0},
};

Test(hdm_decoder, commit_rules)
{
	for (size_t i = 0; i < sizeof(commit_cases) / sizeof(commit_cases[0]); i++) {
		const struct commit_case *c = &commit_cases[i];
		struct hdm_decoder_range range;
		uint32_t control;

		start(&endpoint);
		enable();
		for (unsigned int n = 0; n < c->prior; n++)
			cr_assert(commit(n, WINDOW + n * MIB256, MIB256, 0) & COMMITTED);
		set(REG(c->n, SKIP_LOW), (uint32_t)c->skip);
		set(REG(c->n, SKIP_HIGH), (uint32_t)(c->skip >> 32));
		control = commit(c->n, c->base, c->size, c->control);
		cr_expect_eq(control, c->control | COMMIT | (c->valid ? COMMITTED : NOT_COMMITTED),
			     "%s: %#x", c->name, control);
		cr_expect_eq(owner.mapped[c->n], c->valid, "%s", c->name);
		cr_expect_eq(hdm_decoder_get(&block, c->n, &range), c->valid, "%s", c->name);
		if (c->valid) {
			cr_expect_eq(range.base, c->base);
			cr_expect_eq(range.size, c->size);
			cr_expect_eq(range.dpa, c->dpa, "%s: dpa %#lx", c->name, range.dpa);
			cr_expect_eq(range.ways, 1);
			/* Field by field: padding may differ. */
			cr_expect_eq(range.base, owner.ranges[c->n].base);
			cr_expect_eq(range.size, owner.ranges[c->n].size);
			cr_expect_eq(range.dpa, owner.ranges[c->n].dpa);
			cr_expect_eq(range.ways, owner.ranges[c->n].ways);
			cr_expect_eq(range.host_only, owner.ranges[c->n].host_only);
			cr_expect_eq(range.locked, owner.ranges[c->n].locked);
		}
		/* Clearing COMMIT leads back to idle from both. */
		set(REG(c->n, CONTROL), 0);
		cr_expect_eq(get(REG(c->n, CONTROL)) & ~0xffu, 0, "%s", c->name);
		cr_expect_not(owner.mapped[c->n], "%s", c->name);
		hdm_decoder_destroy(&block);
	}
}

Test(hdm_decoder, interleave_rules)
{
	static const struct {
		uint32_t offered;
		unsigned int targets;
		uint32_t ways, granularity;
		unsigned int granules;
		bool valid;
	} cases[] = {
		{0x100, 0, 1, 0, 2, true},   /* bit 8 */
		{0x100, 0, 1, 3, 2, true},   /* bit 11 */
		{0x100, 0, 1, 4, 2, false},  /* bit 12 */
		{0x200, 0, 1, 4, 2, true},   /* bit 12 */
		{0x200, 0, 2, 5, 4, true},   /* bits 13, 14 */
		{0x200, 0, 2, 6, 4, false},  /* bits 14, 15 */
		{0x300, 0, 3, 2, 8, true},   /* bits 10 to 12 */
		{0x100, 0, 3, 2, 8, false},  /* bit 12 missing */
		{0x100, 0, 1, 0, 3, false},  /* size is no multiple */
		{0x1300, 0, 4, 0, 16, true}, /* 16 ways */
		{0x0300, 0, 4, 0, 16, false},
		{0x0800, 0, 8, 0, 3, true}, /* 3 ways need no bits */
		{0x0800, 0, 9, 0, 6, false},
		{0x0900, 0, 9, 0, 6, true},
		{0x0900, 0, 10, 2, 12, true},
		{0x0900, 0, 10, 3, 12, false},
		{0x0900, 0, 8, 0, 4, false},
		{0x0300, 4, 2, 0, 4, true}, /* a port with four targets */
		{0x0300, 4, 3, 0, 8, false},
		{0, 1, 0, 0, 1, true},
	};

	static const unsigned int ways[] = {1, 2, 4, 8, 16, 0, 0, 0, 3, 6, 12};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hdm_decoder_options options = endpoint;
		struct hdm_decoder_range range;
		uint32_t control;

		options.interleave = cases[i].offered;
		options.targets = cases[i].targets;
		start(&options);
		enable();
		cr_expect_eq(get(0) & 0x1b00, cases[i].offered);
		cr_expect_eq(get(0) >> 4 & 0xf, cases[i].targets);
		control = commit(0, WINDOW, cases[i].granules * MIB256,
				 cases[i].ways << 4 | cases[i].granularity);
		cr_expect_eq((control & COMMITTED) != 0, cases[i].valid, "case %zu: %#x", i,
			     control);
		if (cases[i].valid) {
			hdm_decoder_get(&block, 0, &range);
			cr_expect_eq(range.ways, ways[cases[i].ways]);
		}
		hdm_decoder_destroy(&block);
	}
}

/* What a row writes, and what decoder 0's control reads afterwards. */
/* More than the window. */
#define BAD_SIZE (32 * MIB256)

Test(hdm_decoder, transitions)
{
	static const struct {
		const char *name;
		uint32_t before; /* control written first */
		uint64_t size;   /* at that time */
		uint32_t write;
		uint32_t control;
		bool base_writable; /* afterwards */
		unsigned int committed, decommitted;
	} cases[] = {
		{"idle: fields", 0, MIB256, 0x23, 0x23, true, 0, 0},
		{"idle: lock without commit", 0, MIB256, LOCK, LOCK, true, 0, 0},
		{"idle: read-only and reserved bits", 0, MIB256, 0xfffffcff & ~COMMIT, 0xff, true,
		 0, 0},
		{"idle: commit", 0, MIB256, COMMIT, COMMIT | COMMITTED, false, 1, 0},
		{"idle: bad commit", 0, BAD_SIZE, COMMIT, COMMIT | NOT_COMMITTED, true, 0, 0},
		{"idle: commit and lock", 0, MIB256, COMMIT | LOCK, COMMIT | LOCK | COMMITTED,
		 false, 1, 0},
		{"idle: bad commit and lock", 0, BAD_SIZE, COMMIT | LOCK,
		 COMMIT | LOCK | NOT_COMMITTED, true, 0, 0},
		{"error: again without clearing", COMMIT, BAD_SIZE, COMMIT, COMMIT | NOT_COMMITTED,
		 true, 0, 0},
		{"error: fields", COMMIT, BAD_SIZE, COMMIT | 3, COMMIT | NOT_COMMITTED | 3, true, 0,
		 0},
		{"error: clear", COMMIT, BAD_SIZE, 0, 0, true, 0, 0},
		{"committed: clear", COMMIT, MIB256, 0, 0, true, 1, 1},
		{"committed: clear leaves the other fields", COMMIT | 2, MIB256, 0x55, 2, true, 1,
		 1},
		{"committed: fields", COMMIT, MIB256, COMMIT | 0xff, COMMIT | COMMITTED, false, 1,
		 0},
		{"committed: lock later", COMMIT, MIB256, COMMIT | LOCK, COMMIT | COMMITTED, false,
		 1, 0},
		{"locked: clear", COMMIT | LOCK, MIB256, 0, COMMIT | LOCK | COMMITTED, false, 1, 0},
		{"locked: unlock", COMMIT | LOCK, MIB256, COMMIT, COMMIT | LOCK | COMMITTED, false,
		 1, 0},
		{"locked: all ones", COMMIT | LOCK, MIB256, UINT32_MAX, COMMIT | LOCK | COMMITTED,
		 false, 1, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start(&endpoint);
		enable();
		program(0, WINDOW, cases[i].size);
		if (cases[i].before)
			set(REG(0, CONTROL), cases[i].before);
		set(REG(0, CONTROL), cases[i].write);
		cr_expect_eq(get(REG(0, CONTROL)), cases[i].control, "%s: %#x", cases[i].name,
			     get(REG(0, CONTROL)));
		cr_expect_eq(owner.committed, cases[i].committed, "%s", cases[i].name);
		cr_expect_eq(owner.decommitted, cases[i].decommitted, "%s", cases[i].name);
		for (uint32_t reg = HDM_DECODER_BASE_LOW; reg <= HDM_DECODER_SKIP_HIGH; reg += 4) {
			uint32_t before = get(reg);

			if (reg == HDM_DECODER_CONTROL)
				continue;
			set(reg, ~before);
			cr_expect_eq(get(reg) != before, cases[i].base_writable, "%s: %#x",
				     cases[i].name, reg);
		}
		hdm_decoder_reset(&block);
		cr_expect_eq(get(REG(0, CONTROL)), 0);
		cr_expect_not(owner.mapped[0]);
		hdm_decoder_destroy(&block);
	}
}

Test(hdm_decoder, fix_after_an_error)
{
	start(&endpoint);
	enable();
	cr_assert_eq(commit(0, WINDOW, BAD_SIZE, 0), COMMIT | NOT_COMMITTED);
	program(0, WINDOW, MIB256);
	cr_assert_eq(get(REG(0, CONTROL)), COMMIT | NOT_COMMITTED, "no new decision by itself");
	set(REG(0, CONTROL), 0);
	set(REG(0, CONTROL), COMMIT);
	cr_assert_eq(get(REG(0, CONTROL)), COMMIT | COMMITTED);
}

Test(hdm_decoder, owner_refuses)
{
	start(&endpoint);
	enable();
	owner.error = -ENOSPC;
	cr_assert_eq(commit(0, WINDOW, MIB256, LOCK), COMMIT | LOCK | NOT_COMMITTED);
	owner.error = 0;
	set(REG(0, CONTROL), 0);
	cr_assert_eq(owner.decommitted, 0);
	cr_assert_eq(commit(0, WINDOW, MIB256, 0), COMMIT | COMMITTED);
}

Test(hdm_decoder, global_enable_gates_the_range)
{
	start(&endpoint);
	cr_assert_eq(get(HDM_DECODER_GLOBAL_CONTROL), 0);
	cr_assert_eq(commit(0, WINDOW, MIB256, 0), COMMIT | COMMITTED);
	cr_assert_eq(commit(1, WINDOW + MIB256, MIB256, LOCK), COMMIT | COMMITTED | LOCK);
	cr_assert_eq(owner.committed, 0);
	set(HDM_DECODER_GLOBAL_CONTROL, UINT32_MAX);
	cr_assert_eq(get(HDM_DECODER_GLOBAL_CONTROL), 2, "no poison on decode error");
	cr_assert(owner.mapped[0] && owner.mapped[1]);
	set(HDM_DECODER_GLOBAL_CONTROL, 2);
	cr_assert_eq(owner.committed, 2);
	set(HDM_DECODER_GLOBAL_CONTROL, 0);
	cr_assert_eq(owner.decommitted, 2);
	cr_assert_eq(owner.order[0], 1);
	cr_assert_eq(get(REG(0, CONTROL)), COMMIT | COMMITTED);
	set(REG(0, CONTROL), 0);
	cr_assert_eq(owner.decommitted, 2);
	set(HDM_DECODER_GLOBAL_CONTROL, 2);
	cr_assert_not(owner.mapped[0]);
	cr_assert(owner.mapped[1]);
	/* The owner's refusal at this time leaves it committed without effect. */
	set(HDM_DECODER_GLOBAL_CONTROL, 0);
	owner.error = -ENOSPC;
	set(HDM_DECODER_GLOBAL_CONTROL, 2);
	cr_assert_eq(get(REG(1, CONTROL)), COMMIT | COMMITTED | LOCK);
	owner.error = 0;
	hdm_decoder_reset(&block);
	cr_assert_eq(owner.decommitted, 3);
}

/* 8.2.4.20.12: how software keeps others from using a decoder. */
Test(hdm_decoder, size_zero_commits_and_decodes_nothing)
{
	start(&endpoint);
	enable();
	cr_expect_eq(commit(0, 0, 0, LOCK), COMMIT | COMMITTED | LOCK);
	cr_expect_eq(commit(1, WINDOW, MIB256, 0), COMMIT | COMMITTED);
	cr_expect_eq(commit(2, WINDOW, 0, 0), COMMIT | COMMITTED);
	cr_expect_eq(commit(3, WINDOW, MIB256, 0), COMMIT | NOT_COMMITTED, "over decoder 1");
	set(REG(3, CONTROL), 0);
	cr_expect_eq(commit(3, WINDOW + MIB256, MIB256, 0), COMMIT | COMMITTED);
	cr_expect_eq(owner.committed, 2);
	cr_expect_eq(owner.ranges[1].dpa, 0);
	cr_expect_eq(owner.ranges[3].dpa, MIB256);
	set(HDM_DECODER_GLOBAL_CONTROL, 0);
	enable();
	cr_expect_eq(owner.committed, 4);
	cr_expect_eq(owner.decommitted, 2);
	cr_expect_not(owner.mapped[0]);
	cr_expect_eq(get(REG(0, CONTROL)), COMMIT | COMMITTED | LOCK);
	hdm_decoder_reset(&block);
	cr_expect_eq(owner.decommitted, 4);
}

/* Range 1 of the DVSEC covers it, and Mem_Enable is on and locked: the memory is still decoded. */
Test(hdm_decoder, firmwares_locked_range_outlives_the_global_enable)
{
	start(&endpoint);
	cr_assert_eq(hdm_decoder_firmware_commit(&block, 0, WINDOW, MIB256, false, true), 0);
	cr_assert_eq(commit(1, WINDOW + MIB256, MIB256, 0), COMMIT | COMMITTED);
	set(HDM_DECODER_GLOBAL_CONTROL, 0);
	cr_expect_eq(get(HDM_DECODER_GLOBAL_CONTROL), 0);
	cr_expect(owner.mapped[0]);
	cr_expect_not(owner.mapped[1]);
	enable();
	cr_expect_eq(owner.committed, 3, "and is not mapped twice");
	hdm_decoder_reset(&block);
	cr_expect_not(owner.mapped[0]);
	set(HDM_DECODER_GLOBAL_CONTROL, 0);
	enable();
	cr_expect_not(owner.mapped[0]);
}

Test(hdm_decoder, decommit_in_any_order_commit_only_on_top)
{
	start(&endpoint);
	enable();
	for (unsigned int n = 0; n < 3; n++)
		cr_assert(commit(n, WINDOW + n * MIB256, MIB256, 0) & COMMITTED);
	set(REG(1, CONTROL), 0);
	cr_assert_eq(get(REG(1, CONTROL)), 0);
	cr_assert_not(owner.mapped[1]);
	cr_assert(owner.mapped[2]);
	cr_assert_eq(commit(1, WINDOW + MIB256, MIB256, 0), COMMIT | NOT_COMMITTED,
		     "a hole below decoder 2");
	set(REG(1, CONTROL), 0);
	cr_assert_eq(commit(3, WINDOW + 3 * MIB256, MIB256, 0), COMMIT | NOT_COMMITTED,
		     "a hole below it");
	set(REG(3, CONTROL), 0);
	set(REG(2, CONTROL), 0);
	cr_assert_eq(commit(1, WINDOW + MIB256, 2 * MIB256, 0), COMMIT | COMMITTED);
	cr_assert_eq(commit(2, WINDOW + 3 * MIB256, MIB256, 0), COMMIT | COMMITTED);
	cr_assert_eq(owner.ranges[2].dpa, 3 * MIB256);
	hdm_decoder_reset(&block);
	cr_assert_eq(owner.order[2], 2);
	cr_assert_eq(owner.order[3], 1);
	cr_assert_eq(owner.order[4], 0, "highest first");
}

Test(hdm_decoder, target_types)
{
	struct hdm_decoder_options options = endpoint;

	/* Only HDM-D: hardwired 0. */
	start(&options);
	set(REG(0, CONTROL), HOST_ONLY);
	cr_assert_eq(get(REG(0, CONTROL)), 0);
	/* Only HDM-H: hardwired 1. */
	options.device_coherent = false;
	options.host_only = true;
	start(&options);
	enable();
	cr_assert_eq(get(REG(3, CONTROL)), HOST_ONLY);
	cr_assert_eq(commit(0, WINDOW, MIB256, 0), HOST_ONLY | COMMIT | COMMITTED);
	cr_assert(owner.ranges[0].host_only);
	/* Both: the guest's choice. */
	options.device_coherent = true;
	start(&options);
	enable();
	cr_assert_eq(commit(0, WINDOW, MIB256, 0), COMMIT | COMMITTED);
	cr_assert_not(owner.ranges[0].host_only);
	cr_assert_eq(commit(1, WINDOW + MIB256, MIB256, HOST_ONLY), HOST_ONLY | COMMIT | COMMITTED);
	cr_assert(owner.ranges[1].host_only);
}

Test(hdm_decoder, access_widths)
{
	start(&endpoint);
	hdm_decoder_write(&block, REG(0, BASE_LOW), 0x123456789abcdef0, 8);
	cr_assert_eq(get(REG(0, BASE_LOW)), 0x90000000, "27:0 are reserved");
	cr_assert_eq(get(REG(0, BASE_HIGH)), 0x12345678);
	cr_assert_eq(hdm_decoder_read(&block, REG(0, BASE_LOW), 8), 0x1234567890000000);
	hdm_decoder_write(&block, REG(0, BASE_HIGH) + 1, 0xaa, 1);
	cr_assert_eq(get(REG(0, BASE_HIGH)), 0x1234aa78);
	hdm_decoder_write(&block, REG(0, BASE_HIGH) + 2, 0xbbcc, 2);
	cr_assert_eq(get(REG(0, BASE_HIGH)), 0xbbccaa78);
	cr_assert_eq(hdm_decoder_read(&block, REG(0, BASE_HIGH) + 3, 1), 0xbb);
	cr_assert_eq(hdm_decoder_read(&block, REG(0, BASE_HIGH) + 2, 2), 0xbbcc);
	/* Misaligned or odd sizes: nothing. */
	hdm_decoder_write(&block, REG(0, BASE_HIGH) + 2, 0, 4);
	hdm_decoder_write(&block, REG(0, BASE_HIGH), 0, 8);
	hdm_decoder_write(&block, REG(0, BASE_HIGH), 0, 3);
	cr_assert_eq(get(REG(0, BASE_HIGH)), 0xbbccaa78);
	cr_assert_eq(hdm_decoder_read(&block, REG(0, BASE_HIGH), 8), 0);
	cr_assert_eq(hdm_decoder_read(&block, REG(0, BASE_HIGH), 16), 0);
	/* A commit by a byte write of the control register. */
	enable();
	program(0, WINDOW, MIB256);
	hdm_decoder_write(&block, REG(0, CONTROL) + 1, COMMIT >> 8, 1);
	cr_assert_eq(get(REG(0, CONTROL)), COMMIT | COMMITTED);
	/* Read-only and reserved registers; outside the block. */
	for (uint32_t offset = 0; offset < 0x10; offset += 4) {
		uint32_t before = get(offset);

		if (offset == HDM_DECODER_GLOBAL_CONTROL)
			continue;
		set(offset, UINT32_MAX);
		cr_assert_eq(get(offset), before);
	}
	set(REG(0, BASE_LOW) + 0x1c, UINT32_MAX);
	cr_assert_eq(get(REG(0, BASE_LOW) + 0x1c), 0);
	cr_assert_eq(get(HDM_DECODER_BLOCK_SIZE(4)), 0);
	cr_assert_eq(hdm_decoder_read(&block, 0xfffffff8, 8), 0);
	hdm_decoder_write(&block, 0xfffffff8, UINT64_MAX, 8);
}

Test(hdm_decoder, firmware_commit)
{
	struct hdm_decoder_range range;

	start(&endpoint);
	cr_assert_eq(hdm_decoder_firmware_commit(&block, 0, WINDOW, 0, false, true), -EINVAL);
	cr_assert_eq(hdm_decoder_firmware_commit(&block, 0, WINDOW + 4096, MIB256, false, true),
		     -EINVAL);
	cr_assert_eq(hdm_decoder_firmware_commit(&block, 0, WINDOW, MIB256, true, true), -EINVAL);
	cr_assert_eq(hdm_decoder_firmware_commit(&block, 1, WINDOW, MIB256, false, true), -EINVAL);
	cr_assert_eq(hdm_decoder_firmware_commit(&block, 4, WINDOW, MIB256, false, true), -EINVAL);
	owner.error = -ENOMEM;
	cr_assert_eq(hdm_decoder_firmware_commit(&block, 0, WINDOW, MIB256, false, true), -ENOMEM);
	owner.error = 0;
	cr_assert_eq(get(HDM_DECODER_GLOBAL_CONTROL), 0, "failures leave nothing behind");
	cr_assert_eq(get(REG(0, CONTROL)), 0);
	cr_assert_eq(get(REG(0, BASE_HIGH)), 0);
	cr_assert_eq(hdm_decoder_firmware_commit(&block, 0, WINDOW, 2 * MIB256, false, true), 0);
	cr_assert_eq(get(HDM_DECODER_GLOBAL_CONTROL), 2);
	cr_assert_eq(get(REG(0, CONTROL)), COMMIT | COMMITTED | LOCK);
	cr_assert(hdm_decoder_get(&block, 0, &range));
	cr_assert(range.locked);
	cr_assert_eq(range.base, WINDOW);
	cr_assert_eq(hdm_decoder_firmware_commit(&block, 0, WINDOW, MIB256, false, true), -EBUSY);
	cr_assert_eq(
		hdm_decoder_firmware_commit(&block, 1, WINDOW + 2 * MIB256, MIB256, false, false),
		0);
	cr_assert_eq(owner.ranges[1].dpa, 2 * MIB256);
	hdm_decoder_reset(&block);
	cr_assert_not(hdm_decoder_get(&block, 0, &range));
	cr_assert_not(hdm_decoder_get(&block, 99, &range));
}

Test(hdm_decoder, port_target_lists)
{
	struct hdm_decoder_options options = endpoint;

	options.targets = 8;
	options.interleave = 0x300;
	start(&options);
	set(REG(0, SKIP_LOW), 0x03020100);
	set(REG(0, SKIP_HIGH), 0x07060504);
	cr_assert_eq(get(REG(0, SKIP_LOW)), 0x03020100, "ids, not a skip of 256 MiB units");
	set(HDM_DECODER_GLOBAL_CONTROL, 2);
	cr_assert_eq(get(HDM_DECODER_GLOBAL_CONTROL), 0, "ports always decode");
	cr_assert_eq(commit(0, WINDOW, 8 * MIB256, 3 << 4), 3 << 4 | COMMIT | COMMITTED);
	cr_assert(owner.mapped[0]);
	cr_assert_eq(owner.ranges[0].ways, 8);
	cr_assert_eq(owner.ranges[0].dpa, 0);
}

/*
 * A second statement of the rules, made from the specification's text with other data structures:
 * plain booleans and 64-bit fields, no register layout.
 */
struct model_decoder {
	uint64_t base, size, skip;
	uint32_t low_fields; /* granularity and ways */
	bool lock, commit, committed, error;
};

struct model {
	bool enabled;
	struct model_decoder d[6];
};

static bool model_valid(const struct model *m, unsigned int n)
{
	const struct model_decoder *d = &m->d[n];
	uint64_t used = 0;

	if ((d->low_fields & 0xf) > 6 || d->low_fields >> 4)
		return false;
	if (d->size && (d->base < WINDOW || d->base >= WINDOW + 16 * MIB256))
		return false;
	if (d->size && d->size > WINDOW + 16 * MIB256 - d->base)
		return false;
	for (unsigned int i = 0; i < 6; i++)
		if (i != n && m->d[i].committed != (i < n))
			return false;
	/* No overlap, ascending: above every lower one. */
	for (unsigned int i = 0; i < n; i++)
		if (d->size && m->d[i].size && d->base < m->d[i].base + m->d[i].size)
			return false;
	for (unsigned int i = 0; i <= n; i++) {
		if (m->d[i].skip > 16 * MIB256)
			return false;
		used += m->d[i].skip + m->d[i].size;
	}
	return used <= 16 * MIB256;
}

static void model_control(struct model *m, unsigned int n, uint32_t value)
{
	struct model_decoder *d = &m->d[n];
	bool want = value & COMMIT;

	if (d->committed && d->lock)
		return;
	if (d->committed) {
		if (!want)
			d->committed = d->commit = false;
		return;
	}
	d->low_fields = value & 0xff;
	d->lock = value & LOCK;
	if (!want) {
		d->error = false;
	} else if (!d->commit) {
		d->committed = model_valid(m, n);
		d->error = !d->committed;
	}
	d->commit = want;
}

Test(hdm_decoder, random_walk_against_the_model)
{
	struct hdm_decoder_options options = endpoint;
	struct model model = {0};
	uint64_t state = 0x2545f4914f6cdd1dull;
	unsigned int commits = 0, errors = 0, locks = 0;

	options.count = 6;
	start(&options);
	for (unsigned int step = 0; step < 400000; step++) {
		unsigned int n;
		uint64_t value;
		struct model_decoder *d;

		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		n = (unsigned int)(state >> 8) % 6;
		/* Mostly sensible values: a handful of granules in and around the window. */
		value = state >> 16 & 7 ? WINDOW + ((state >> 20) % 18) * MIB256 : state;
		d = &model.d[n];
		switch (state >> 60) {
		case 0:
		case 1:
			set(REG(n, BASE_LOW), (uint32_t)value);
			if (!d->committed)
				d->base = (d->base & ~0xffffffffull) | (value & 0xf0000000);
			break;
		case 2:
			set(REG(n, BASE_HIGH), (uint32_t)(value >> 32));
			if (!d->committed)
				d->base = (d->base & 0xffffffff) | (value & ~0xffffffffull);
			break;
		case 3:
		case 4:
			value = state >> 32 & 3 ? ((state >> 20) % 5) * MIB256 : value;
			hdm_decoder_write(&block, REG(n, SIZE_LOW), value, 8);
			if (!d->committed)
				d->size = value & ~0xfffffffull;
			break;
		case 5:
			value = state >> 32 & 3 ? 0 : ((state >> 20) % 3) * MIB256;
			set(REG(n, SKIP_LOW), (uint32_t)value);
			set(REG(n, SKIP_HIGH), (uint32_t)(value >> 32));
			if (!d->committed)
				d->skip = value;
			break;
		case 6:
			model.enabled = state >> 20 & 3;
			set(HDM_DECODER_GLOBAL_CONTROL, model.enabled ? 2 : 0);
			break;
		case 7:
			if ((state >> 20) % 64)
				break;
			hdm_decoder_reset(&block);
			model = (struct model){0};
			break;
		case 8:
			/* Decoder n directly behind its predecessor: keeps the walk productive. */
			value = n ? model.d[n - 1].base + model.d[n - 1].size : WINDOW;
			hdm_decoder_write(&block, REG(n, BASE_LOW), value, 8);
			if (!d->committed)
				d->base = value & ~0xfffffffull;
			break;
		default:
			value = state >> 20 & 0xf00;
			if ((state >> 40) % 32)
				value &= ~(uint64_t)LOCK;
			if ((state >> 45) % 8 == 0)
				value |= state >> 50 & 0xff;
			set(REG(n, CONTROL), (uint32_t)value);
			model_control(&model, n, (uint32_t)value);
			commits += d->committed;
			errors += d->error;
			locks += d->committed && d->lock;
			break;
		}
		for (unsigned int i = 0; i < 6; i++) {
			const struct model_decoder *m = &model.d[i];
			uint32_t control =
				m->low_fields | (m->lock ? LOCK : 0) | (m->commit ? COMMIT : 0) |
				(m->committed ? COMMITTED : 0) | (m->error ? NOT_COMMITTED : 0);

			cr_assert_eq(get(REG(i, CONTROL)), control, "step %u decoder %u: %#x %#x",
				     step, i, get(REG(i, CONTROL)), control);
			cr_assert_eq(owner.mapped[i], m->committed && model.enabled && m->size,
				     "step %u decoder %u", step, i);
			cr_assert_eq(hdm_decoder_read(&block, REG(i, BASE_LOW), 8), m->base);
			cr_assert_eq(hdm_decoder_read(&block, REG(i, SIZE_LOW), 8), m->size);
		}
	}
	cr_assert_gt(commits, 1000);
	cr_assert_gt(errors, 1000);
	cr_assert_gt(locks, 100);
}
