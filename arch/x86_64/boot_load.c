/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/x86_64/boot.h"

#include <asm/bootparam.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arch/x86_64/layout.h"
#include "core/fd.h"

#define SETUP_HEADER_AT 0x1f1u

#define cleanup_fd __attribute__((cleanup(fd_close)))

/* pread(2) until all is there: 0, -ENODATA when the file ends early, or -errno. */
static int read_all(int fd, void *buffer, uint64_t length, uint64_t offset)
{
	uint8_t *bytes = buffer;

	while (length) {
		ssize_t got = pread(fd, bytes, length, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			return -ENODATA;
		bytes += got;
		offset += (uint64_t)got;
		length -= (uint64_t)got;
	}
	return 0;
}

int boot_read(void *opaque, void *data, size_t length, uint64_t offset)
{
	const int *fd = opaque;

	return read_all(*fd, data, length, offset);
}

static int open_image(const char *what, const char *path, const struct logger *logger, int *fd,
		      uint64_t *bytes)
{
	struct stat status;

	/* A FIFO must be refused, not waited for. */
	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (*fd < 0) {
		int result = -errno;

		log_error(logger, what, "cannot open %s: %s; check the path and its permissions",
			  path, strerror(-result));
		return result;
	}
	if (fstat(*fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode)) {
		log_error(logger, what, "%s is not a regular file", path);
		return -EINVAL;
	}
	*bytes = (uint64_t)status.st_size;
	return 0;
}

static int refuse(const struct logger *logger, const char *path, const char *why)
{
	log_error(logger, "kernel", "%s cannot be booted: %s", path, why);
	return -ENOEXEC;
}

static int no_room(const struct logger *logger, const char *path, uint64_t end)
{
	log_error(logger, "kernel",
		  "%s needs guest RAM up to 0x%" PRIx64
		  "; give the machine more memory (at least %" PRIu64 " MiB)",
		  path, end, (end >> 20) + 1);
	return -ENOSPC;
}

static int copy_in(struct guest_memory *memory, int fd, const char *path, uint64_t gpa,
		   uint64_t offset, uint64_t bytes, const struct logger *logger)
{
	void *to;
	int result;

	if (!bytes)
		return 0;
	to = guest_memory_at(memory, gpa, bytes);
	if (!to)
		return no_room(logger, path, gpa + bytes);
	result = read_all(fd, to, bytes, offset);
	if (result == -ENODATA)
		return refuse(logger, path, "it became shorter while it was read");
	if (result)
		log_error(logger, "kernel", "cannot read %s: %s", path, strerror(-result));
	return result;
}

static int load_bzimage(struct guest_memory *memory, int fd, const char *path, const uint8_t *head,
			uint64_t file_size, const struct bzimage *image,
			const struct logger *logger, struct boot_kernel *kernel)
{
	(void)file_size;
	if (!guest_memory_at(memory, image->load_address, image->init_size))
		return no_room(logger, path, image->load_address + image->init_size);
	kernel->protocol = BOOT_LINUX_64;
	kernel->entry = image->load_address + 0x200; /* boot.rst: the 64-bit entry */
	kernel->end = image->load_address + image->init_size;
	kernel->initrd_max = image->initrd_max;
	kernel->cmdline_max = image->cmdline_max;
	kernel->setup_header_bytes = image->header_bytes;
	if (kernel->setup_header_bytes > sizeof(kernel->setup_header))
		kernel->setup_header_bytes = sizeof(kernel->setup_header);
	memcpy(kernel->setup_header, head + SETUP_HEADER_AT, kernel->setup_header_bytes);
	return copy_in(memory, fd, path, image->load_address, image->setup_bytes,
		       image->payload_bytes, logger);
}

static int load_pvh(struct guest_memory *memory, int fd, const char *path,
		    const struct pvh_image *image, const struct logger *logger,
		    struct boot_kernel *kernel)
{
	int result;

	for (uint32_t i = 0; i < image->segment_count; i++) {
		const struct pvh_segment *segment = &image->segments[i];

		if (!guest_memory_at(memory, segment->gpa, segment->memory_bytes))
			return no_room(logger, path, segment->gpa + segment->memory_bytes);
		/* Guest RAM is fresh and so zero beyond file_bytes. */
		result = copy_in(memory, fd, path, segment->gpa, segment->file_offset,
				 segment->file_bytes, logger);
		if (result)
			return result;
	}
	kernel->protocol = BOOT_PVH;
	kernel->entry = image->entry;
	kernel->end = image->end;
	kernel->initrd_max = UINT32_MAX;
	kernel->cmdline_max = BOOT_PVH_CMDLINE_MAX;
	return 0;
}

int boot_load_kernel(struct guest_memory *memory, const char *path, const struct logger *logger,
		     struct boot_kernel *kernel)
{
	cleanup_fd int fd = -1;
	uint8_t head[ARCH_KERNEL_HEAD];
	struct bzimage bzimage;
	struct pvh_image pvh;
	struct boot_file file = {.head = head, .read = boot_read, .opaque = &fd};
	uint64_t bytes;
	const char *why, *why_elf;
	size_t head_bytes;
	int result;

	memset(kernel, 0, sizeof(*kernel));
	result = open_image("kernel", path, logger, &fd, &bytes);
	if (result)
		return result;
	if (!bytes)
		return refuse(logger, path, "the file is empty");
	head_bytes = bytes < sizeof(head) ? (size_t)bytes : sizeof(head);
	result = read_all(fd, head, head_bytes, 0);
	if (result) {
		log_error(logger, "kernel", "cannot read %s: %s", path, strerror(-result));
		return result;
	}
	file.head_bytes = head_bytes;
	file.bytes = bytes;
	if (head_bytes >= BOOT_ELF_MAGIC_BYTES &&
	    !memcmp(head, BOOT_ELF_MAGIC, BOOT_ELF_MAGIC_BYTES)) {
		result = pvh_parse(&file, &pvh, &why_elf);
		if (result == -ENOEXEC)
			return refuse(logger, path, why_elf);
		if (result) {
			log_error(logger, "kernel", "cannot read %s: %s", path, strerror(-result));
			return result;
		}
		return load_pvh(memory, fd, path, &pvh, logger, kernel);
	}
	if (!bzimage_parse(head, head_bytes, bytes, &bzimage, &why))
		return load_bzimage(memory, fd, path, head, bytes, &bzimage, logger, kernel);
	if (!strcmp(why, "no bzImage header"))
		why = "it is neither a bzImage nor an ELF kernel; give a vmlinuz or a vmlinux with "
		      "a PVH entry";
	return refuse(logger, path, why);
}

int boot_load_initrd(struct guest_memory *memory, const char *path,
		     const struct boot_kernel *kernel, const struct logger *logger, uint64_t *gpa,
		     uint64_t *bytes)
{
	const struct guest_ram_block *blocks;
	size_t count;
	uint64_t top, start;
	cleanup_fd int fd = -1;
	int result;

	result = open_image("initramfs", path, logger, &fd, bytes);
	if (result)
		return result;
	if (!*bytes) {
		log_error(logger, "initramfs", "%s is empty", path);
		return -EINVAL;
	}
	/* The first block is the RAM below the hole: kernels without XLF_CAN_BE_LOADED_ABOVE_4G
	 * reach only that. */
	blocks = guest_memory_blocks(memory, &count);
	top = count ? blocks[0].gpa + blocks[0].size : 0;
	if (kernel->initrd_max < top - 1)
		top = (kernel->initrd_max + 1) & ~(X86_PAGE_SIZE - 1);
	if (*bytes > top || top - *bytes < kernel->end) {
		log_error(logger, "initramfs",
			  "%s (%" PRIu64 " MiB) does not fit between the kernel's end at %" PRIu64
			  " MiB and %" PRIu64 " MiB; give the machine more memory",
			  path, *bytes >> 20, kernel->end >> 20, top >> 20);
		return -ENOSPC;
	}
	start = (top - *bytes) & ~(X86_PAGE_SIZE - 1);
	if (start < kernel->end) {
		log_error(logger, "initramfs",
			  "%s does not fit above the kernel; give the machine more memory", path);
		return -ENOSPC;
	}
	result = read_all(fd, guest_memory_at(memory, start, *bytes), *bytes, 0);
	if (result) {
		log_error(logger, "initramfs", "cannot read %s: %s", path,
			  result == -ENODATA ? "it became shorter while it was read"
					     : strerror(-result));
		return result;
	}
	*gpa = start;
	return 0;
}
