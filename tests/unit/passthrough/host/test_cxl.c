/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tests/unit/passthrough/host/fake_host.h"

/* CXL facts from the bytes of a configuration space. */
static uint8_t config[4096];
static struct host_cxl cxl;

static void begin(void)
{
	fake_cxl_config(config);
}

TestSuite(host_cxl, .init = begin);

Test(host_cxl, a_conventional_space_has_none)
{
	host_cxl_parse(&cxl, config, 256);
	cr_assert_not(cxl.known);
	cr_assert_not(cxl.device);
	memset(config + 256, 0, sizeof(config) - 256);
	host_cxl_parse(&cxl, config, 4096);
	cr_assert(cxl.known);
	cr_assert_not(cxl.device);
	cr_assert_null(cxl.problem);
}

Test(host_cxl, two_ranges)
{
	config[0x10a] = 0x26; /* HDM_Count 2, no cache */
	config[0x12c] = 0x01;
	config[0x12f] = 0x30; /* 768 MiB, valid, not active */
	host_cxl_parse(&cxl, config, 4096);
	cr_assert_not(cxl.cache_capable);
	cr_assert(cxl.io_capable && cxl.mem_capable);
	cr_assert_eq(cxl.hdm_count, 2);
	cr_assert_eq(cxl.ranges[0].size, UINT64_C(16) << 30);
	cr_assert_eq(cxl.ranges[1].size, UINT64_C(768) << 20);
	cr_assert(cxl.ranges[1].valid && !cxl.ranges[1].active);
}

Test(host_cxl, without_memory_nobody_needs_the_block)
{
	config[0x10a] = 0x03;
	config[0x148] = 7; /* no Register Locator */
	host_cxl_parse(&cxl, config, 4096);
	cr_assert(cxl.device && cxl.cache_capable && !cxl.mem_capable);
	cr_assert_null(cxl.problem);
}

Test(host_cxl, what_contradicts_itself)
{
	config[0x106] = 0x00;
	config[0x107] = 0x03; /* 0x30 bytes */
	host_cxl_parse(&cxl, config, 4096);
	cr_assert_not_null(strstr(cxl.problem, "too short"));
	cr_assert_not(cxl.mem_capable);
	begin();
	config[0x10a] = 0x37;
	host_cxl_parse(&cxl, config, 4096);
	cr_assert_not_null(strstr(cxl.problem, "HDM_Count"));
	cr_assert_eq(cxl.hdm_count, 0);
	begin();
	config[0x14c] = 0x07; /* BAR 7 */
	host_cxl_parse(&cxl, config, 4096);
	cr_assert_not_null(strstr(cxl.problem, "BAR 6 or 7"));
	cr_assert_not(cxl.block_known);
}

Test(host_cxl, any_length)
{
	for (uint32_t length = 0; length <= 4096; length++)
		host_cxl_parse(&cxl, config, length);
	memset(config, 0xff, sizeof(config));
	host_cxl_parse(&cxl, config, 4096);
	cr_assert_not(cxl.device);
}
