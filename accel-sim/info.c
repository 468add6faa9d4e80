/* SPDX-License-Identifier: Apache-2.0 */
#include "accel-sim/info.h"

#include <errno.h>
#include <linux/vfio.h>
#include <string.h>

#include "wire/vfio_cxl.h"
#include "wire/vfio_user.h"

#define SIM_CAP_ATOMIC_COMPLETER 5u /* VFIO_DEVICE_INFO_CAP_PCI_ATOMIC_COMP */

/* A capability chain behind an info struct */
struct sim_chain {
	uint8_t *out;
	uint32_t length; /* of everything, multiple of 8 */
	uint32_t last;   /* offset of the last header, 0: none */
};

static void sim_info_put(uint8_t *out, uint32_t offset, uint64_t value, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		out[offset + i] = (uint8_t)(value >> (8 * i));
}

/* Append a capability of `size` bytes and link it; returns its offset. */
static uint32_t sim_chain_add(struct sim_chain *chain, uint32_t id, uint32_t size)
{
	uint32_t at = chain->length;

	sim_info_put(chain->out, at, id, 2);
	sim_info_put(chain->out, at + 2, 1, 2);
	if (chain->last)
		sim_info_put(chain->out, chain->last + 4, at, 4);
	chain->last = at;
	chain->length = at + ((size + 7) & ~7u);
	return at;
}

static void sim_info_cxl_v2(struct sim_chain *chain, const struct sim_options *options,
			    const struct sim_layout *layout)
{
	uint32_t size = options->broken & SIM_BROKEN_CAP_SIZE ? 40 : VFIO_CXL_V2_SIZE;
	uint32_t at = sim_chain_add(chain, VFIO_CXL_CAP_ID, size);
	uint32_t flags = 0;
	bool low = options->broken & SIM_BROKEN_CAP_INDEX;
	uint64_t offset = layout->component_offset;

	if (options->firmware_committed)
		flags |= VFIO_CXL_V2_FLAG_FIRMWARE_COMMITTED;
	if (options->cache_capable)
		flags |= VFIO_CXL_V2_FLAG_CACHE_CAPABLE;
	if (options->broken & SIM_BROKEN_BLOCK_OUTSIDE)
		offset = options->component_size;
	sim_info_put(chain->out, at + VFIO_CXL_V2_BAR_INDEX, layout->component_bar, 1);
	sim_info_put(chain->out, at + VFIO_CXL_V2_FLAGS, flags, 4);
	sim_info_put(chain->out, at + VFIO_CXL_V2_HDM_REGS_OFFSET, offset + SIM_CACHEMEM_OFFSET, 8);
	sim_info_put(chain->out, at + VFIO_CXL_V2_DPA_REGION_INDEX, low ? 2 : layout->memory_region,
		     4);
	sim_info_put(chain->out, at + VFIO_CXL_V2_COMP_REGS_REGION_INDEX,
		     low ? 3 : layout->comp_regs_region, 4);
}

static void sim_info_cxl_v3(struct sim_chain *chain, const struct sim_options *options,
			    const struct sim_layout *layout)
{
	uint32_t size = options->broken & SIM_BROKEN_CAP_SIZE ? 40 : VFIO_CXL_V3_SIZE;
	uint32_t at = sim_chain_add(chain, VFIO_CXL_CAP_ID, size);
	bool low = options->broken & SIM_BROKEN_CAP_INDEX;
	uint64_t offset = layout->component_offset;

	if (options->broken & SIM_BROKEN_BLOCK_OUTSIDE)
		offset = options->component_size;
	sim_info_put(chain->out, at + VFIO_CXL_V3_FLAGS, options->firmware_committed, 4);
	sim_info_put(chain->out, at + VFIO_CXL_V3_HDM_REGION_INDEX, low ? 2 : layout->memory_region,
		     4);
	sim_info_put(chain->out, at + VFIO_CXL_V3_COMP_REG_REGION_INDEX,
		     low ? 3 : layout->comp_regs_region, 4);
	sim_info_put(chain->out, at + VFIO_CXL_V3_COMP_REG_BAR, layout->component_bar, 4);
	sim_info_put(chain->out, at + VFIO_CXL_V3_COMP_REG_OFFSET, offset, 8);
	if (size == VFIO_CXL_V3_SIZE)
		sim_info_put(chain->out, at + VFIO_CXL_V3_COMP_REG_SIZE, SIM_COMPONENT_SIZE, 8);
}

static void sim_info_device_caps(struct sim_chain *chain, const struct sim_options *options,
				 const struct sim_layout *layout)
{
	unsigned int times = options->broken & SIM_BROKEN_CAP_TWICE ? 2 : 1;

	for (unsigned int i = 0; i < times; i++) {
		if (options->contract == SIM_CONTRACT_V2)
			sim_info_cxl_v2(chain, options, layout);
		else if (options->contract == SIM_CONTRACT_V3)
			sim_info_cxl_v3(chain, options, layout);
	}
	/* A second, harmless capability behind it, as the kernel has for some devices: 12 bytes. */
	if (options->contract != SIM_CONTRACT_NONE)
		sim_chain_add(chain, SIM_CAP_ATOMIC_COMPLETER, 12);
	if (options->broken & SIM_BROKEN_CAP_LOOP)
		sim_info_put(chain->out, chain->last + 4, chain->last, 4);
	if (options->broken & SIM_BROKEN_CAP_OUTSIDE)
		sim_info_put(chain->out, chain->last + 4, 0x10000, 4);
}

int sim_info_device(const struct sim_options *options, const struct sim_layout *layout,
		    uint32_t argsz, uint8_t *out)
{
	struct sim_chain chain = {.out = out, .length = sizeof(struct vfio_user_device_info)};
	uint32_t flags = VFIO_CXL_DEVICE_FLAG_RESET | VFIO_CXL_DEVICE_FLAG_PCI;
	uint32_t total;

	if (argsz < VFIO_USER_DEVICE_INFO_MIN_SIZE)
		return -EINVAL;
	memset(out, 0, SIM_INFO_MAX);
	if (options->contract != SIM_CONTRACT_NONE)
		flags |= VFIO_CXL_DEVICE_FLAG_CXL;
	sim_info_device_caps(&chain, options, layout);
	total = chain.length;
	if (chain.last)
		flags |= VFIO_CXL_DEVICE_FLAG_CAPS;
	sim_info_put(out, 0, total, 4);
	sim_info_put(out, 4, flags, 4);
	sim_info_put(out, 8,
		     options->broken & SIM_BROKEN_REGION_COUNT ? UINT32_MAX : layout->num_regions,
		     4);
	sim_info_put(out, 12, VFIO_CXL_PCI_NUM_IRQS, 4);
	if (argsz < sizeof(struct vfio_user_device_info)) {
		/* A client that knows the specification's 16 bytes only. */
		if (!chain.last)
			sim_info_put(out, 0, VFIO_USER_DEVICE_INFO_MIN_SIZE, 4);
		return VFIO_USER_DEVICE_INFO_MIN_SIZE;
	}
	if (argsz < total)
		return sizeof(struct vfio_user_device_info);
	if (chain.last)
		sim_info_put(out, 16, sizeof(struct vfio_user_device_info), 4);
	return (int)total;
}

static void sim_info_type(struct sim_chain *chain, uint32_t subtype)
{
	uint32_t at = sim_chain_add(chain, VFIO_CXL_REGION_CAP_TYPE, 16);

	sim_info_put(chain->out, at + 8, VFIO_CXL_REGION_TYPE, 4);
	sim_info_put(chain->out, at + 12, subtype, 4);
}

static void sim_info_sparse(struct sim_chain *chain, const struct sim_options *options,
			    const struct sim_layout *layout)
{
	uint32_t at =
		sim_chain_add(chain, VFIO_CXL_REGION_CAP_SPARSE_MMAP, 16 + 16 * layout->area_count);
	uint32_t count = options->broken & SIM_BROKEN_MANY_AREAS ? 0x10000000u : layout->area_count;

	sim_info_put(chain->out, at + 8, count, 4);
	for (uint32_t i = 0; i < layout->area_count; i++) {
		sim_info_put(chain->out, at + 16 + 16 * i, layout->areas[i].offset, 8);
		sim_info_put(chain->out, at + 24 + 16 * i, layout->areas[i].size, 8);
	}
}

int sim_info_region(const struct sim_options *options, const struct sim_layout *layout,
		    uint32_t argsz, uint32_t index, uint8_t *out, bool *with_fd)
{
	const uint32_t rw = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	struct sim_chain chain = {.out = out, .length = sizeof(struct vfio_user_region_info)};
	uint64_t size = 0, offset = 0;
	uint32_t flags = 0;

	*with_fd = false;
	if (argsz < sizeof(struct vfio_user_region_info) || index >= layout->num_regions)
		return -EINVAL;
	memset(out, 0, SIM_INFO_MAX);
	if (index < SIM_BAR_COUNT) {
		size = layout->bars[index].size;
		flags = size ? rw : 0;
		if (layout->bars[index].mappable)
			flags |= VFIO_REGION_INFO_FLAG_MMAP;
		if (index == layout->component_bar && layout->bars[index].mappable)
			sim_info_sparse(&chain, options, layout);
	} else if (index == SIM_REGION_CONFIG) {
		size = 4096;
		flags = rw;
	} else if (index >= SIM_FIRST_DEVICE_REGION && index == layout->memory_region) {
		size = options->broken & SIM_BROKEN_MEMORY_SIZE ? 0 : layout->memory_size;
		offset = options->dpa_offset;
		flags = rw | (options->map_windows ? VFIO_REGION_INFO_FLAG_MMAP : 0);
		sim_info_type(&chain, VFIO_CXL_REGION_SUBTYPE_MEMORY);
	} else if (index >= SIM_FIRST_DEVICE_REGION) {
		size = layout->comp_regs_size;
		flags = rw;
		sim_info_type(&chain, VFIO_CXL_REGION_SUBTYPE_COMP_REGS);
	}
	*with_fd = (flags & VFIO_REGION_INFO_FLAG_MMAP) && !(options->broken & SIM_BROKEN_NO_FD);
	if (chain.last)
		flags |= VFIO_REGION_INFO_FLAG_CAPS;
	if (options->broken & SIM_BROKEN_REGION_OFFSET)
		offset = UINT64_MAX - 0xfff;
	sim_info_put(out, 0, chain.length, 4);
	sim_info_put(out, 4, flags, 4);
	sim_info_put(out, 8, index, 4);
	sim_info_put(out, 16, size, 8);
	sim_info_put(out, 24, offset, 8);
	/* Also when the chain does not fit: QEMU refuses FLAG_CAPS with an offset of 0. */
	if (chain.last)
		sim_info_put(out, 12, sizeof(struct vfio_user_region_info), 4);
	if (argsz < chain.length)
		return sizeof(struct vfio_user_region_info);
	return (int)chain.length;
}
