/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>

#include "info_image.h"
#include "passthrough/transport/capability_chain.h"

static uint8_t image[4096];
static struct capability_chain chain;

Test(capability_chain, empty)
{
	cr_assert_eq(capability_chain_parse(&chain, image, 24, 24, 0), 0);
	cr_assert_eq(chain.count, 0u);
	cr_assert_null(capability_chain_find(&chain, 1));
}

Test(capability_chain, three_in_any_memory_order)
{
	put_header(image, 24, 6, 1, 80);
	put_header(image, 80, 5, 2, 56);
	put_header(image, 56, 9, 1, 0);
	cr_assert_eq(capability_chain_parse(&chain, image, 96, 24, 24), 0);
	cr_assert_eq(chain.count, 3u);
	cr_assert_eq(capability_chain_find(&chain, 6)->length, 32u);
	cr_assert_eq(capability_chain_find(&chain, 9)->length, 24u);
	cr_assert_eq(capability_chain_find(&chain, 5)->length, 16u);
	cr_assert_eq(capability_chain_find(&chain, 5)->version, 2u);
	cr_assert_eq(capability_chain_count(&chain, 6), 1u);
}

struct bad_chain {
	const char *what;
	uint32_t length;
	uint32_t first;
	uint32_t at_1, next_1;
	uint32_t at_2, next_2;
};

Test(capability_chain, refused)
{
	static const struct bad_chain cases[] = {
		{"first inside the fixed part", 96, 16, 16, 0, 40, 0},
		{"first past the end", 96, 96, 24, 0, 40, 0},
		{"header crosses the end", 96, 92, 24, 0, 40, 0},
		{"first far away", 96, 0xfffffff8, 24, 0, 40, 0},
		{"unaligned", 96, 26, 26, 0, 40, 0},
		{"points to itself", 96, 24, 24, 24, 40, 0},
		{"loop of two", 96, 24, 24, 40, 40, 24},
		{"next past the end", 96, 24, 24, 4000, 40, 0},
		{"next into the fixed part", 96, 24, 24, 8, 40, 0},
		{"headers overlap", 96, 24, 24, 28, 28, 0},
		{"image shorter than a header", 4, 24, 24, 0, 40, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(image, 0, sizeof(image));
		put_header(image, cases[i].at_1, 1, 1, cases[i].next_1);
		put_header(image, cases[i].at_2, 2, 1, cases[i].next_2);
		cr_expect_eq(
			capability_chain_parse(&chain, image, cases[i].length, 24, cases[i].first),
			-EPROTO, "%s", cases[i].what);
	}
}

Test(capability_chain, limit_of_entries)
{
	for (uint32_t i = 0; i < CAPABILITY_CHAIN_MAX; i++)
		put_header(image, 24 + 8 * i, 1, 1,
			   i + 1 < CAPABILITY_CHAIN_MAX ? 24 + 8 * (i + 1) : 0);
	cr_assert_eq(capability_chain_parse(&chain, image, sizeof(image), 24, 24), 0);
	cr_assert_eq(chain.count, CAPABILITY_CHAIN_MAX);
	put_header(image, 24 + 8 * (CAPABILITY_CHAIN_MAX - 1), 1, 1, 24 + 8 * CAPABILITY_CHAIN_MAX);
	cr_assert_eq(capability_chain_parse(&chain, image, sizeof(image), 24, 24), -EPROTO);
}
