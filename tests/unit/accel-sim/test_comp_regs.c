/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "accel-sim/comp_regs.h"

/* Statements 42 to 63 of the VFIO CXL contract, as far as they are about the COMP_REGS region */

#define BASE UINT64_C(0x4000000000)

struct fixture {
	struct sim_options options;
	struct sim_layout layout;
	struct sim_component_block block;
	struct sim_comp_regs regs;
};

static struct fixture *make(enum sim_contract contract, enum sim_origin origin, unsigned decoders,
			    bool committed)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char message[256];

	sim_options_defaults(&f->options);
	f->options.contract = contract;
	f->options.origin = origin;
	f->options.decoders = decoders;
	f->options.firmware_committed = committed;
	cr_assert(sim_options_complete(&f->options, message, sizeof(message)), "%s", message);
	sim_layout_plan(&f->layout, &f->options);
	sim_component_init(&f->block, decoders, f->options.dpa_size, false);
	if (committed)
		sim_hdm_firmware_commit(&f->block.hdm, BASE);
	sim_comp_regs_init(&f->regs, &f->options, &f->layout);
	sim_comp_regs_snapshot(&f->regs, &f->block);
	return f;
}

static uint32_t get(struct fixture *f, uint64_t offset)
{
	uint32_t value = 0xdeadbeef;

	cr_assert_eq(sim_comp_regs_read(&f->regs, &f->block, offset, 4, &value), 4);
	return value;
}

static void put(struct fixture *f, uint64_t offset, uint32_t value)
{
	cr_assert_eq(sim_comp_regs_write(&f->regs, &f->block, offset, 4, &value), 4);
}

Test(comp_regs, sizes)
{
	cr_assert_eq(make(SIM_CONTRACT_V2, -1, 1, true)->layout.comp_regs_size, 0x140);
	cr_assert_eq(make(SIM_CONTRACT_V2, -1, 10, true)->layout.comp_regs_size, 0x260);
	cr_assert_eq(make(SIM_CONTRACT_V3, -1, 1, true)->layout.comp_regs_size, 0x10000);
	cr_assert_eq(make(SIM_CONTRACT_REGIONS, SIM_ORIGIN_HDM, 1, true)->layout.comp_regs_size,
		     0x30);
}

Test(comp_regs, access_sizes_v2)
{
	struct fixture *f = make(SIM_CONTRACT_V2, -1, 1, true);
	uint8_t data[16];

	cr_assert_eq(sim_comp_regs_read(&f->regs, &f->block, 0, 2, data), -EINVAL);
	cr_assert_eq(sim_comp_regs_read(&f->regs, &f->block, 0, 1, data), -EINVAL);
	cr_assert_eq(sim_comp_regs_read(&f->regs, &f->block, 2, 4, data), -EINVAL);
	cr_assert_eq(sim_comp_regs_read(&f->regs, &f->block, 0, 8, data), -EINVAL);
	cr_assert_eq(sim_comp_regs_read(&f->regs, &f->block, 0x140, 4, data), -EINVAL);
	cr_assert_eq(sim_comp_regs_read(&f->regs, &f->block, 0x13c, 8, data), 4);
	cr_assert_eq(sim_comp_regs_read(&f->regs, &f->block, 0, 0, data), 0);
}

Test(comp_regs, access_sizes_v3)
{
	struct fixture *f = make(SIM_CONTRACT_V3, -1, 1, true);
	uint8_t data[16];

	cr_assert_eq(sim_comp_regs_read(&f->regs, &f->block, 0, 8, data), 8);
	cr_assert_eq(sim_comp_regs_read(&f->regs, &f->block, 0x10000, 4, data), -EINVAL);
	cr_assert_eq(sim_comp_regs_read(&f->regs, &f->block, 0xfffc, 8, data), -EINVAL);
	cr_assert_eq(sim_comp_regs_read(&f->regs, &f->block, 2, 4, data), -EINVAL);
}

Test(comp_regs, origins)
{
	struct fixture *v2 = make(SIM_CONTRACT_V2, -1, 1, true);
	struct fixture *v3 = make(SIM_CONTRACT_V3, -1, 1, true);
	struct fixture *hdm = make(SIM_CONTRACT_REGIONS, SIM_ORIGIN_HDM, 1, true);

	cr_assert_eq(get(v2, 0) & 0xffff, 1);
	cr_assert_eq(get(v3, 0), 0);
	cr_assert_eq(get(v3, 0x1000) & 0xffff, 1);
	cr_assert_eq(get(hdm, 0x20) & HDM_CONTROL_COMMITTED, HDM_CONTROL_COMMITTED);
	cr_assert_eq(get(v2, 0x130) & HDM_CONTROL_COMMITTED, HDM_CONTROL_COMMITTED);
	cr_assert_eq(get(v3, 0x1130) & HDM_CONTROL_COMMITTED, HDM_CONTROL_COMMITTED);
}

Test(comp_regs, v2_snapshot_of_a_locked_decoder)
{
	struct fixture *f = make(SIM_CONTRACT_V2, -1, 1, true);
	uint32_t control = get(f, 0x130);

	cr_assert_eq(get(f, 0x120), 0);
	cr_assert_eq(get(f, 0x124), 0, "no host address is visible");
	cr_assert_eq(control & HDM_CONTROL_LOCK_ON_COMMIT, 0);
	cr_assert(control & HDM_CONTROL_COMMITTED);
	cr_assert_eq(get(f, 0x128) | (uint64_t)get(f, 0x12c) << 32, f->layout.memory_size);
}

Test(comp_regs, v2_writes)
{
	struct fixture *f = make(SIM_CONTRACT_V2, -1, 1, true);
	uint32_t capability = get(f, 0x110), array = get(f, 0);

	put(f, 0x110, UINT32_MAX);
	put(f, 0, UINT32_MAX);
	cr_assert_eq(get(f, 0x110), capability);
	cr_assert_eq(get(f, 0), array);
	put(f, 0x114, UINT32_MAX);
	cr_assert_eq(get(f, 0x114), 2);
	put(f, 0x120, 0x12345678);
	put(f, 0x124, 0x12345678);
	cr_assert_eq(get(f, 0x120), 0x10000000);
	cr_assert_eq(get(f, 0x124), 0x12345678);
	put(f, 0x130, 0);
	cr_assert_eq(get(f, 0x130) & (HDM_CONTROL_COMMIT | HDM_CONTROL_COMMITTED), 0);
	put(f, 0x130, HDM_CONTROL_COMMIT | HDM_CONTROL_LOCK_ON_COMMIT);
	cr_assert(get(f, 0x130) & HDM_CONTROL_COMMITTED);
	put(f, 0x120, 0x20000000);
	put(f, 0x124, 0);
	put(f, 0x12c, 7);
	put(f, 0x130, HDM_CONTROL_LOCK_ON_COMMIT);
	cr_assert_eq(get(f, 0x120), 0x10000000);
	cr_assert_eq(get(f, 0x124), 0x12345678);
	cr_assert_eq(get(f, 0x12c), 0);
	cr_assert(get(f, 0x130) & HDM_CONTROL_COMMITTED);
	put(f, 0x130, 0);
	cr_assert_eq(get(f, 0x130) & (HDM_CONTROL_LOCK_ON_COMMIT | HDM_CONTROL_COMMITTED),
		     HDM_CONTROL_COMMITTED, "LOCK=0 clears LOCK and nothing else");
	put(f, 0x130, UINT32_MAX & ~HDM_CONTROL_LOCK_ON_COMMIT);
	cr_assert_eq(get(f, 0x130) & 0xf0ffa000u, 0);
	put(f, 0x134, UINT32_MAX);
	cr_assert_eq(get(f, 0x134), 0, "skip is dropped");
}

Test(comp_regs, v3_writes)
{
	struct fixture *f = make(SIM_CONTRACT_V3, -1, 1, true);

	cr_assert_eq(get(f, 0x1124), BASE >> 32, "v3 shows the host address");
	put(f, 0x1124, 0x99);
	cr_assert_eq(get(f, 0x1124), BASE >> 32);
	put(f, 0x1130, 0);
	cr_assert_eq(get(f, 0x1130) & (HDM_CONTROL_LOCK_ON_COMMIT | HDM_CONTROL_COMMIT |
				       HDM_CONTROL_COMMITTED),
		     0);
	put(f, 0x1124, 0x99);
	cr_assert_eq(get(f, 0x1124), 0x99);
	put(f, 0x1120, 0x12345678);
	cr_assert_eq(get(f, 0x1120), 0x12345678, "unmasked");
	put(f, 0x1130, HDM_CONTROL_COMMIT);
	cr_assert(get(f, 0x1130) & HDM_CONTROL_COMMITTED);
	put(f, 0x1134, 5);
	cr_assert_eq(get(f, 0x1134), 5);
	put(f, 0x10, 5);
	cr_assert_eq(get(f, 0x10), 0);
	put(f, 0x8000, 5);
	cr_assert_eq(get(f, 0x8000), 0);
}

Test(comp_regs, shadows_never_reach_the_hardware)
{
	struct fixture *f = make(SIM_CONTRACT_V2, -1, 1, false);

	put(f, 0x124, 0x40);
	put(f, 0x128, 0x10000000);
	put(f, 0x130, HDM_CONTROL_COMMIT);
	cr_assert(sim_comp_regs_committed(&f->regs, &f->block));
	cr_assert_not(sim_hdm_committed(&f->block.hdm, 0));
}

Test(comp_regs, hdm_origin_is_the_hardware)
{
	struct fixture *f = make(SIM_CONTRACT_REGIONS, SIM_ORIGIN_HDM, 1, false);

	put(f, 0x20, HDM_CONTROL_COMMIT);
	cr_assert(get(f, 0x20) & HDM_CONTROL_ERROR_NOT_COMMITTED,
		  "size 0 is refused by the real state machine");
	put(f, 0x20, 0);
	put(f, 0x14, 0x40);
	put(f, 0x18, 0x10000000);
	put(f, 0x20, HDM_CONTROL_COMMIT);
	cr_assert(sim_hdm_committed(&f->block.hdm, 0));
}
