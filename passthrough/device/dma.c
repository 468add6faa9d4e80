/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
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
	uint64_t needed = 0, limit;

	if (!device->transport->ops->pins_ram || !memory_lock_is_limited(&limit))
		return 0;
	for (size_t i = 0; i < count; i++)
		needed += blocks[i].size;
	if (needed <= limit)
		return 0;
	log_error(device->environment.logger, device->id,
		  "VFIO locks all guest RAM in memory: %llu MiB for this device, but the limit is "
		  "%llu MiB. Raise it (ulimit -l %llu, LimitMEMLOCK= in systemd) or give "
		  "CAP_IPC_LOCK",
		  (unsigned long long)(needed >> 20), (unsigned long long)(limit >> 20),
		  (unsigned long long)(needed >> 10));
	return -ENOMEM;
}

int passthrough_map_ram(struct passthrough_device *device)
{
	size_t count = 0;
	const struct guest_ram_block *blocks =
		guest_memory_blocks(device->environment.memory, &count);
	int refused = check_memory_lock(device, blocks, count);

	if (refused)
		return refused;
	for (size_t i = 0; i < count; i++) {
		struct vfio_transport_dma dma = {
			.address = blocks[i].gpa,
			.size = blocks[i].size,
			.host = blocks[i].host,
			.fd = blocks[i].fd,
			.fd_offset = blocks[i].fd_offset,
		};
		int result = device->transport->ops->dma_map(device->transport, &dma);

		if (result) {
			log_error(
				device->environment.logger, device->id,
				"%#llx bytes of guest RAM at %#llx cannot be mapped for DMA: %s%s",
				(unsigned long long)dma.size, (unsigned long long)dma.address,
				strerror(-result),
				result == -ENOMEM ? " (raise the memory lock limit: ulimit -l)"
						  : "");
			return result;
		}
		device->dma_blocks = i + 1;
	}
	return 0;
}

void passthrough_unmap_ram(struct passthrough_device *device)
{
	size_t count = 0;
	const struct guest_ram_block *blocks;

	if (!device->dma_blocks)
		return;
	blocks = guest_memory_blocks(device->environment.memory, &count);
	for (size_t i = 0; i < device->dma_blocks && i < count; i++)
		device->transport->ops->dma_unmap(device->transport, blocks[i].gpa, blocks[i].size);
	device->dma_blocks = 0;
}

bool passthrough_dma_map_memory(struct passthrough_device *device, uint64_t gpa, uint64_t size,
				void *host, int fd, uint64_t fd_offset, const char *what)
{
	struct vfio_transport_dma dma = {
		.address = gpa,
		.size = size,
		.host = host,
		.fd = fd,
		.fd_offset = fd_offset,
		.device_memory = true,
	};
	int result = device->transport->ops->dma_map(device->transport, &dma);

	if (result)
		log_limited(device->environment.logger, &device->limit, LOG_LEVEL_WARNING,
			    device->id,
			    "%s at %#llx is not in the device's DMA map (%s): the guest can use "
			    "it, devices cannot",
			    what, (unsigned long long)gpa, strerror(-result));
	return !result;
}

void passthrough_dma_unmap_memory(struct passthrough_device *device, uint64_t gpa, uint64_t size)
{
	device->transport->ops->dma_unmap(device->transport, gpa, size);
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
