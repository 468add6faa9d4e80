/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/bare.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY_SIZE (16u << 20)
#define START_INFO  0x7000u
#define CMDLINE     0x20000u
#define EXIT_PORT   0xf4u
#define CPUID_MAX   128u

struct bare {
	int kvm;
	int vm;
	int vcpu;
	uint8_t *memory;
	struct kvm_run *run;
	size_t run_size;
	uint32_t entry;
};

static int load(struct bare *bare, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf64_Ehdr header;

	if (fd < 0)
		return -errno;
	if (pread(fd, &header, sizeof(header), 0) != sizeof(header))
		goto bad;
	bare->entry = (uint32_t)header.e_entry;
	for (unsigned int i = 0; i < header.e_phnum; i++) {
		Elf64_Phdr program;

		if (pread(fd, &program, sizeof(program),
			  (off_t)(header.e_phoff + i * sizeof(program))) != sizeof(program))
			goto bad;
		if (program.p_type != PT_LOAD)
			continue;
		if (program.p_paddr > MEMORY_SIZE ||
		    program.p_filesz > MEMORY_SIZE - program.p_paddr ||
		    pread(fd, bare->memory + program.p_paddr, program.p_filesz,
			  (off_t)program.p_offset) != (ssize_t)program.p_filesz)
			goto bad;
	}
	close(fd);
	return 0;
bad:
	close(fd);
	return -ENOEXEC;
}

static void write_start_info(struct bare *bare, const char *cmdline)
{
	/* struct hvm_start_info: magic, version, ..., cmdline_paddr at 24. */
	uint32_t magic[2] = {0x336ec578, 1};
	uint64_t address = CMDLINE;

	memcpy(bare->memory + START_INFO, magic, sizeof(magic));
	memcpy(bare->memory + START_INFO + 24, &address, sizeof(address));
	strcpy((char *)bare->memory + CMDLINE, cmdline);
}

static int set_registers(const struct bare *bare)
{
	struct kvm_segment flat = {.limit = 0xffffffff,
				   .selector = 0x18,
				   .type = 3,
				   .present = 1,
				   .s = 1,
				   .g = 1,
				   .db = 1};
	struct kvm_regs regs = {.rip = bare->entry, .rflags = 2, .rbx = START_INFO};
	struct kvm_sregs sregs;

	if (ioctl(bare->vcpu, KVM_GET_SREGS, &sregs) < 0)
		return -errno;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat;
	flat.selector = 0x10;
	flat.type = 0xb;
	sregs.cs = flat;
	sregs.tr = (struct kvm_segment){.limit = 0x67, .type = 0xb, .present = 1};
	sregs.cr0 = 0x11;
	if (ioctl(bare->vcpu, KVM_SET_SREGS, &sregs) < 0 ||
	    ioctl(bare->vcpu, KVM_SET_REGS, &regs) < 0)
		return -errno;
	return 0;
}

static int set_cpuid(const struct bare *bare)
{
	struct kvm_cpuid2 *cpuid =
		calloc(1, sizeof(*cpuid) + CPUID_MAX * sizeof(cpuid->entries[0]));
	int result = 0;

	if (!cpuid)
		return -ENOMEM;
	cpuid->nent = CPUID_MAX;
	if (ioctl(bare->kvm, KVM_GET_SUPPORTED_CPUID, cpuid) < 0 ||
	    ioctl(bare->vcpu, KVM_SET_CPUID2, cpuid) < 0)
		result = -errno;
	free(cpuid);
	return result;
}

static int create(struct bare *bare)
{
	struct kvm_userspace_memory_region region = {.memory_size = MEMORY_SIZE};
	int size;

	bare->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (bare->kvm < 0)
		return -errno;
	bare->vm = ioctl(bare->kvm, KVM_CREATE_VM, 0);
	if (bare->vm < 0 || ioctl(bare->vm, KVM_SET_TSS_ADDR, 0xfeffd000ul) < 0 ||
	    ioctl(bare->vm, KVM_CREATE_IRQCHIP, 0) < 0)
		return -errno;
	bare->memory =
		mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bare->memory == MAP_FAILED)
		return -errno;
	region.userspace_addr = (uint64_t)(uintptr_t)bare->memory;
	if (ioctl(bare->vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return -errno;
	bare->vcpu = ioctl(bare->vm, KVM_CREATE_VCPU, 0);
	size = ioctl(bare->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (bare->vcpu < 0 || size < 0)
		return -errno;
	bare->run_size = (size_t)size;
	bare->run = mmap(NULL, bare->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, bare->vcpu, 0);
	return bare->run == MAP_FAILED ? -errno : 0;
}

/* The loop that is measured. */
static int run(struct bare *bare, uint32_t *code)
{
	struct kvm_run *exit = bare->run;

	for (;;) {
		if (ioctl(bare->vcpu, KVM_RUN, 0) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		switch (exit->exit_reason) {
		case KVM_EXIT_MMIO:
			if (!exit->mmio.is_write)
				memset(exit->mmio.data, 0, sizeof(exit->mmio.data));
			break;
		case KVM_EXIT_IO:
			if (exit->io.direction == KVM_EXIT_IO_OUT && exit->io.port == EXIT_PORT) {
				memcpy(code, (uint8_t *)exit + exit->io.data_offset, sizeof(*code));
				return 0;
			}
			break;
		default:
			return -EIO;
		}
	}
}

int bare_run(const char *guest, const char *cmdline, uint32_t *code)
{
	struct bare bare = {
		.kvm = -1, .vm = -1, .vcpu = -1, .memory = MAP_FAILED, .run = MAP_FAILED};
	int result = create(&bare);

	if (result == 0)
		result = load(&bare, guest);
	if (result == 0) {
		write_start_info(&bare, cmdline);
		result = set_cpuid(&bare);
	}
	if (result == 0)
		result = set_registers(&bare);
	if (result == 0)
		result = run(&bare, code);
	if (bare.run != MAP_FAILED)
		munmap(bare.run, bare.run_size);
	if (bare.vcpu >= 0)
		close(bare.vcpu);
	if (bare.vm >= 0)
		close(bare.vm);
	if (bare.kvm >= 0)
		close(bare.kvm);
	if (bare.memory != MAP_FAILED)
		munmap(bare.memory, MEMORY_SIZE);
	return result;
}
