/* SPDX-License-Identifier: Apache-2.0 */
/* Contract §1 and §8 statements 1 to 9: capability chain and size protocol. */
#include <criterion/criterion.h>

#include "host-driver/chain.h"

static const struct chain_cxl device = {
	.layout = CXL_LAYOUT_V2,
	.bar = 2,
	.block_offset = 0x1ff0000,
	.memory_region = 9,
	.comp_region = 10,
	.committed = true,
};

static u32 u32_at(const struct chain *chain, u32 offset)
{
	u32 value;

	memcpy(&value, chain->bytes + offset, sizeof(value));
	return value;
}

static u64 u64_at(const struct chain *chain, u32 offset)
{
	u64 value;

	memcpy(&value, chain->bytes + offset, sizeof(value));
	return value;
}

Test(chain, layout_2_bytes)
{
	struct chain_cxl cxl = device;
	struct chain chain = {0};

	cxl.cache_capable = true;
	cr_assert_eq(chain_add_cxl(&chain, &cxl), 0);
	cr_assert_eq(chain.length, 32);
	cr_assert_eq(u32_at(&chain, 0x00), 6 | 1 << 16);
	cr_assert_eq(u32_at(&chain, 0x04), 0);
	cr_assert_eq(u32_at(&chain, 0x08), 2, "BAR byte and three zero bytes");
	cr_assert_eq(u32_at(&chain, 0x0c), 3);
	cr_assert_eq(u64_at(&chain, 0x10), 0x1ff1000);
	cr_assert_eq(u32_at(&chain, 0x18), 9);
	cr_assert_eq(u32_at(&chain, 0x1c), 10);
}

Test(chain, layout_3_bytes)
{
	struct chain_cxl cxl = device;
	struct chain chain = {0};

	cxl.layout = CXL_LAYOUT_V3;
	cxl.cache_capable = true;
	cr_assert_eq(chain_add_cxl(&chain, &cxl), 0);
	cr_assert_eq(chain.length, 48);
	cr_assert_eq(u32_at(&chain, 0x00), 6 | 1 << 16);
	cr_assert_eq(u32_at(&chain, 0x08), 1, "only HOST_FIRMWARE_COMMITTED is known");
	cr_assert_eq(u32_at(&chain, 0x0c), 9);
	cr_assert_eq(u32_at(&chain, 0x10), 10);
	cr_assert_eq(u32_at(&chain, 0x14), 2);
	cr_assert_eq(u32_at(&chain, 0x18), 0);
	cr_assert_eq(u32_at(&chain, 0x1c), 0);
	cr_assert_eq(u64_at(&chain, 0x20), 0x1ff0000);
	cr_assert_eq(u64_at(&chain, 0x28), 0x10000);
}

Test(chain, capabilities_are_linked_from_the_start_of_the_info)
{
	struct vfio_info_cap_header small = {.id = 5, .version = 1, .next = 77};
	u8 twelve[12] = {0};
	struct chain chain = {0};

	memcpy(twelve, &small, sizeof(small));
	cr_assert_eq(chain_add_cxl(&chain, &device), 0);
	cr_assert_eq(chain_add(&chain, twelve, sizeof(twelve)), 0);
	cr_assert_eq(chain.length, 48, "12 bytes are padded to 16");
	chain_shift(&chain, 24);
	cr_assert_eq(u32_at(&chain, 4), 24 + 32);
	cr_assert_eq(u32_at(&chain, 32 + 4), 0, "the last one ends the chain");
}

Test(chain, three_capabilities)
{
	struct vfio_info_cap_header header = {.id = 9, .version = 1};
	struct chain chain = {0};

	for (int i = 0; i < 3; i++)
		cr_assert_eq(chain_add(&chain, &header, sizeof(header)), 0);
	chain_shift(&chain, 24);
	cr_assert_eq(u32_at(&chain, 4), 32);
	cr_assert_eq(u32_at(&chain, 12), 40);
	cr_assert_eq(u32_at(&chain, 20), 0);
}

Test(chain, full_buffer_is_refused)
{
	struct chain chain = {0};

	cr_assert_eq(chain_add_cxl(&chain, &device), 0);
	cr_assert_eq(chain_add_cxl(&chain, &device), 0);
	cr_assert_eq(chain_add_cxl(&chain, &device), 0);
	cr_assert_eq(chain_add_cxl(&chain, &device), -ENOSPC);
	cr_assert_eq(chain.length, 96);
}

Test(chain, size_protocol)
{
	static const struct {
		u32 argsz;
		int ret;
		u32 out, cap_offset, copied;
	} rows[] = {
		{0, -EINVAL, 0, 0, 0}, {15, -EINVAL, 0, 0, 0},  {16, 0, 56, 0, 16},
		{20, 0, 56, 0, 20},    {24, 0, 56, 0, 24},      {55, 0, 56, 0, 24},
		{56, 0, 56, 24, 24},   {4096, 0, 4096, 24, 24}, {~0U, 0, ~0U, 24, 24},
	};
	struct chain chain = {0};

	chain_add_cxl(&chain, &device);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct chain_reply reply;

		cr_assert_eq(chain_reply(&chain, rows[i].argsz, 16, 24, &reply), rows[i].ret,
			     "argsz %u", rows[i].argsz);
		if (rows[i].ret)
			continue;
		cr_assert_eq(reply.argsz, rows[i].out, "argsz %u: %u", rows[i].argsz, reply.argsz);
		cr_assert_eq(reply.cap_offset, rows[i].cap_offset, "argsz %u", rows[i].argsz);
		cr_assert_eq(reply.info_length, rows[i].copied, "argsz %u", rows[i].argsz);
	}
}
