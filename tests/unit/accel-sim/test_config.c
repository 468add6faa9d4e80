/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include <cxvm/accel.h>

#include "accel-sim/pci_config.h"

#define DVSEC SIM_EXT_DVSEC_DEVICE

static struct sim_layout layout;

static struct sim_config *make(struct sim_options *options)
{
	struct sim_config *config = malloc(sizeof(*config));
	char message[256];

	cr_assert(sim_options_complete(options, message, sizeof(message)), "%s", message);
	sim_layout_plan(&layout, options);
	sim_config_init(config, options, &layout);
	return config;
}

static struct sim_config *make_default(void)
{
	static struct sim_options options;

	sim_options_defaults(&options);
	return make(&options);
}

static uint32_t get(const struct sim_config *config, uint32_t offset, uint32_t size)
{
	uint32_t value = 0;

	cr_assert_eq(sim_config_read(config, offset, size, &value), 0);
	return value;
}

static uint32_t put(struct sim_config *config, uint32_t offset, uint32_t value, uint32_t size)
{
	uint32_t actions = 0;

	cr_assert_eq(sim_config_write(config, offset, size, &value, &actions), 0);
	return actions;
}

Test(config, identity)
{
	struct sim_config *config = make_default();

	cr_assert_eq(get(config, 0, 4), CXVM_ACCEL_PCI_VENDOR | CXVM_ACCEL_PCI_DEVICE << 16);
	cr_assert_eq(get(config, 8, 4) >> 8, 0x030200);
	put(config, 0, UINT32_MAX, 4);
	cr_assert_eq(get(config, 0, 4), CXVM_ACCEL_PCI_VENDOR | CXVM_ACCEL_PCI_DEVICE << 16);
	cr_assert_eq(sim_config_read(config, 4095, 2, config), -EINVAL);
}

Test(config, capability_lists_end)
{
	struct sim_config *config = make_default();
	uint32_t seen = 0, hops = 0, at = get(config, 0x34, 1);

	while (at && hops++ < 48) {
		seen |= 1u << get(config, at, 1);
		at = get(config, at + 1, 1);
	}
	cr_assert_eq(at, 0);
	/* power management, MSI, vendor-specific, PCI Express, MSI-X */
	cr_assert_eq(seen, 1u << 1 | 1u << 5 | 1u << 9 | 1u << 16 | 1u << 17);
	hops = 0;
	seen = 0;
	for (at = 0x100; at && hops++ < 48; at = get(config, at, 4) >> 20) {
		if ((get(config, at, 4) & 0xffff) == 0x23) {
			cr_assert_eq(get(config, at + 4, 4) & 0xffff, 0x1e98);
			seen |= 1u << get(config, at + 8, 2);
		}
	}
	cr_assert_eq(at, 0);
	cr_assert_eq(seen, 1u << 0 | 1u << 5 | 1u << 7 | 1u << 8);
}

Test(config, bars_size_themselves)
{
	struct sim_config *config = make_default();
	uint64_t mask;

	put(config, 0x18, UINT32_MAX, 4);
	put(config, 0x1c, UINT32_MAX, 4);
	mask = get(config, 0x18, 4) | (uint64_t)get(config, 0x1c, 4) << 32;
	cr_assert_eq(mask & 0xf, 0xc, "64-bit, prefetchable");
	cr_assert_eq(~(mask & ~UINT64_C(0xf)) + 1, 32u << 20);
	put(config, 0x10, UINT32_MAX, 4);
	cr_assert_eq(~(get(config, 0x10, 4) & ~0xfu) + 1, layout.bars[0].size);
	put(config, 0x20, UINT32_MAX, 4);
	cr_assert_eq(get(config, 0x20, 4), 0);
	/* byte-wise writes are as good */
	put(config, 0x1b, 0x80, 1);
	put(config, 0x1a, 0, 1);
	cr_assert_eq(get(config, 0x18, 4), 0x8000000c);
}

Test(config, locator_and_engine_point_at_the_layout)
{
	static const enum sim_topology topologies[] = {SIM_TOPOLOGY_A, SIM_TOPOLOGY_B,
						       SIM_TOPOLOGY_C, SIM_TOPOLOGY_D};

	for (unsigned i = 0; i < 4; i++) {
		struct sim_options options;
		struct sim_config *config;
		uint32_t entry;

		sim_options_defaults(&options);
		options.topology = topologies[i];
		config = make(&options);
		entry = get(config, SIM_EXT_DVSEC_LOCATOR + 0x0c, 4);
		cr_assert_eq(entry & 7, layout.component_bar);
		cr_assert_eq(entry >> 8 & 0xff, 1);
		cr_assert_eq(entry & 0xffff0000, layout.component_offset);
		cr_assert_eq(get(config, SIM_CAP_VENDOR + CXVM_ACCEL_CAP_BAR, 4),
			     layout.window_bar);
		cr_assert_eq(get(config, SIM_CAP_VENDOR + CXVM_ACCEL_CAP_OFFSET, 4),
			     layout.window_offset);
		cr_assert_eq(get(config, SIM_CAP_MSIX + 4, 4) & 7, layout.msix_bar);
		cr_assert(layout.msix_bar != layout.component_bar &&
			  layout.msix_bar != layout.window_bar);
	}
}

Test(config, dvsec_of_a_committed_device)
{
	struct sim_config *config = make_default();
	uint64_t size = (uint64_t)get(config, DVSEC + 0x18, 4) << 32 | get(config, DVSEC + 0x1c, 4);
	uint64_t base = (uint64_t)get(config, DVSEC + 0x20, 4) << 32 | get(config, DVSEC + 0x24, 4);

	cr_assert_eq(get(config, DVSEC + 0x0a, 2) & 0x6, 0x6);
	cr_assert_eq(get(config, DVSEC + 0x0c, 2), 0x6, "IO_Enable, Mem_Enable");
	cr_assert_eq(size & 3, 3, "valid and active");
	cr_assert_eq(size & ~UINT64_C(0xfffffff), layout.memory_size);
	cr_assert_eq(base, UINT64_C(0x4000000000));
}

Test(config, dvsec_writes)
{
	struct sim_config *config = make_default();
	uint16_t capability = get(config, DVSEC + 0x0a, 2);

	put(config, DVSEC + 0x0a, 0, 2);
	cr_assert_eq(get(config, DVSEC + 0x0a, 2), capability);
	put(config, DVSEC + 0x0c, 0, 2);
	cr_assert_eq(get(config, DVSEC + 0x0c, 2), 0x0002, "IO_Enable is fixed");
	put(config, DVSEC + 0x0c, 0x4004, 2);
	put(config, DVSEC + 0x0c, 0x00, 1);
	cr_assert_eq(get(config, DVSEC + 0x0c, 2), 0x4002, "a byte write keeps the upper byte");
	sim_config_set16(config, DVSEC + 0x0e, 0x4000);
	put(config, DVSEC + 0x0c, 0x00000004, 4);
	cr_assert_eq(get(config, DVSEC + 0x0e, 2), 0x4000);
	put(config, DVSEC + 0x0c, 0x40000004, 4);
	cr_assert_eq(get(config, DVSEC + 0x0e, 2), 0, "RW1C");
	put(config, DVSEC + 0x24, 0x12345678, 4);
	cr_assert_eq(get(config, DVSEC + 0x24, 4), 0x10000000);
}

Test(config, dvsec_lock)
{
	struct sim_config *config = make_default();

	put(config, DVSEC + 0x14, 0xfffe, 2);
	cr_assert_eq(get(config, DVSEC + 0x14, 2), 0);
	put(config, DVSEC + 0x14, 1, 2);
	put(config, DVSEC + 0x14, 0, 2);
	cr_assert_eq(get(config, DVSEC + 0x14, 2), 1);
	put(config, DVSEC + 0x0c, 0, 2);
	cr_assert_eq(get(config, DVSEC + 0x0c, 2), 0x6);
	put(config, DVSEC + 0x20, 0x77, 4);
	cr_assert_eq(get(config, DVSEC + 0x20, 4), 0x40);
	sim_config_reset(config);
	cr_assert_eq(get(config, DVSEC + 0x14, 2), 0);
}

Test(config, actions)
{
	struct sim_config *config = make_default();

	cr_assert_eq(put(config, DVSEC + 0x10, 0x04, 2), SIM_CONFIG_CXL_RESET);
	cr_assert_eq(put(config, DVSEC + 0x10, 0x0c, 1),
		     SIM_CONFIG_CXL_RESET | SIM_CONFIG_CXL_RESET_CLEAR);
	cr_assert_eq(put(config, DVSEC + 0x10, 0x02, 2), 0, "no cache, no write-back");
	cr_assert_eq(put(config, SIM_CAP_PCIE + 8, 0x8000, 2), SIM_CONFIG_FUNCTION_RESET);
	cr_assert_eq(get(config, SIM_CAP_PCIE + 8, 2) & 0x8000, 0);
	cr_assert_eq(get(config, DVSEC + 0x10, 2) & 0x6, 0, "doorbells read 0");
}

Test(config, cache_capable)
{
	struct sim_options options;
	struct sim_config *config;

	sim_options_defaults(&options);
	options.cache_capable = true;
	config = make(&options);
	cr_assert_eq(get(config, DVSEC + 0x0a, 2) & 0x41, 0x41);
	cr_assert_eq(get(config, SIM_EXT_DVSEC_FLEXBUS + 0x0e, 2), 0x27);
	cr_assert_eq(put(config, DVSEC + 0x10, 0x02, 2), SIM_CONFIG_WRITE_BACK);
}

Test(config, memory_class)
{
	struct sim_options options;
	struct sim_config *config;
	uint32_t entry;

	sim_options_defaults(&options);
	options.class = SIM_CLASS_MEMORY;
	config = make(&options);
	cr_assert_eq(get(config, 8, 4) >> 8, 0x050210);
	entry = get(config, SIM_EXT_DVSEC_LOCATOR + 0x14, 4);
	cr_assert_eq(entry >> 8 & 0xff, 3);
	cr_assert_eq((int)(entry & 7), layout.device_regs_bar);
	cr_assert_eq(layout.window_size, 0);
}
