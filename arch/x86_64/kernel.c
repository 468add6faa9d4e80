/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel of arch/arch.h: a bzImage or a PVH ELF image, told apart by content. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "arch/x86_64/boot.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/layout.h"

static bool is_elf(const void *head, size_t length)
{
	return length >= BOOT_ELF_MAGIC_BYTES &&
	       !memcmp(head, BOOT_ELF_MAGIC, BOOT_ELF_MAGIC_BYTES);
}

int arch_check_kernel(int fd, uint64_t file_size, struct arch_kernel_needs *needs, const char **why)
{
	uint8_t head[ARCH_KERNEL_HEAD];
	size_t length = file_size < sizeof(head) ? (size_t)file_size : sizeof(head);
	struct bzimage bzimage = {0};
	struct pvh_image pvh = {0};
	int result = boot_read(&fd, head, length, 0);

	if (result)
		return result;
	if (is_elf(head, length)) {
		const struct boot_file file = {.head = head,
					       .head_bytes = length,
					       .bytes = file_size,
					       .read = boot_read,
					       .opaque = &fd};

		result = pvh_parse(&file, &pvh, why);
		*needs = (struct arch_kernel_needs){.ram_end = pvh.end,
						    .cmdline_max = BOOT_PVH_CMDLINE_MAX};
	} else {
		result = bzimage_parse(head, length, file_size, &bzimage, why);
		*needs = (struct arch_kernel_needs){
			.ram_end = bzimage.load_address + bzimage.init_size,
			.cmdline_max = bzimage.cmdline_max,
		};
	}
	if (needs->cmdline_max > X86_CMDLINE_MAX - 1)
		needs->cmdline_max = X86_CMDLINE_MAX - 1;
	return result;
}

int arch_kernel_load(struct arch_kernel **result, struct guest_memory *memory, const char *path,
		     const struct logger *logger)
{
	struct arch_kernel *kernel = calloc(1, sizeof(*kernel));
	int error;

	if (!kernel)
		return -ENOMEM;
	error = boot_load_kernel(memory, path, logger, &kernel->image);
	if (error) {
		arch_kernel_destroy(kernel);
		return error;
	}
	*result = kernel;
	return 0;
}

void arch_kernel_destroy(struct arch_kernel *kernel)
{
	free(kernel);
}

int arch_cpus_set_boot(const struct arch_cpus *cpus, int vcpu_fd, const struct arch_kernel *kernel)
{
	return cpu_setup_boot(cpus->vm, vcpu_fd, &kernel->image, cpus->logger);
}
