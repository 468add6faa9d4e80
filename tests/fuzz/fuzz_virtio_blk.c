/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disk requests of a hostile driver, on a disk in memory. Checked besides memory errors: the disk
 * keeps its size, and the sector that no request may reach (a read-only second disk) its contents.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include "devices/virtio/blk.h"
#include "tests/fuzz/virtio_fuzz.h"

#define DISK 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct disk {
	struct guest guest;
	struct virtio_device *device;
	int fd; /* a second descriptor for the checks */
};

static void make(struct disk *disk, bool readonly)
{
	struct virtio_blk_options options = {
		.path = "memory", .readonly = readonly, .no_io_uring = true, .no_lock = true};
	char byte = 'x';

	guest_init(&disk->guest, true);
	options.environment = guest_environment(&disk->guest, NULL);
	options.fd = memfd_create("disk", MFD_CLOEXEC);
	disk->fd = dup(options.fd);
	if (ftruncate(options.fd, DISK) || pwrite(options.fd, &byte, 1, 0) != 1 ||
	    virtio_blk_create(&options, &disk->device))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct disk disks[2];
	static bool ready;
	struct fuzz_input input = {data, size};
	struct disk *disk;
	struct stat info;
	char byte;

	if (!ready) {
		make(&disks[0], false);
		make(&disks[1], true);
		ready = true;
	}
	disk = &disks[fuzz_byte(&input) & 1];
	fuzz_start(&disk->guest, disk->device);
	fuzz_ring(&disk->guest, 0, &input);
	disk->device->ops->queue_notify(disk->device, 0);
	disk->device->ops->pause(disk->device);
	disk->device->ops->resume(disk->device);
	guest_stop(&disk->guest);
	if (fstat(disk->fd, &info) || info.st_size != DISK)
		abort();
	if (disk == &disks[1] && (pread(disk->fd, &byte, 1, 0) != 1 || byte != 'x'))
		abort();
	return 0;
}
