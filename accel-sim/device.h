/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCEL_SIM_DEVICE_H
#define ACCEL_SIM_DEVICE_H

#include "accel-sim/comp_regs.h"
#include "accel-sim/component_block.h"
#include "accel-sim/dma_map.h"
#include "accel-sim/engine.h"
#include "accel-sim/interrupts.h"
#include "accel-sim/memory_device.h"
#include "accel-sim/pci_config.h"
#include "accel-sim/layout.h"

/*
 * The device: its memory, its registers, its engine. Everything here but the engine is used by the
 * server thread only.
 */

#define SIM_MAX_REGIONS 11u

struct sim_counters {
	uint64_t reads[SIM_MAX_REGIONS]; /* region accesses by message */
	uint64_t writes[SIM_MAX_REGIONS];
	uint64_t resets;
	uint64_t failed_resets;
	uint64_t cxl_resets;
	uint64_t write_backs;
};

struct sim_device {
	struct sim_options options;
	struct sim_layout layout;
	struct sim_config config;
	struct sim_component_block component;
	struct sim_comp_regs comp_regs;
	struct sim_memory_device memory_device;
	struct sim_irqs irqs;
	struct sim_dma_map dma;
	struct sim_engine engine;
	bool engine_running;
	uint8_t *bar_memory[SIM_BAR_COUNT]; /* NULL: no plain memory behind that BAR */
	int bar_fd[SIM_BAR_COUNT];
	uint8_t *dpa;
	int dpa_fd;
	struct sim_counters counters;
	/* faults */
	bool link_down;
	uint64_t fail_resets; /* how many of the next resets fail */
	bool reset_clears_decoders;
};

/*
 * sim_device_create() - make the device of completed options.
 * @remote: how DMA ranges without an fd are reached; may be NULL.
 * Returns 0 or -errno; on failure `message` says what could not be had.
 */
int sim_device_create(struct sim_device *device, const struct sim_options *options,
		      const struct sim_dma_remote *remote, char *message, size_t message_size);

/* sim_device_destroy() - stop and free; works on a half-made device. */
void sim_device_destroy(struct sim_device *device);

/* sim_device_attach() - a client finished its negotiation: as an open of the VFIO device. */
void sim_device_attach(struct sim_device *device);

/* sim_device_detach() - the client is gone: its DMA ranges and eventfds go, device state stays. */
void sim_device_detach(struct sim_device *device);

/* sim_device_reset() - VFIO_USER_DEVICE_RESET, an FLR. 0, or -EIO while resets are made to fail. */
int sim_device_reset(struct sim_device *device);

/*
 * sim_device_read(), sim_device_write() - region access by message.
 * Return the bytes done (fewer than asked where the contract says so), -EINVAL (no such region,
 * outside, width) or -EIO (memory not committed).
 */
int sim_device_read(struct sim_device *device, uint32_t region, uint64_t offset, uint32_t size,
		    void *data);
int sim_device_write(struct sim_device *device, uint32_t region, uint64_t offset, uint32_t size,
		     const void *data);

/* sim_device_region_size() - size of a region, 0 for none. */
uint64_t sim_device_region_size(const struct sim_device *device, uint32_t region);

/* sim_device_link() - surprise link down (everything reads all ones, error interrupt), or up again.
 */
void sim_device_link(struct sim_device *device, bool down);

#endif
