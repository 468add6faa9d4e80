/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "passthrough/device/internal.h"

/* Whether the limit on locked memory applies to this process at all. */
static bool memory_lock_is_limited(uint64_t *limit)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};
	struct rlimit value;

	if (getrlimit(RLIMIT_MEMLOCK, &value) || value.rlim_cur == RLIM_INFINITY)
		return false;
	*limit = value.rlim_cur;
	return syscall(SYS_capget, &header, data) ||
	       !(data[CAP_IPC_LOCK / 32].effective & 1u << (CAP_IPC_LOCK % 32));
}

/* VFIO locks all RAM of the guest: better said before the start than found out in the middle. */
static int check_memory_lock(struct passthrough_device *device,
			     const struct guest_ram_block *blocks, size_t count)
{
	uint64_t ram = 0, needed, limit;

	for (size_t i = 0; i < count; i++)
		ram += blocks[i].size;
	needed = address_space_ram_to_pin(device->transport->space, ram);
	if (!needed || !memory_lock_is_limited(&limit) || needed <= limit)
		return 0;
	log_error(device->environment.logger, device->id,
		  "VFIO locks all guest RAM in memory%s: %" PRIu64 " MiB, but the limit is %" PRIu64
		  " MiB. Raise "
		  "it (ulimit -l %" PRIu64 ", LimitMEMLOCK= in systemd) or give CAP_IPC_LOCK",
		  needed > ram ? ", once for each address space" : "", needed >> 20, limit >> 20,
		  needed >> 10);
	return -ENOMEM;
}

void passthrough_dma_facts(struct passthrough_device *device)
{
	device->facts.needs_shared_ram = device->transport->space->ops->needs_shared_ram;
	device->facts.dma_limit = address_space_limit(device->transport->space);
}

bool passthrough_dma_ends_with_reset(const struct passthrough_device *device)
{
	return device->transport->space->ops->reset_revokes_windows;
}

int passthrough_map_ram(struct passthrough_device *device)
{
	size_t count = 0, failed = 0;
	const struct guest_ram_block *blocks =
		guest_memory_blocks(device->environment.memory, &count);
	int result = check_memory_lock(device, blocks, count);

	if (result)
		return result;
	result = address_space_hold_ram(device->transport->space, blocks, count, &failed);
	if (result)
		log_error(device->environment.logger, device->id,
			  "0x%" PRIx64 " bytes of guest RAM at 0x%" PRIx64
			  " cannot be mapped for DMA: %s%s",
			  blocks[failed].size, blocks[failed].gpa, strerror(-result),
			  result == -ENOMEM ? " (raise the memory lock limit: ulimit -l)" : "");
	device->ram_held = !result;
	return result;
}

void passthrough_unmap_ram(struct passthrough_device *device)
{
	size_t count = 0;
	const struct guest_ram_block *blocks;

	if (!device->ram_held)
		return;
	device->ram_held = false;
	blocks = guest_memory_blocks(device->environment.memory, &count);
	address_space_drop_ram(device->transport->space, blocks, count);
}

bool passthrough_dma_map_memory(struct passthrough_device *device, uint64_t gpa, uint64_t size,
				void *host, int fd, uint64_t fd_offset, const char *what)
{
	const struct address_space_range range = {
		.address = gpa,
		.size = size,
		.host = host,
		.fd = fd,
		.fd_offset = fd_offset,
		.device_memory = true,
	};
	int result = address_space_map(device->transport->space, &range);

	if (result)
		log_limited(device->environment.logger, &device->limit, LOG_LEVEL_WARNING,
			    device->id,
			    "%s at 0x%" PRIx64
			    " is not in the device's DMA map (%s): the guest can use "
			    "it, devices cannot",
			    what, gpa, strerror(-result));
	return !result;
}

void passthrough_dma_unmap_memory(struct passthrough_device *device, uint64_t gpa, uint64_t size)
{
	address_space_unmap(device->transport->space, gpa, size);
}

/* A vfio-user server reads or writes guest RAM by message. Any thread. */
int passthrough_dma_access(void *opaque, uint64_t address, void *data, uint64_t length, bool write)
{
	struct passthrough_device *device = opaque;

	/* PCIe 7.5.1.1.3: without Bus Master Enable a function does not reach memory. */
	if (!device->environment.memory || !pci_bus_master(&device->pci))
		return -EFAULT;
	return write ? guest_memory_write(device->environment.memory, address, data, length)
		     : guest_memory_read(device->environment.memory, address, data, length);
}
