/* SPDX-License-Identifier: Apache-2.0 */
/* PCIe errors: the eventfd of contract 83, and the device after the kernel's recovery. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/driver/uapi_device.h"

#define PATTERN          0x2b3c4d5e6f708192ULL
#define POISONED_TLP     0x1000u /* PCIe 7.8.4.2: non-fatal by default */
#define DATA_LINK        0x10u   /* fatal by default */
#define RECOVERY_TIMEOUT 20000   /* ms */

/* What the kernel's aer_inject takes. */
struct injection {
	uint8_t bus, device, function, reserved;
	uint32_t uncorrectable, correctable;
	uint32_t header_log[4];
	uint32_t domain;
};

static int inject(struct uapi_device *device, uint32_t uncorrectable)
{
	struct injection injection = {.uncorrectable = uncorrectable};
	unsigned int domain, bus, slot, function;
	ssize_t written;
	int fd;

	if (sscanf(device->bdf, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
		return -1;
	injection.domain = domain;
	injection.bus = (uint8_t)bus;
	injection.device = (uint8_t)slot;
	injection.function = (uint8_t)function;
	fd = open("/dev/aer_inject", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	written = write(fd, &injection, sizeof(injection));
	close(fd);
	return written == sizeof(injection) ? 0 : -1;
}

static int watch_errors(struct uapi_device *device)
{
	struct {
		struct vfio_irq_set set;
		int32_t fd;
	} request = {
		.set = {.argsz = sizeof(request),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = VFIO_PCI_ERR_IRQ_INDEX,
			.count = 1},
		.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};

	return ioctl(device->fd, VFIO_DEVICE_SET_IRQS, &request) ? -1 : request.fd;
}

/* How often it was signalled, after at least one signal or the timeout. */
static uint64_t signals(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	uint64_t count = 0;

	if (poll(&wait, 1, RECOVERY_TIMEOUT) != 1 ||
	    read(fd, &count, sizeof(count)) != sizeof(count))
		return 0;
	return count;
}

/* Until the memory can be touched again; the number of SIGBUS before. */
static int wait_usable(volatile uint64_t *map, uint64_t *value, unsigned int *gated)
{
	*gated = 0;
	for (int waited = 0; waited < RECOVERY_TIMEOUT; waited += 10) {
		if (uapi_load(map, value))
			return 0;
		++*gated;
		usleep(10000);
	}
	return -1;
}

int uapi_errors(struct uapi_device *device)
{
	volatile uint64_t *map =
		uapi_map(device, device->memory_index, 0, device->memory.info.size);
	int fd = watch_errors(device);
	uint32_t before = 0, after = ~0u;
	uint64_t window, value = 0, count;
	unsigned int gated;
	int usable, reset;

	/* The first dword of the BAR that is not the component block's. */
	window = device->component.info.offset + (device->block ? 0 : UAPI_BLOCK_SIZE);
	if (!map || fd < 0 || !uapi_store(map, PATTERN) ||
	    pread(device->fd, &before, 4, (off_t)window) != 4)
		return 1;
	uapi_check(device, "e1 a non-fatal error is injected", inject(device, POISONED_TLP) == 0,
		   "%s", strerror(errno));
	count = signals(fd);
	uapi_check(device, "s83a its eventfd was signalled once", count == 1, "%lu times", count);
	/* The gate is closed until the recovery is over: another function of the bus may want a
	 * reset. */
	usable = wait_usable(map, &value, &gated);
	uapi_check(device, "e2 the memory is usable again and as it was",
		   usable == 0 && value == PATTERN, usable ? "SIGBUS %#lx" : "read %#lx", value);

	/* What a guest has set, which must not survive a reset. */
	uapi_set_register(device, device->hdm + 0x20, 0);
	uapi_set_register(device, device->hdm + 0x20, 0);
	uapi_set_register(device, device->hdm + 0x14, 0x77);
	uapi_check(device, "e3 a fatal error is injected", inject(device, DATA_LINK) == 0, "%s",
		   strerror(errno));
	count = signals(fd);
	uapi_check(device, "s83b its eventfd was signalled once", count == 1, "%lu times", count);
	usable = wait_usable(map, &value, &gated);
	uapi_check(device, "e4 the mapping works again after the recovery",
		   usable == 0 && value == PATTERN, usable ? "SIGBUS %#lx" : "read %#lx", value);
	uapi_check(device, "e5 the registers are fresh",
		   (uapi_register(device, device->hdm + 0x20) & 0x400) &&
			   uapi_register(device, device->hdm + 0x14) == 0,
		   "control %#x", uapi_register(device, device->hdm + 0x20));
	uapi_check(device, "e6 the BAR answers",
		   pread(device->fd, &after, 4, (off_t)window) == 4 && after == before &&
			   after != ~0u,
		   "read %#x, before the error %#x", after, before);
	reset = uapi_reset(device) ? errno : 0;
	uapi_check(device, "e7 a reset works afterwards", reset == 0, "%s", strerror(reset));
	value = 0;
	uapi_check(device, "e8 and leaves the memory", uapi_load(map, &value) && value == PATTERN,
		   "read %#lx", value);
	uapi_check(device, "s83c the eventfds stay silent",
		   read(fd, &count, sizeof(count)) == -1 && errno == EAGAIN, "%lu more", count);
	printf("NOTE %s: %u SIGBUS until the memory was usable after the fatal error\n",
	       device->prefix, gated);
	munmap((void *)map, device->memory.info.size);
	close(fd);
	return 0;
}
