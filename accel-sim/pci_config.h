/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCEL_SIM_PCI_CONFIG_H
#define ACCEL_SIM_PCI_CONFIG_H

#include "accel-sim/layout.h"
#include "wire/cxl_regs.h"

/*
 * The 4 KiB configuration space of the device: bytes, which of their bits a write changes, and
 * which a write of 1 clears. The CXL device DVSEC has rules beyond masks; see sim_config_write().
 */

#define SIM_CONFIG_SIZE 4096u

/* Where the capabilities are */
#define SIM_CAP_PM            0x40u
#define SIM_CAP_MSI           0x50u
#define SIM_CAP_MSIX          0x70u
#define SIM_CAP_PCIE          0x80u
#define SIM_CAP_VENDOR        0xc0u
#define SIM_EXT_AER           0x100u
#define SIM_EXT_DVSEC_DEVICE  0x150u
#define SIM_EXT_DVSEC_LOCATOR 0x190u
#define SIM_EXT_DVSEC_GPF     0x1b4u
#define SIM_EXT_DVSEC_FLEXBUS 0x1c4u
#define SIM_EXT_DSN           0x1e4u

struct sim_config {
	uint8_t bytes[SIM_CONFIG_SIZE];
	uint8_t writable[SIM_CONFIG_SIZE];
	uint8_t clearable[SIM_CONFIG_SIZE]; /* RW1C */
	uint8_t reset[SIM_CONFIG_SIZE];     /* power-on values of what a reset restores */
	bool initial_lock;
};

/* What a write asked the device to do besides changing bytes */
enum sim_config_action {
	SIM_CONFIG_FUNCTION_RESET = 1 << 0,  /* PCIe 7.5.3.4 Initiate FLR */
	SIM_CONFIG_CXL_RESET = 1 << 1,       /* CXL 8.1.3.4 Initiate CXL Reset */
	SIM_CONFIG_CXL_RESET_CLEAR = 1 << 2, /* ... with CXL Reset Mem Clear Enable */
	SIM_CONFIG_WRITE_BACK = 1 << 3, /* CXL 8.1.3.4 Initiate Cache Write Back and Invalidation */
};

/* sim_config_init() - build the space. */
void sim_config_init(struct sim_config *config, const struct sim_options *options,
		     const struct sim_layout *layout);

/* sim_config_reset() - function-level or conventional reset: writable bits back to their start. */
void sim_config_reset(struct sim_config *config);

/* sim_config_read() - any byte range inside the space; -EINVAL outside. */
int sim_config_read(const struct sim_config *config, uint64_t offset, uint32_t size, void *data);

/*
 * sim_config_write() - any byte range inside the space, with the rules of the registers.
 * @actions: receives enum sim_config_action bits. Returns 0, or -EINVAL outside the space.
 */
int sim_config_write(struct sim_config *config, uint64_t offset, uint32_t size, const void *data,
		     uint32_t *actions);

/* sim_config_get16(), sim_config_set16() - a register by offset, for the device itself. */
uint16_t sim_config_get16(const struct sim_config *config, uint32_t offset);
void sim_config_set16(struct sim_config *config, uint32_t offset, uint16_t value);

#endif
