/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/fd.h"
#include "devices/virtio/blk_internal.h"

#define PROBE_BLOCK  4096u
#define LOCK_RETRIES 50u

static const struct timespec lock_pause = {.tv_nsec = 5000000}; /* 50 of them: 250 ms */

static const char *open_advice(int error, bool readonly)
{
	switch (error) {
	case ENOENT:
		return "; create the image or correct the path";
	case EACCES:
	case EPERM:
		return readonly ? "; allow this user to read it"
				: "; allow this user to write it, or say readonly=on";
	case EROFS:
		return "; it lies on a read-only file system: say readonly=on";
	case EINVAL:
		return "; the file system may not support O_DIRECT: say direct=off";
	default:
		return "";
	}
}

static int take_lock(struct blk_image *image, const struct logger *logger, const char *name)
{
	struct flock lock = {
		.l_type = image->readonly ? F_RDLCK : F_WRLCK,
		.l_whence = SEEK_SET,
	};
	int result;

	/* The kernel drops the lock of a process that was killed only when it has dropped its ring,
	 * some 20 ms after the process is gone. */
	for (unsigned int i = 0;; i++) {
		if (fcntl(image->fd, F_OFD_SETLK, &lock) == 0) {
			image->locked = true;
			return 0;
		}
		result = errno;
		if ((result != EAGAIN && result != EACCES) || i == LOCK_RETRIES)
			break;
		nanosleep(&lock_pause, NULL);
	}
	if (result == EAGAIN || result == EACCES) {
		log_error(logger, name,
			  "disk %s: lock: another process uses it%s; stop that one, or give both "
			  "readonly=on",
			  image->path, image->readonly ? " for writing" : "");
		return -EBUSY;
	}
	log_error(logger, name, "disk %s: lock: %s", image->path, strerror(result));
	return -result;
}

/* The smallest transfer that O_DIRECT takes here: asked from the kernel by trying. */
static int probe_direct(struct blk_image *image, const struct logger *logger, const char *name)
{
	void *buffer;
	ssize_t n;

	if (posix_memalign(&buffer, PROBE_BLOCK, PROBE_BLOCK))
		return -ENOMEM;
	for (image->block_size = BLK_SECTOR; image->block_size <= PROBE_BLOCK;
	     image->block_size *= 2) {
		n = pread(image->fd, buffer, image->block_size, 0);
		if (n >= 0 || errno != EINVAL)
			break;
	}
	free(buffer);
	if (image->block_size > PROBE_BLOCK) {
		log_error(logger, name,
			  "disk %s: O_DIRECT: no block size up to %u works here; say direct=off",
			  image->path, PROBE_BLOCK);
		return -EINVAL;
	}
	return 0;
}

static int read_geometry(struct blk_image *image, const struct logger *logger, const char *name)
{
	struct stat info;
	int result;

	if (fstat(image->fd, &info)) {
		result = -errno;
		log_error(logger, name, "disk %s: fstat: %s", image->path, strerror(-result));
		return result;
	}
	image->block_size = BLK_SECTOR;
	image->physical_block_size = PROBE_BLOCK;
	if (S_ISBLK(info.st_mode)) {
		int logical = 0;
		unsigned int physical = 0;

		image->block_device = true;
		if (ioctl(image->fd, BLKGETSIZE64, &image->size) ||
		    ioctl(image->fd, BLKSSZGET, &logical) ||
		    ioctl(image->fd, BLKPBSZGET, &physical)) {
			result = -errno;
			log_error(logger, name, "disk %s: size of the block device: %s",
				  image->path, strerror(-result));
			return result;
		}
		if (logical >= (int)BLK_SECTOR && logical <= 65536)
			image->block_size = (uint32_t)logical;
		if (physical >= image->block_size && physical <= 65536)
			image->physical_block_size = physical;
		else
			image->physical_block_size = image->block_size;
	} else if (S_ISREG(info.st_mode)) {
		image->size = (uint64_t)info.st_size;
		if (image->direct) {
			result = probe_direct(image, logger, name);
			if (result)
				return result;
		}
	} else {
		log_error(logger, name,
			  "disk %s: is a %s; a raw image file or a block device is needed",
			  image->path, S_ISDIR(info.st_mode) ? "directory" : "special file");
		return S_ISDIR(info.st_mode) ? -EISDIR : -EINVAL;
	}
	if (image->size == 0 || image->size % image->block_size) {
		log_error(logger, name,
			  "disk %s: its size, %" PRIu64
			  " bytes, is %s; enlarge it with truncate -s",
			  image->path, image->size,
			  image->size == 0 ? "not a disk's"
			  : image->block_size == BLK_SECTOR
				  ? "no multiple of 512"
				  : "no multiple of the block size that O_DIRECT needs here");
		return -EINVAL;
	}
	return 0;
}

/* The first bytes of formats that are not raw, from their specifications. */
static const struct {
	const char *name;
	size_t offset, length;
	const char *magic;
} formats[] = {
	{"qcow2", 0, 4, "QFI\xfb"},
	{"QED", 0, 4, "QED\0"},
	{"VMDK", 0, 4, "KDMV"},
	{"VMDK", 0, 4, "COWD"},
	{"VMDK", 0, 21, "# Disk DescriptorFile"},
	{"VHDX", 0, 8, "vhdxfile"},
	{"VHD", 0, 8, "conectix"},
	{"VDI", 0x40, 4, "\x7f\x10\xda\xbe"},
};

const char *virtio_blk_foreign_format(int fd, uint32_t block_size)
{
	size_t bytes = block_size > PROBE_BLOCK ? block_size : PROBE_BLOCK;
	const char *found = NULL;
	void *buffer;
	ssize_t got;

	if (posix_memalign(&buffer, bytes, bytes))
		return NULL;
	/* What cannot be read is the guest's I/O error later. */
	got = pread(fd, buffer, bytes, 0);
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]) && !found; i++)
		if (got >= (ssize_t)(formats[i].offset + formats[i].length) &&
		    !memcmp((char *)buffer + formats[i].offset, formats[i].magic,
			    formats[i].length))
			found = formats[i].name;
	free(buffer);
	return found;
}

/* A guest would take the headers of such an image for its first sectors. */
static int refuse_formats(const struct blk_image *image, const struct logger *logger,
			  const char *name)
{
	const char *found = virtio_blk_foreign_format(image->fd, image->block_size);

	if (!found)
		return 0;
	log_error(logger, name,
		  "disk %s: is a %s image; a raw one is needed: qemu-img convert -O raw makes it",
		  image->path, found);
	return -EINVAL;
}

int blk_image_open(struct blk_image *image, const struct virtio_blk_options *options,
		   const char *name)
{
	const struct logger *logger = options->environment.logger;
	int flags = O_CLOEXEC | (options->readonly ? O_RDONLY : O_RDWR) |
		    (options->direct ? O_DIRECT : 0);
	bool adopted = options->fd >= 0;
	int result;

	*image = (struct blk_image){
		.fd = -1,
		.readonly = options->readonly,
		.direct = options->direct,
	};
	if (!options->path && !adopted) {
		log_error(logger, name, "disk: neither a path nor an open file was given");
		return -EINVAL;
	}
	image->path = strdup(options->path ? options->path : "(open file)");
	if (!image->path)
		return -ENOMEM;
	if (adopted) {
		int now = fcntl(options->fd, F_GETFL);

		if (now < 0 || (!options->readonly && (now & O_ACCMODE) != O_RDWR)) {
			log_error(logger, name, "disk %s: the open file is not %s", image->path,
				  now < 0 ? "valid" : "writable; say readonly=on");
			result = -EINVAL;
			goto fail;
		}
		image->direct = now & O_DIRECT;
		image->fd = options->fd;
	} else {
		/* A FIFO must be refused, not waited for. */
		image->fd = open(image->path, flags | O_NONBLOCK);
		if (image->fd < 0) {
			result = -errno;
			log_error(logger, name, "disk %s: open%s: %s%s", image->path,
				  options->readonly ? "" : " for writing", strerror(-result),
				  open_advice(-result, options->readonly));
			goto fail;
		}
	}
	result = read_geometry(image, logger, name);
	/* io_uring gives EAGAIN for a file that does not block. */
	if (!result && !adopted && fcntl(image->fd, F_SETFL, flags & O_DIRECT))
		result = -errno;
	if (!result)
		result = refuse_formats(image, logger, name);
	if (!result && !options->no_lock)
		result = take_lock(image, logger, name);
	if (!result)
		return 0;
fail:
	if (adopted)
		image->fd = -1; /* stays the caller's when creation fails */
	blk_image_close(image);
	return result;
}

void blk_image_close(struct blk_image *image)
{
	struct flock unlock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

	/* A ring holds the file for a while after this process is gone, and the lock with it. */
	if (image->locked)
		fcntl(image->fd, F_OFD_SETLK, &unlock);
	image->locked = false;
	fd_close(&image->fd);
	free(image->path);
	image->path = NULL;
}
