/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host driver cxl-vfio-pci clears a device's memory between two users and answers EBUSY
 * meanwhile. That takes seconds, so whoever starts a machine right after another need not care.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "passthrough/vfio/internal.h"

#define CLEARING_PATIENCE_NS (UINT64_C(30) * CLOCK_NS_PER_SECOND)
#define CLEARING_STEP_NS     (50 * 1000 * 1000)

/* One line of a file of the device in sysfs; "" when there is none. */
static void clearing_read(struct vfio_kernel *kernel, const char *bdf, const char *file, char *text,
			  size_t size)
{
	const struct vfio_system *system = &kernel->system;
	char path[VFIO_KERNEL_PATH];
	ssize_t length = 0;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/cxl_vfio/%s", bdf, file);
	fd = vfio_system_open(system, path, O_RDONLY);
	if (fd >= 0) {
		length = system->ops->pread(system->opaque, fd, text, size - 1, 0);
		vfio_system_close(system, &fd);
	}
	text[length > 0 ? length : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

static bool clearing_goes_on(struct vfio_kernel *kernel, const char *bdf)
{
	char state[16];

	clearing_read(kernel, bdf, "scrub_state", state, sizeof(state));
	return !strcmp(state, "running") || !strcmp(state, "needed");
}

bool vfio_kernel_await_clearing(struct vfio_kernel *kernel, const char *bdf, uint64_t *since)
{
	const struct timespec step = {.tv_nsec = CLEARING_STEP_NS};
	uint64_t now = clock_now_ns();
	char progress[64];

	if (!bdf[0] || !clearing_goes_on(kernel, bdf))
		return false;
	if (!*since) {
		*since = now;
		log_info(kernel->options.logger, kernel->name,
			 "the host driver is clearing its memory of its last user's data; waiting");
	}
	if (now - *since < CLEARING_PATIENCE_NS) {
		nanosleep(&step, NULL);
		return true;
	}
	clearing_read(kernel, bdf, "scrub_progress", progress, sizeof(progress));
	log_error(
		kernel->options.logger, kernel->name,
		"the host driver is still clearing its memory of its last user's data (bytes done "
		"and in all: %s); start again when /sys/bus/pci/devices/%s/cxl_vfio/scrub_state "
		"says clean",
		progress, bdf);
	return false;
}

const char *vfio_kernel_open_hint(struct vfio_kernel *kernel, const char *bdf, int result)
{
	char state[16] = "";

	if (bdf[0])
		clearing_read(kernel, bdf, "scrub_state", state, sizeof(state));
	if (result == -EIO && !strcmp(state, "failed"))
		return " (the host driver could not clear its memory of its last user's data: see "
		       "the "
		       "kernel log, then write 1 to cxl_vfio/scrub in its sysfs folder)";
	if (result == -EBUSY && (!strcmp(state, "running") || !strcmp(state, "needed")))
		return " (its memory is being cleared of its last user's data)";
	return result == -EBUSY ? " (another process uses it)" : "";
}
