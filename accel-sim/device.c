/* SPDX-License-Identifier: Apache-2.0 */
#include "accel-sim/device.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "accel-sim/fd.h"
#include "accel-sim/guarded_memory.h"

/* A memfd that neither side can resize: a client that truncates it would fault the other. */
static int sim_device_memfd(const char *name, uint64_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int result;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;
	result = -errno;
	close(fd);
	return result;
}

static int sim_device_map(int fd, uint64_t offset, uint64_t size, uint8_t **memory)
{
	void *mapping = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
			     (off_t)offset);

	if (mapping == MAP_FAILED)
		return -errno;
	*memory = mapping;
	return 0;
}

static int sim_device_create_dpa(struct sim_device *device, char *message, size_t message_size)
{
	const struct sim_options *options = &device->options;
	struct stat status;
	int result;

	if (options->dpa_path) {
		device->dpa_fd = open(options->dpa_path, O_RDWR | O_CLOEXEC);
		if (device->dpa_fd < 0 || fstat(device->dpa_fd, &status) != 0) {
			result = -errno;
			snprintf(message, message_size, "--dpa-file %s: cannot open: %s",
				 options->dpa_path, strerror(-result));
			return result;
		}
		if (S_ISREG(status.st_mode) &&
		    (options->dpa_offset > (uint64_t)status.st_size ||
		     options->dpa_size > (uint64_t)status.st_size - options->dpa_offset)) {
			snprintf(message, message_size,
				 "--dpa-file %s: has %lld bytes, offset and --dpa need %" PRIu64,
				 options->dpa_path, (long long)status.st_size,
				 options->dpa_offset + options->dpa_size);
			return -EINVAL;
		}
	} else {
		device->dpa_fd = sim_device_memfd("cxvm-accel-dpa", options->dpa_size);
		if (device->dpa_fd < 0) {
			snprintf(message, message_size, "device memory of %" PRIu64 " bytes: %s",
				 options->dpa_size, strerror(-device->dpa_fd));
			return device->dpa_fd;
		}
	}
	result = sim_device_map(device->dpa_fd, options->dpa_offset, options->dpa_size,
				&device->dpa);
	if (result)
		snprintf(message, message_size, "device memory: cannot map: %s", strerror(-result));
	return result;
}

/* Engine's view of memory */
static int sim_device_check(void *opaque, uint8_t space, uint64_t address, uint64_t size,
			    bool write)
{
	struct sim_device *device = opaque;

	if (space == CXVM_ACCEL_SPACE_DMA)
		return sim_dma_check(&device->dma, address, size, write);
	if (address > device->options.dpa_size || size > device->options.dpa_size - address)
		return -EFAULT;
	return 0;
}

static int sim_device_access(void *opaque, uint8_t space, uint64_t address, void *data,
			     uint32_t size, bool write)
{
	struct sim_device *device = opaque;
	uint8_t *memory;
	int result;

	if (space == CXVM_ACCEL_SPACE_DMA)
		return sim_dma_access(&device->dma, address, data, size, write);
	result = sim_device_check(opaque, space, address, size, write);
	if (result)
		return result;
	memory = device->dpa + address;
	return sim_guarded_copy(write ? memory : data, write ? data : memory, size);
}

static bool sim_device_cancelled(void *opaque)
{
	struct sim_device *device = opaque;

	return atomic_load(&device->engine.cancel);
}

static int sim_device_create_bars(struct sim_device *device)
{
	for (unsigned int bar = 0; bar < SIM_BAR_COUNT; bar++) {
		uint64_t size = device->layout.bars[bar].size;
		int result;

		if (size == 0)
			continue;
		device->bar_fd[bar] = sim_device_memfd("cxvm-accel-bar", size);
		if (device->bar_fd[bar] < 0)
			return device->bar_fd[bar];
		result = sim_device_map(device->bar_fd[bar], 0, size, &device->bar_memory[bar]);
		if (result)
			return result;
	}
	return 0;
}

int sim_device_create(struct sim_device *device, const struct sim_options *options,
		      const struct sim_dma_remote *remote, char *message, size_t message_size)
{
	const struct sim_layout *layout = &device->layout;
	bool memory_class = options->class == SIM_CLASS_MEMORY;
	int result;

	memset(device, 0, sizeof(*device));
	device->options = *options;
	device->dpa_fd = -1;
	for (unsigned int bar = 0; bar < SIM_BAR_COUNT; bar++)
		device->bar_fd[bar] = -1;
	sim_layout_plan(&device->layout, options);
	sim_config_init(&device->config, options, layout);
	sim_component_init(&device->component, options->decoders, options->dpa_size, memory_class);
	if (options->broken & SIM_BROKEN_HDM_COUNT)
		device->component.hdm_capability_override = 0xf;
	if (options->firmware_committed)
		sim_hdm_firmware_commit(&device->component.hdm, options->firmware_base);
	sim_comp_regs_init(&device->comp_regs, options, layout);
	sim_comp_regs_snapshot(&device->comp_regs, &device->component);
	sim_memory_device_init(&device->memory_device, options);

	result = sim_dma_init(&device->dma, remote);
	if (!result)
		result = sim_irqs_init(
			&device->irqs,
			1u << (sim_config_get16(&device->config, SIM_CAP_MSI + 2) >> 1 & 7),
			options->vectors);
	if (result) {
		snprintf(message, message_size, "interrupt tables: %s", strerror(-result));
		return result;
	}
	result = sim_device_create_dpa(device, message, message_size);
	if (result)
		return result;
	result = sim_device_create_bars(device);
	if (!result && layout->window_size != 0) {
		const struct sim_engine_memory memory = {.check = sim_device_check,
							 .access = sim_device_access,
							 .cancelled = sim_device_cancelled,
							 .opaque = device};

		result = sim_engine_start(&device->engine,
					  device->bar_memory[layout->window_bar] +
						  layout->window_offset,
					  options->queues, options->vectors, options->dpa_size,
					  &memory, &device->irqs);
		device->engine_running = result == 0;
	}
	if (result)
		snprintf(message, message_size, "register windows: %s", strerror(-result));
	return result;
}

void sim_device_destroy(struct sim_device *device)
{
	if (device->engine_running)
		sim_engine_stop(&device->engine);
	device->engine_running = false;
	for (unsigned int bar = 0; bar < SIM_BAR_COUNT; bar++) {
		if (device->bar_memory[bar])
			munmap(device->bar_memory[bar], device->layout.bars[bar].size);
		sim_fd_close(&device->bar_fd[bar]);
	}
	if (device->dpa)
		munmap(device->dpa, device->options.dpa_size);
	sim_fd_close(&device->dpa_fd);
	sim_irqs_destroy(&device->irqs);
	sim_dma_destroy(&device->dma);
}

static void sim_device_pause(struct sim_device *device)
{
	if (device->engine_running)
		sim_engine_pause(&device->engine);
}

static void sim_device_resume(struct sim_device *device)
{
	if (device->engine_running)
		sim_engine_resume(&device->engine);
}

void sim_device_attach(struct sim_device *device)
{
	/* v2 copies the registers again at open, v3 only at bind (contract 3.7). */
	if (device->options.origin == SIM_ORIGIN_CACHEMEM)
		sim_comp_regs_snapshot(&device->comp_regs, &device->component);
	if (device->engine_running && !device->link_down)
		sim_engine_watch(&device->engine, true);
}

void sim_device_detach(struct sim_device *device)
{
	if (device->engine_running)
		sim_engine_watch(&device->engine, false);
	sim_device_pause(device);
	sim_dma_clear(&device->dma);
	sim_irqs_detach_all(&device->irqs);
	sim_device_resume(device);
}

/* What every kind of reset does to the registers; the engine is paused. */
static void sim_device_reset_state(struct sim_device *device, bool decoders)
{
	sim_config_reset(&device->config);
	sim_component_reset_ras(&device->component);
	if (decoders)
		sim_hdm_reset(&device->component.hdm);
	sim_memory_device_reset(&device->memory_device);
	if (device->engine_running)
		sim_engine_reset(&device->engine);
	sim_irqs_reset(&device->irqs);
	/* v2 re-reads the hardware after a reset; v3 keeps its stale copy (contract 3.7). */
	if (device->options.origin == SIM_ORIGIN_CACHEMEM)
		sim_comp_regs_snapshot(&device->comp_regs, &device->component);
}

int sim_device_reset(struct sim_device *device)
{
	if (device->fail_resets > 0) {
		device->fail_resets--;
		device->counters.failed_resets++;
		return -EIO;
	}
	sim_device_pause(device);
	/* CXL 9.6: an FLR leaves CXL.mem alone, so decoders and memory survive it. */
	sim_device_reset_state(device, device->reset_clears_decoders);
	device->counters.resets++;
	sim_device_resume(device);
	return 0;
}

/* CXL 9.7: CXL reset, which does lose the decoders; synthesised at once instead of within 10 ms */
static void sim_device_cxl_reset(struct sim_device *device, bool clear)
{
	const uint32_t status2 = SIM_EXT_DVSEC_DEVICE + CXL_DEVICE_STATUS2;
	bool failed = false;

	sim_device_pause(device);
	sim_device_reset_state(device, true);
	if (clear &&
	    fallocate(device->dpa_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      (off_t)device->options.dpa_offset, (off_t)device->options.dpa_size) != 0)
		failed = true;
	/* bit 1 complete, bit 2 error */
	sim_config_set16(
		&device->config, status2,
		(uint16_t)((sim_config_get16(&device->config, status2) &
			    ~(CXL_DEVICE_STATUS2_RESET_COMPLETE | CXL_DEVICE_STATUS2_RESET_ERROR)) |
			   (failed ? CXL_DEVICE_STATUS2_RESET_ERROR
				   : CXL_DEVICE_STATUS2_RESET_COMPLETE)));
	device->counters.cxl_resets++;
	sim_device_resume(device);
}

void sim_device_link(struct sim_device *device, bool down)
{
	if (device->link_down == down)
		return;
	device->link_down = down;
	sim_device_pause(device);
	if (down) {
		for (unsigned int bar = 0; bar < SIM_BAR_COUNT; bar++) {
			/* Direct mappings see what the bus would give: all ones. */
			if (device->bar_memory[bar])
				memset(device->bar_memory[bar], 0xff,
				       device->layout.bars[bar].size);
		}
		if (device->engine_running)
			sim_engine_watch(&device->engine, false);
		sim_irqs_trigger(&device->irqs, SIM_IRQ_ERROR, 0);
	} else {
		for (unsigned int bar = 0; bar < SIM_BAR_COUNT; bar++) {
			if (device->bar_memory[bar])
				memset(device->bar_memory[bar], 0, device->layout.bars[bar].size);
		}
		sim_device_reset_state(device, true);
		if (device->engine_running)
			sim_engine_watch(&device->engine, true);
	}
	sim_device_resume(device);
}

uint64_t sim_device_region_size(const struct sim_device *device, uint32_t region)
{
	const struct sim_layout *layout = &device->layout;

	if (region < SIM_BAR_COUNT)
		return layout->bars[region].size;
	if (region == SIM_REGION_CONFIG)
		return SIM_CONFIG_SIZE;
	if (region < SIM_FIRST_DEVICE_REGION || region >= layout->num_regions)
		return 0;
	return region == layout->memory_region ? layout->memory_size : layout->comp_regs_size;
}

/* Plain BAR memory that client and engine use too: aligned words are moved in one piece. */
static void sim_device_load(void *to, const uint8_t *memory, uint64_t offset, uint32_t size)
{
	if (size == 4 && offset % 4 == 0) {
		uint32_t word = __atomic_load_n((const uint32_t *)(const void *)(memory + offset),
						__ATOMIC_ACQUIRE);

		memcpy(to, &word, 4);
	} else if (size == 8 && offset % 8 == 0) {
		uint64_t word = __atomic_load_n((const uint64_t *)(const void *)(memory + offset),
						__ATOMIC_ACQUIRE);

		memcpy(to, &word, 8);
	} else {
		memcpy(to, memory + offset, size);
	}
}

static void sim_device_store(uint8_t *memory, const void *from, uint64_t offset, uint32_t size)
{
	if (size == 4 && offset % 4 == 0) {
		uint32_t word;

		memcpy(&word, from, 4);
		__atomic_store_n((uint32_t *)(void *)(memory + offset), word, __ATOMIC_RELEASE);
	} else if (size == 8 && offset % 8 == 0) {
		uint64_t word;

		memcpy(&word, from, 8);
		__atomic_store_n((uint64_t *)(void *)(memory + offset), word, __ATOMIC_RELEASE);
	} else {
		memcpy(memory + offset, from, size);
	}
}

static bool sim_device_in_block(const struct sim_device *device, uint32_t bar, uint64_t offset,
				uint32_t size)
{
	uint64_t start = device->layout.component_offset;

	return bar == device->layout.component_bar && offset < start + SIM_COMPONENT_SIZE &&
	       offset + size > start;
}

static bool sim_device_in_pba(const struct sim_device *device, uint32_t bar, uint64_t offset)
{
	return bar == device->layout.msix_bar && offset >= device->layout.msix_pba_offset;
}

static int sim_device_read_bar(struct sim_device *device, uint32_t bar, uint64_t offset,
			       uint32_t size, void *data)
{
	if (sim_device_in_block(device, bar, offset, size)) {
		/* v3 refuses the fixed-BAR path to the block (contract 2.4, gap 5) */
		if (device->options.contract == SIM_CONTRACT_V3 ||
		    offset < device->layout.component_offset)
			return -EINVAL;
		return sim_component_read(&device->component,
					  offset - device->layout.component_offset, size, data);
	}
	if ((int)bar == device->layout.device_regs_bar)
		return sim_memory_device_read(&device->memory_device, offset, size, data);
	if (sim_device_in_pba(device, bar, offset)) {
		for (uint32_t i = 0; i < size; i++) {
			uint64_t at = offset + i - device->layout.msix_pba_offset;
			uint32_t bits =
				at / 4 <= 64 ? sim_irqs_pending(&device->irqs, (uint32_t)(at / 4))
					     : 0;

			((uint8_t *)data)[i] = (uint8_t)(bits >> (at % 4 * 8));
		}
		return 0;
	}
	sim_device_load(data, device->bar_memory[bar], offset, size);
	return 0;
}

static int sim_device_write_bar(struct sim_device *device, uint32_t bar, uint64_t offset,
				uint32_t size, const void *data)
{
	const struct sim_layout *layout = &device->layout;

	if (sim_device_in_block(device, bar, offset, size)) {
		if (device->options.contract == SIM_CONTRACT_V3 ||
		    offset < layout->component_offset)
			return -EINVAL;
		return sim_component_write(&device->component, offset - layout->component_offset,
					   size, data);
	}
	if ((int)bar == layout->device_regs_bar)
		return sim_memory_device_write(&device->memory_device, offset, size, data);
	if (sim_device_in_pba(device, bar, offset))
		return 0; /* PCIe 7.7.2.3: software should never write the PBA */
	sim_device_store(device->bar_memory[bar], data, offset, size);
	if (device->engine_running && bar == layout->window_bar)
		sim_engine_kick(&device->engine);
	return 0;
}

static int sim_device_memory(struct sim_device *device, uint64_t offset, uint32_t size, void *data,
			     const void *source)
{
	/* v2 and later gate the fd path while no decoder is committed (contract 2.6); v3 does not.
	 */
	if (device->options.contract != SIM_CONTRACT_V3 &&
	    !sim_comp_regs_committed(&device->comp_regs, &device->component))
		return -EIO;
	return source ? sim_guarded_copy(device->dpa + offset, source, size)
		      : sim_guarded_copy(data, device->dpa + offset, size);
}

/* Size rules of a region that is not COMP_REGS: returns the bytes to do or -EINVAL. */
static int sim_device_bounds(const struct sim_device *device, uint32_t region, uint64_t offset,
			     uint32_t size)
{
	uint64_t room = sim_device_region_size(device, region);

	if (room == 0)
		return -EINVAL;
	if (offset <= room && size <= room - offset)
		return (int)size;
	/* v2 reads its memory region as a file: nothing past the end, a short count across it */
	if (region == device->layout.memory_region && region != 0 &&
	    device->options.contract == SIM_CONTRACT_V2)
		return offset >= room ? 0 : (int)(room - offset);
	return -EINVAL;
}

/* PCIe 7.5.1.1.4: Interrupt Status, bit 3 of the status register, shows the level as it is now. */
static int sim_device_read_config(struct sim_device *device, uint64_t offset, uint32_t size,
				  void *data)
{
	const uint32_t status = PCI_STATUS;
	uint16_t value =
		sim_config_get16(&device->config, status) & (uint16_t)~PCI_STATUS_INTERRUPT;

	if (sim_irqs_level(&device->irqs))
		value |= PCI_STATUS_INTERRUPT;
	sim_config_set16(&device->config, status, value);
	return sim_config_read(&device->config, offset, size, data);
}

int sim_device_read(struct sim_device *device, uint32_t region, uint64_t offset, uint32_t size,
		    void *data)
{
	const struct sim_layout *layout = &device->layout;
	bool comp_regs = region != 0 && region == layout->comp_regs_region;
	int result;

	if (region < SIM_MAX_REGIONS)
		device->counters.reads[region]++;
	if (comp_regs && !device->link_down)
		return sim_comp_regs_read(&device->comp_regs, &device->component, offset, size,
					  data);
	result = sim_device_bounds(device, region, offset, size);
	if (result <= 0)
		return result;
	size = (uint32_t)result;
	if (device->link_down)
		memset(data, 0xff, size);
	else if (region == SIM_REGION_CONFIG)
		result = sim_device_read_config(device, offset, size, data);
	else if (region < SIM_BAR_COUNT)
		result = sim_device_read_bar(device, region, offset, size, data);
	else
		result = sim_device_memory(device, offset, size, data, NULL);
	return result < 0 ? result : (int)size;
}

static void sim_device_config_actions(struct sim_device *device, uint32_t actions)
{
	const uint32_t status2 = SIM_EXT_DVSEC_DEVICE + CXL_DEVICE_STATUS2;

	if (actions & SIM_CONFIG_WRITE_BACK) {
		/* bit 0: the cache is invalid now; the simulated device has nothing to write back
		 */
		sim_config_set16(&device->config, status2,
				 (uint16_t)(sim_config_get16(&device->config, status2) |
					    CXL_DEVICE_STATUS2_CACHE_INVALID));
		device->counters.write_backs++;
	}
	if (actions & SIM_CONFIG_CXL_RESET)
		sim_device_cxl_reset(device, actions & SIM_CONFIG_CXL_RESET_CLEAR);
	else if (actions & SIM_CONFIG_FUNCTION_RESET)
		sim_device_reset(device);
}

int sim_device_write(struct sim_device *device, uint32_t region, uint64_t offset, uint32_t size,
		     const void *data)
{
	const struct sim_layout *layout = &device->layout;
	uint32_t actions = 0;
	int result;

	if (region < SIM_MAX_REGIONS)
		device->counters.writes[region]++;
	if (region != 0 && region == layout->comp_regs_region && !device->link_down)
		return sim_comp_regs_write(&device->comp_regs, &device->component, offset, size,
					   data);
	result = sim_device_bounds(device, region, offset, size);
	if (result <= 0 || device->link_down)
		return result;
	size = (uint32_t)result;
	if (region < SIM_BAR_COUNT) {
		result = sim_device_write_bar(device, region, offset, size, data);
	} else if (region == SIM_REGION_CONFIG) {
		result = sim_config_write(&device->config, offset, size, data, &actions);
		/* command register, Interrupt Disable */
		sim_irqs_disable_intx(&device->irqs,
				      sim_config_get16(&device->config, PCI_COMMAND) &
					      PCI_COMMAND_INTX_DISABLE);
		sim_device_config_actions(device, actions);
	} else {
		result = sim_device_memory(device, offset, size, NULL, data);
	}
	return result < 0 ? result : (int)size;
}
