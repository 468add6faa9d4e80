/* SPDX-License-Identifier: Apache-2.0 */
#include "accel-sim/pci_config.h"

#include <linux/pci_regs.h>
#include <errno.h>
#include <string.h>

#include <cxvm/accel.h>

static void sim_config_put8(struct sim_config *config, uint32_t offset, uint8_t value,
			    uint8_t writable)
{
	config->bytes[offset] = value;
	config->writable[offset] = writable;
}

static void sim_config_put16(struct sim_config *config, uint32_t offset, uint16_t value,
			     uint16_t writable)
{
	sim_config_put8(config, offset, (uint8_t)value, (uint8_t)writable);
	sim_config_put8(config, offset + 1, (uint8_t)(value >> 8), (uint8_t)(writable >> 8));
}

static void sim_config_put32(struct sim_config *config, uint32_t offset, uint32_t value,
			     uint32_t writable)
{
	sim_config_put16(config, offset, (uint16_t)value, (uint16_t)writable);
	sim_config_put16(config, offset + 2, (uint16_t)(value >> 16), (uint16_t)(writable >> 16));
}

static void sim_config_clearable16(struct sim_config *config, uint32_t offset, uint16_t bits)
{
	config->clearable[offset] = (uint8_t)bits;
	config->clearable[offset + 1] = (uint8_t)(bits >> 8);
}

uint16_t sim_config_get16(const struct sim_config *config, uint32_t offset)
{
	return (uint16_t)(config->bytes[offset] | config->bytes[offset + 1] << 8);
}

void sim_config_set16(struct sim_config *config, uint32_t offset, uint16_t value)
{
	config->bytes[offset] = (uint8_t)value;
	config->bytes[offset + 1] = (uint8_t)(value >> 8);
}

/* PCI 3.0 6.1 / PCIe 7.5.1: header type 0 */
static void sim_config_header(struct sim_config *config, const struct sim_options *options,
			      const struct sim_layout *layout)
{
	sim_config_put16(config, PCI_VENDOR_ID, options->vendor, 0);
	sim_config_put16(config, PCI_DEVICE_ID, options->device, 0);
	sim_config_put16(config, PCI_COMMAND, 0,
			 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
				 PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
	sim_config_put16(config, PCI_STATUS, PCI_STATUS_CAP_LIST, 0);
	sim_config_clearable16(config, PCI_STATUS,
			       PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT |
				       PCI_STATUS_REC_TARGET_ABORT | PCI_STATUS_REC_MASTER_ABORT |
				       PCI_STATUS_SIG_SYSTEM_ERROR | PCI_STATUS_DETECTED_PARITY);
	sim_config_put32(config, PCI_CLASS_REVISION, options->class_code << 8 | 1, 0);
	sim_config_put8(config, PCI_CACHE_LINE_SIZE, 0, 0xff);
	sim_config_put16(config, PCI_SUBSYSTEM_VENDOR_ID, options->vendor, 0);
	sim_config_put16(config, PCI_SUBSYSTEM_ID, options->device, 0);
	sim_config_put8(config, PCI_CAPABILITY_LIST, SIM_CAP_PM, 0);
	sim_config_put8(config, PCI_INTERRUPT_LINE, 0, 0xff);
	sim_config_put8(config, PCI_INTERRUPT_PIN, 1, 0); /* INTA# */
	for (uint32_t bar = 0; bar < SIM_BAR_COUNT; bar++) {
		const struct sim_bar *room = &layout->bars[bar];
		uint32_t at = PCI_BASE_ADDRESS_0 + 4 * bar;
		uint32_t type = (room->is_64bit ? 4u : 0u) | (room->prefetchable ? 8u : 0u);
		uint64_t mask = ~(room->size - 1);

		if (room->size == 0)
			continue;
		sim_config_put32(config, at, type, (uint32_t)mask & ~0xfu);
		if (room->is_64bit)
			sim_config_put32(config, at + 4, 0, (uint32_t)(mask >> 32));
	}
}

static void sim_config_capabilities(struct sim_config *config, const struct sim_options *options,
				    const struct sim_layout *layout)
{
	bool engine = layout->window_size != 0;
	unsigned int msi_log2 = 0;

	/* PCIe 7.5.2: power management, version 3; No_Soft_Reset */
	sim_config_put16(config, SIM_CAP_PM, 0x01 | SIM_CAP_MSI << 8, 0);
	sim_config_put16(config, SIM_CAP_PM + 2, 0x0003, 0);
	sim_config_put16(config, SIM_CAP_PM + 4, 0x0008, 0x0003);

	/* PCIe 7.7.1: MSI with 64-bit address */
	while (msi_log2 < 5 && (2u << msi_log2) <= options->vectors)
		msi_log2++;
	sim_config_put16(config, SIM_CAP_MSI, 0x05 | SIM_CAP_MSIX << 8, 0);
	sim_config_put16(config, SIM_CAP_MSI + 2, (uint16_t)(0x0080 | msi_log2 << 1), 0x0071);
	sim_config_put32(config, SIM_CAP_MSI + 4, 0, 0xfffffffc);
	sim_config_put32(config, SIM_CAP_MSI + 8, 0, 0xffffffff);
	sim_config_put16(config, SIM_CAP_MSI + 12, 0, 0xffff);

	/* PCIe 7.7.2: MSI-X */
	sim_config_put16(config, SIM_CAP_MSIX, 0x11 | SIM_CAP_PCIE << 8, 0);
	sim_config_put16(config, SIM_CAP_MSIX + 2, (uint16_t)(options->vectors - 1), 0xc000);
	sim_config_put32(config, SIM_CAP_MSIX + 4,
			 (uint32_t)layout->msix_table_offset | layout->msix_bar, 0);
	sim_config_put32(config, SIM_CAP_MSIX + 8,
			 (uint32_t)layout->msix_pba_offset | layout->msix_bar, 0);

	/* PCIe 7.5.3: endpoint, version 2, FLR, role-based errors, 256-byte payload, 32 GT/s x16 */
	sim_config_put16(config, SIM_CAP_PCIE,
			 (uint16_t)(0x10 | (engine ? SIM_CAP_VENDOR << 8 : 0)), 0);
	sim_config_put16(config, SIM_CAP_PCIE + 0x02, 0x0002, 0);
	sim_config_put32(config, SIM_CAP_PCIE + 0x04, 0x10008021, 0);
	sim_config_put16(config, SIM_CAP_PCIE + 0x08, 0x2810, 0x7fff);
	sim_config_clearable16(config, SIM_CAP_PCIE + 0x0a, 0x000f);
	sim_config_put32(config, SIM_CAP_PCIE + 0x0c, 0x00000105, 0);
	sim_config_put16(config, SIM_CAP_PCIE + 0x10, 0, 0x01fb);
	sim_config_put16(config, SIM_CAP_PCIE + 0x12, 0x0105, 0);
	sim_config_put32(config, SIM_CAP_PCIE + 0x24, 0x00000010, 0);
	sim_config_put16(config, SIM_CAP_PCIE + 0x28, 0, 0x001f);
	sim_config_put32(config, SIM_CAP_PCIE + 0x2c, 0x0000003e, 0);
	sim_config_put16(config, SIM_CAP_PCIE + 0x30, 0x0005, 0);

	if (!engine)
		return;
	/* PCIe 7.9.4: where the engine is (cxvm/accel.h) */
	sim_config_put8(config, SIM_CAP_VENDOR, CXVM_ACCEL_CAP_ID, 0);
	sim_config_put8(config, SIM_CAP_VENDOR + CXVM_ACCEL_CAP_LENGTH_BYTE, CXVM_ACCEL_CAP_LENGTH,
			0);
	sim_config_put8(config, SIM_CAP_VENDOR + CXVM_ACCEL_CAP_VERSION, 1, 0);
	sim_config_put32(config, SIM_CAP_VENDOR + CXVM_ACCEL_CAP_SIGNATURE, CXVM_ACCEL_SIGNATURE,
			 0);
	sim_config_put32(config, SIM_CAP_VENDOR + CXVM_ACCEL_CAP_BAR, layout->window_bar, 0);
	sim_config_put32(config, SIM_CAP_VENDOR + CXVM_ACCEL_CAP_OFFSET,
			 (uint32_t)layout->window_offset, 0);
	sim_config_put32(config, SIM_CAP_VENDOR + CXVM_ACCEL_CAP_SIZE,
			 (uint32_t)layout->window_size, 0);
	sim_config_put32(config, SIM_CAP_VENDOR + CXVM_ACCEL_CAP_SCRATCH,
			 CXVM_ACCEL_QUEUE_BASE(options->queues), 0);
}

/* Extended capability and DVSEC headers, PCIe 7.9.6 */
static void sim_config_dvsec(struct sim_config *config, uint32_t at, uint32_t next, uint32_t id,
			     uint32_t revision, uint32_t length)
{
	sim_config_put32(config, at, 0x0023u | 1u << 16 | next << 20, 0);
	sim_config_put32(config, at + 4, CXL_DVSEC_VENDOR | revision << 16 | length << 20, 0);
	sim_config_put16(config, at + 8, (uint16_t)id, 0);
}

/* CXL 8.1.3: what the device is, its memory range and the knobs of firmware and driver */
static void sim_config_device_dvsec(struct sim_config *config, const struct sim_options *options,
				    const struct sim_layout *layout)
{
	const uint32_t at = SIM_EXT_DVSEC_DEVICE;
	bool cache = options->cache_capable;
	uint64_t size = layout->memory_size;
	uint64_t base = options->firmware_committed ? options->firmware_base : 0;

	sim_config_dvsec(config, at, SIM_EXT_DVSEC_LOCATOR, CXL_DVSEC_DEVICE, 2, 0x3c);
	/* io, mem, HwInit mode, one HDM range, CXL reset within 10 ms with memory clear, viral */
	sim_config_put16(
		config, at + CXL_DEVICE_CAPABILITY,
		(uint16_t)(CXL_DEVICE_CAPABILITY_VIRAL | CXL_DEVICE_CAPABILITY_CLEAR |
			   CXL_DEVICE_CAPABILITY_RESET |
			   (cache ? CXL_DEVICE_CAPABILITY_CACHE | CXL_DEVICE_CAPABILITY_WRITE_BACK
				  : 0) |
			   CXL_DEVICE_CAPABILITY_HDM_COUNT(1) | CXL_DEVICE_CAPABILITY_MEM_HWINIT |
			   CXL_DEVICE_CAPABILITY_MEM | CXL_DEVICE_CAPABILITY_IO),
		0);
	sim_config_put16(config, at + CXL_DEVICE_CONTROL,
			 (uint16_t)(CXL_DEVICE_CONTROL_IO |
				    (options->firmware_committed ? CXL_DEVICE_CONTROL_MEM : 0)),
			 CXL_DEVICE_CONTROL_VIRAL | CXL_DEVICE_CONTROL_MEM |
				 (cache ? CXL_DEVICE_CONTROL_SNOOP | CXL_DEVICE_CONTROL_CACHE : 0));
	sim_config_clearable16(config, at + CXL_DEVICE_STATUS, CXL_DEVICE_STATUS_VIRAL);
	/* Initiate bits are doorbells and handled in sim_config_write(); Cap3 bit 3 is not offered.
	 */
	sim_config_put16(config, at + CXL_DEVICE_CONTROL2, 0,
			 CXL_DEVICE_CONTROL2_CLEAR_ENABLE |
				 (cache ? CXL_DEVICE_CONTROL2_DISABLE_CACHING : 0));
	sim_config_put16(config, at + CXL_DEVICE_LOCK, options->config_lock,
			 CXL_DEVICE_LOCK_CONFIG);
	/* cache size unit 64 KiB, 16 units */
	sim_config_put16(config, at + CXL_DEVICE_CAPABILITY2, cache ? 0x1001 : 0, 0);
	sim_config_put32(config, at + CXL_DEVICE_RANGE1, (uint32_t)(size >> 32), 0);
	/* valid, active, volatile memory */
	sim_config_put32(config, at + CXL_DEVICE_RANGE1 + CXL_RANGE_SIZE_LOW,
			 (uint32_t)size | CXL_RANGE_SIZE_VALID, 0);
	sim_config_put32(config, at + CXL_DEVICE_RANGE1 + CXL_RANGE_BASE_HIGH,
			 (uint32_t)(base >> 32), 0xffffffff);
	sim_config_put32(config, at + CXL_DEVICE_RANGE1 + CXL_RANGE_BASE_LOW, (uint32_t)base,
			 CXL_RANGE_LOW_MASK);
	sim_config_put32(config, at + CXL_DEVICE_RANGE2 + CXL_RANGE_BASE_HIGH, 0, 0xffffffff);
	sim_config_put32(config, at + CXL_DEVICE_RANGE2 + CXL_RANGE_BASE_LOW, 0,
			 CXL_RANGE_LOW_MASK);
	config->initial_lock = options->config_lock;
}

static void sim_config_extended(struct sim_config *config, const struct sim_options *options,
				const struct sim_layout *layout)
{
	uint16_t protocols = (uint16_t)(CXL_FLEX_BUS_68B_VH | CXL_FLEX_BUS_MEM | CXL_FLEX_BUS_IO |
					(options->cache_capable ? CXL_FLEX_BUS_CACHE : 0));
	uint64_t offset = layout->component_offset;
	uint32_t at;

	/* PCIe 7.8.4: advanced error reporting */
	at = SIM_EXT_AER;
	sim_config_put32(config, at, 0x0001u | 2u << 16 | SIM_EXT_DVSEC_DEVICE << 20, 0);
	sim_config_clearable16(config, at + 0x04, 0xf030);
	sim_config_clearable16(config, at + 0x06, 0x07ff);
	sim_config_put32(config, at + 0x08, 0x00400000, 0x07fff030);
	sim_config_put32(config, at + 0x0c, 0x00462030, 0x07fff030);
	sim_config_clearable16(config, at + 0x10, 0xf1c1);
	sim_config_put32(config, at + 0x14, 0x0000e000, 0x0000f1c1);
	sim_config_put32(config, at + 0x18, 0x000000a0, 0x00000140);

	sim_config_device_dvsec(config, options, layout);

	/* CXL 8.1.9: register locator, three entries of which the unused ones are empty */
	at = SIM_EXT_DVSEC_LOCATOR;
	sim_config_dvsec(config, at, SIM_EXT_DVSEC_GPF, CXL_DVSEC_REGISTER_LOCATOR, 0,
			 CXL_LOCATOR_FIRST + 3 * CXL_LOCATOR_ENTRY);
	if (options->broken & SIM_BROKEN_BLOCK_OUTSIDE)
		offset = options->component_size;
	sim_config_put32(
		config, at + CXL_LOCATOR_FIRST,
		CXL_LOCATOR_LOW(layout->component_bar, CXL_REGISTER_BLOCK_COMPONENT, offset), 0);
	sim_config_put32(config, at + CXL_LOCATOR_FIRST + 4, (uint32_t)(offset >> 32), 0);
	if (layout->device_regs_bar >= 0)
		sim_config_put32(
			config, at + CXL_LOCATOR_FIRST + CXL_LOCATOR_ENTRY,
			CXL_LOCATOR_LOW(layout->device_regs_bar, CXL_REGISTER_BLOCK_DEVICE, 0), 0);

	/* CXL 8.1.7: GPF, phase 2 takes 1 us at no power */
	at = SIM_EXT_DVSEC_GPF;
	sim_config_dvsec(config, at, SIM_EXT_DVSEC_FLEXBUS, CXL_DVSEC_GPF_DEVICE, 0, 0x10);
	sim_config_put16(config, at + CXL_GPF_DEVICE_PHASE_2, 0x0001, 0);

	/* CXL 8.1.8: flex bus, io and mem (and cache), 68-byte flits */
	at = SIM_EXT_DVSEC_FLEXBUS;
	sim_config_dvsec(config, at, SIM_EXT_DSN, CXL_DVSEC_FLEX_BUS, 2, 0x20);
	sim_config_put16(config, at + CXL_FLEX_BUS_CAPABILITY, protocols, 0);
	sim_config_put16(config, at + CXL_FLEX_BUS_CONTROL, protocols, 0);
	sim_config_put16(config, at + CXL_FLEX_BUS_STATUS, protocols, 0);

	/* PCIe 7.9.3: device serial number */
	at = SIM_EXT_DSN;
	sim_config_put32(config, at, 0x0003u | 1u << 16, 0);
	sim_config_put32(config, at + 4, (uint32_t)options->serial, 0);
	sim_config_put32(config, at + 8, (uint32_t)(options->serial >> 32), 0);
}

void sim_config_init(struct sim_config *config, const struct sim_options *options,
		     const struct sim_layout *layout)
{
	memset(config, 0, sizeof(*config));
	sim_config_header(config, options, layout);
	sim_config_capabilities(config, options, layout);
	sim_config_extended(config, options, layout);
	memcpy(config->reset, config->bytes, sizeof(config->reset));
}

void sim_config_reset(struct sim_config *config)
{
	/*
	 * CXL.mem survives a function-level reset (CXL 9.6): Mem_Enable and the ranges of the
	 * device DVSEC keep what they have; only CONFIG_LOCK starts again.
	 */
	for (uint32_t i = 0; i < SIM_CONFIG_SIZE; i++) {
		bool dvsec = i >= SIM_EXT_DVSEC_DEVICE + CXL_DEVICE_CAPABILITY &&
			     i < SIM_EXT_DVSEC_DEVICE + 0x3c;

		if (!dvsec)
			config->bytes[i] = config->reset[i];
	}
	sim_config_set16(config, SIM_EXT_DVSEC_DEVICE + CXL_DEVICE_LOCK, config->initial_lock);
}

int sim_config_read(const struct sim_config *config, uint64_t offset, uint32_t size, void *data)
{
	if (offset > SIM_CONFIG_SIZE || size > SIM_CONFIG_SIZE - offset)
		return -EINVAL;
	memcpy(data, config->bytes + offset, size);
	return 0;
}

/* CXL 8.1.3.7: with CONFIG_LOCK set, RWL registers ignore writes until a reset */
static bool sim_config_is_locked(const struct sim_config *config, uint32_t offset)
{
	uint32_t at = offset - SIM_EXT_DVSEC_DEVICE;

	if (!(config->bytes[SIM_EXT_DVSEC_DEVICE + CXL_DEVICE_LOCK] & 1) ||
	    offset < SIM_EXT_DVSEC_DEVICE)
		return false;
	return at == CXL_DEVICE_CONTROL || at == CXL_DEVICE_CONTROL + 1 ||
	       (at >= CXL_DEVICE_LOCK && at < CXL_DEVICE_LOCK + 2) ||
	       (at >= CXL_DEVICE_RANGE1 && at < CXL_DEVICE_CAPABILITY3);
}

static uint32_t sim_config_doorbells(struct sim_config *config, uint32_t offset, uint8_t value)
{
	const uint32_t control2 = SIM_EXT_DVSEC_DEVICE + CXL_DEVICE_CONTROL2;
	uint32_t actions = 0;

	if (offset == SIM_CAP_PCIE + 0x09 && (value & 0x80))
		actions |= SIM_CONFIG_FUNCTION_RESET;
	if (offset == control2) {
		if ((value & 0x02) &&
		    (config->bytes[SIM_EXT_DVSEC_DEVICE + CXL_DEVICE_CAPABILITY] & 0x40))
			actions |= SIM_CONFIG_WRITE_BACK;
		if (value & 0x04)
			actions |= SIM_CONFIG_CXL_RESET |
				   (value & 0x08 ? SIM_CONFIG_CXL_RESET_CLEAR : 0);
	}
	return actions;
}

int sim_config_write(struct sim_config *config, uint64_t offset, uint32_t size, const void *data,
		     uint32_t *actions)
{
	const uint8_t *value = data;

	*actions = 0;
	if (offset > SIM_CONFIG_SIZE || size > SIM_CONFIG_SIZE - offset)
		return -EINVAL;
	for (uint32_t i = 0; i < size; i++) {
		uint32_t at = (uint32_t)offset + i;
		uint8_t writable = config->writable[at];

		*actions |= sim_config_doorbells(config, at, value[i]);
		if (sim_config_is_locked(config, at))
			continue;
		config->bytes[at] =
			(uint8_t)((config->bytes[at] & ~writable) | (value[i] & writable));
		config->bytes[at] &= (uint8_t) ~(value[i] & config->clearable[at]);
	}
	return 0;
}
