/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "accel-sim/info.h"

/* Statements 1 to 25 of the VFIO CXL contract, as bytes of the replies */

static struct sim_options options;
static struct sim_layout layout;
static uint8_t out[SIM_INFO_MAX];

static uint64_t at(uint32_t offset, uint32_t size)
{
	uint64_t value = 0;

	memcpy(&value, out + offset, size);
	return value;
}

static void plan(enum sim_topology topology, enum sim_contract contract)
{
	char message[256];

	sim_options_defaults(&options);
	options.topology = topology;
	options.contract = contract;
	cr_assert(sim_options_complete(&options, message, sizeof(message)), "%s", message);
	sim_layout_plan(&layout, &options);
}

Test(info, argsz_rule)
{
	plan(SIM_TOPOLOGY_A, SIM_CONTRACT_V2);
	cr_assert_eq(sim_info_device(&options, &layout, 15, out), -EINVAL);
	cr_assert_eq(sim_info_device(&options, &layout, 16, out), 16);
	cr_assert_eq(sim_info_device(&options, &layout, 24, out), 24);
	cr_assert_eq(at(16, 4), 0, "cap_offset");
	cr_assert_eq(at(4, 4), 0x283, "RESET, PCI, CAPS, CXL");
	cr_assert_eq(at(0, 4), 24 + 32 + 16);
	cr_assert_eq(sim_info_device(&options, &layout, 72, out), 72);
	cr_assert_eq(at(16, 4), 24);
	cr_assert_eq(at(8, 4), 11);
}

Test(info, v2_capability)
{
	plan(SIM_TOPOLOGY_A, SIM_CONTRACT_V2);
	cr_assert_eq(sim_info_device(&options, &layout, 4096, out), 72);
	cr_assert_eq(at(24, 2), 6);
	cr_assert_eq(at(26, 2), 1);
	cr_assert_eq(at(28, 4), 24 + 32, "next capability right behind 32 bytes");
	cr_assert_eq(at(32, 4), 2, "BAR 2 and three zero bytes");
	cr_assert_eq(at(36, 4), 1);
	cr_assert_eq(at(40, 8), 0x01ff1000);
	cr_assert_eq(at(48, 4), 9);
	cr_assert_eq(at(52, 4), 10);
}

Test(info, v3_capability)
{
	plan(SIM_TOPOLOGY_C, SIM_CONTRACT_V3);
	cr_assert_eq(sim_info_device(&options, &layout, 4096, out), 24 + 48 + 16);
	cr_assert_eq(at(28, 4), 24 + 48);
	cr_assert_eq(at(24 + 0x08, 4), 1);
	cr_assert_eq(at(24 + 0x0c, 4), 10);
	cr_assert_eq(at(24 + 0x10, 4), 9);
	cr_assert_eq(at(24 + 0x14, 4), 4);
	cr_assert_eq(at(24 + 0x18, 8), 0);
	cr_assert_eq(at(24 + 0x20, 8), 0x01000000);
	cr_assert_eq(at(24 + 0x28, 8), 0x10000);
}

Test(info, regions_and_none)
{
	plan(SIM_TOPOLOGY_A, SIM_CONTRACT_REGIONS);
	cr_assert_eq(sim_info_device(&options, &layout, 4096, out), 24 + 16);
	cr_assert_eq(at(24, 2), 5, "no CXL capability");
	cr_assert_eq(at(4, 4) & 0x200, 0x200);
	plan(SIM_TOPOLOGY_A, SIM_CONTRACT_NONE);
	cr_assert_eq(sim_info_device(&options, &layout, 4096, out), 24);
	cr_assert_eq(at(4, 4), 3);
	cr_assert_eq(at(8, 4), 9);
}

Test(info, sparse_areas)
{
	static const struct {
		enum sim_topology topology;
		uint32_t bar, argsz, count;
		uint64_t length, areas[4];
	} cases[] = {
		{SIM_TOPOLOGY_A, 2, 64, 1, 0x2000000, {0, 0x1ff0000}},
		{SIM_TOPOLOGY_B, 0, 64, 1, 0x1000000, {0x10000, 0xff0000}},
		{SIM_TOPOLOGY_C, 4, 80, 2, 0x4000000, {0, 0x1000000, 0x1010000, 0x2ff0000}},
	};
	bool fd;

	for (unsigned i = 0; i < 3; i++) {
		uint32_t bar = cases[i].bar;

		plan(cases[i].topology, SIM_CONTRACT_V2);
		cr_assert_eq(sim_info_region(&options, &layout, 31, bar, out, &fd), -EINVAL);
		cr_assert_eq(sim_info_region(&options, &layout, 32, bar, out, &fd), 32);
		cr_assert_eq(at(0, 4), cases[i].argsz);
		/* QEMU refuses CAPS with an offset of 0, so it is there before the chain is */
		cr_assert_eq(at(12, 4), 32);
		cr_assert_eq(at(4, 4), 0xf);
		cr_assert_eq(sim_info_region(&options, &layout, 80, bar, out, &fd),
			     (int)cases[i].argsz);
		cr_assert(fd);
		cr_assert_eq(at(12, 4), 32);
		cr_assert_eq(at(16, 8), cases[i].length);
		cr_assert_eq(at(32, 2), 1, "sparse mmap");
		cr_assert_eq(at(40, 4), cases[i].count);
		for (unsigned n = 0; n < 2 * cases[i].count; n++)
			cr_assert_eq(at(48 + 8 * n, 8), cases[i].areas[n]);
	}
}

Test(info, block_is_the_whole_bar)
{
	bool fd;

	plan(SIM_TOPOLOGY_D, SIM_CONTRACT_V2);
	cr_assert_eq(sim_info_region(&options, &layout, 200, 0, out, &fd), 32);
	cr_assert_eq(at(4, 4), 3, "no MMAP, no capability");
	cr_assert_not(fd);
	cr_assert_eq(sim_info_region(&options, &layout, 200, layout.window_bar, out, &fd), 32);
	cr_assert_eq(at(4, 4), 7, "the window has a BAR of its own, all of it mappable");
	cr_assert(fd);
}

Test(info, typed_regions)
{
	bool fd;

	plan(SIM_TOPOLOGY_A, SIM_CONTRACT_V2);
	cr_assert_eq(sim_info_region(&options, &layout, 200, 9, out, &fd), 48);
	cr_assert_eq(at(16, 8), 256u << 20);
	cr_assert_eq(at(40, 4), 0x80001e98);
	cr_assert_eq(at(44, 4), 1);
	cr_assert(fd);
	cr_assert_eq(sim_info_region(&options, &layout, 200, 10, out, &fd), 48);
	cr_assert_eq(at(4, 4), 0xb);
	cr_assert_eq(at(44, 4), 2);
	cr_assert_not(fd);
	cr_assert_eq(sim_info_region(&options, &layout, 200, 11, out, &fd), -EINVAL);
}

Test(info, odd_memory_sizes_round_down)
{
	char message[256];

	sim_options_defaults(&options);
	options.dpa_size = UINT64_C(0x2f00f00000);
	cr_assert(sim_options_complete(&options, message, sizeof(message)));
	sim_layout_plan(&layout, &options);
	cr_assert_eq(layout.memory_size, UINT64_C(0x2f00000000));
}

Test(options, command_lines)
{
	static const struct {
		const char *arguments[6];
		enum sim_options_result result;
	} cases[] = {
		{{"--socket", "/a"}, SIM_OPTIONS_OK},
		{{NULL}, SIM_OPTIONS_BAD},
		{{"--socket"}, SIM_OPTIONS_BAD},
		{{"--help"}, SIM_OPTIONS_HELP},
		{{"--version"}, SIM_OPTIONS_VERSION},
		{{"--socket", "/a", "--dpa", "0x2F00F00000"}, SIM_OPTIONS_OK},
		{{"--socket", "/a", "--dpa", "1T"}, SIM_OPTIONS_OK},
		{{"--socket", "/a", "--dpa", "2T"}, SIM_OPTIONS_BAD},
		{{"--socket", "/a", "--dpa", "255M"}, SIM_OPTIONS_BAD},
		{{"--socket", "/a", "--dpa", "-1"}, SIM_OPTIONS_BAD},
		{{"--socket", "/a", "--dpa", "99999999999999T"}, SIM_OPTIONS_BAD},
		{{"--socket", "/a", "--decoders", "10"}, SIM_OPTIONS_OK},
		{{"--socket", "/a", "--decoders", "3"}, SIM_OPTIONS_BAD},
		{{"--socket", "/a", "--decoders", "0"}, SIM_OPTIONS_BAD},
		{{"--socket", "/a", "--topology", "E"}, SIM_OPTIONS_BAD},
		{{"--socket", "/a", "--topology", "broken-overlap"}, SIM_OPTIONS_OK},
		{{"--socket", "/a", "--topology", "broken-nothing"}, SIM_OPTIONS_BAD},
		{{"--socket", "/a", "--component-bar", "1"}, SIM_OPTIONS_BAD},
		{{"--socket", "/a", "--bar-size", "3M"}, SIM_OPTIONS_BAD},
		{{"--socket", "/a", "--firmware-committed", "base=0x80000000"}, SIM_OPTIONS_OK},
		{{"--socket", "/a", "--firmware-committed", "base=0x80001000"}, SIM_OPTIONS_BAD},
		{{"--socket", "/a", "--firmware-committed", "0x80000000"}, SIM_OPTIONS_BAD},
		{{"--socket", "/a", "stray"}, SIM_OPTIONS_BAD},
		{{"--socket", "/a", "--class", "memory"}, SIM_OPTIONS_OK},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *argv[8] = {(char *)"cxvm-accel-sim"};
		char copies[6][64], message[256] = "";
		int argc = 1;

		for (unsigned n = 0; n < 6 && cases[i].arguments[n]; n++) {
			strcpy(copies[n], cases[i].arguments[n]);
			argv[argc++] = copies[n];
		}
		cr_assert_eq(sim_options_parse(&options, argc, argv, message, sizeof(message)),
			     cases[i].result, "case %u: %s", i, message);
		cr_assert((cases[i].result == SIM_OPTIONS_BAD) == (message[0] != '\0'));
	}
}
