/* SPDX-License-Identifier: Apache-2.0 */
#include "core/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/fd.h"
#include "wire/iommufd.h"

/* A signal may interrupt KVM_CREATE_VM; more often than this is no accident. */
#define CREATE_VM_ATTEMPTS 5

static const struct {
	int extension;
	const char *name;
	const char *why;
} required_extensions[] = {
	{KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY", "guest memory"},
	{KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP", "the interrupt controllers"},
	{KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING", "MSI routes"},
	{KVM_CAP_IRQFD, "KVM_CAP_IRQFD", "interrupts from devices"},
	{KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD", "virtio queue notifications"},
	{KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT", "pausing vCPUs"},
};

static int system_ioctl(void *opaque, int fd, unsigned long request, void *argument)
{
	int result = ioctl(fd, request, argument);

	(void)opaque;
	return result < 0 ? -errno : result;
}

const struct kvm_ops kvm_system_ops = {
	.ioctl = system_ioctl,
};

/* KVM passes some arguments by value in the pointer. */
static void *argument_value(unsigned long value)
{
	return (void *)value;
}

static int kvm_device_ioctl(const struct kvm_vm *vm, unsigned long request, unsigned long value)
{
	return vm->ops->ioctl(vm->ops_opaque, vm->kvm_fd, request, argument_value(value));
}

int kvm_vm_ioctl(const struct kvm_vm *vm, unsigned long request, void *argument)
{
	return vm->ops->ioctl(vm->ops_opaque, vm->fd, request, argument);
}

int kvm_vm_check_extension(const struct kvm_vm *vm, int extension)
{
	int result =
		kvm_vm_ioctl(vm, KVM_CHECK_EXTENSION, argument_value((unsigned long)extension));

	return result < 0 ? 0 : result;
}

static int kvm_vm_check_version(const struct kvm_vm *vm)
{
	int version = kvm_device_ioctl(vm, KVM_GET_API_VERSION, 0);

	if (version < 0) {
		log_error(vm->logger, "kvm",
			  "KVM_GET_API_VERSION failed: %s; is the given file /dev/kvm?",
			  strerror(-version));
		return version;
	}
	if (version != KVM_API_VERSION) {
		log_error(vm->logger, "kvm",
			  "the kernel's KVM has API version %d, cxvm needs %d (Linux 2.6.22 or "
			  "newer)",
			  version, KVM_API_VERSION);
		return -ENOSYS;
	}
	return 0;
}

static int kvm_vm_create(struct kvm_vm *vm)
{
	int result = -EINTR;

	for (unsigned int i = 0; i < CREATE_VM_ATTEMPTS && result == -EINTR; i++)
		result = kvm_device_ioctl(vm, KVM_CREATE_VM, 0);
	if (result < 0) {
		log_error(vm->logger, "kvm", "KVM_CREATE_VM failed: %s", strerror(-result));
		return result;
	}
	vm->fd = result;
	return 0;
}

static int kvm_vm_check_capabilities(struct kvm_vm *vm)
{
	int missing = 0;
	int value;

	for (size_t i = 0; i < sizeof(required_extensions) / sizeof(required_extensions[0]); i++) {
		if (kvm_vm_check_extension(vm, required_extensions[i].extension) > 0)
			continue;
		log_error(vm->logger, "kvm",
			  "the kernel's KVM has no %s, which cxvm needs for %s: use a newer kernel",
			  required_extensions[i].name, required_extensions[i].why);
		missing++;
	}
	if (missing)
		return -ENOSYS;

	value = kvm_device_ioctl(vm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (value < (int)sizeof(struct kvm_run)) {
		log_error(vm->logger, "kvm", "KVM_GET_VCPU_MMAP_SIZE failed: %s",
			  value < 0 ? strerror(-value) : "smaller than struct kvm_run");
		return value < 0 ? value : -ENOSYS;
	}
	vm->vcpu_run_size = (size_t)value;

	/* Documented minima for kernels that do not know the extensions (KVM API 4.4). */
	value = kvm_vm_check_extension(vm, KVM_CAP_MAX_VCPUS);
	vm->max_vcpus = value > 0 ? (uint32_t)value : 4;
	value = kvm_vm_check_extension(vm, KVM_CAP_NR_MEMSLOTS);
	vm->max_memory_slots = value > 0 ? (uint32_t)value : 32;
	vm->has_irqfd_resample = kvm_vm_check_extension(vm, KVM_CAP_IRQFD_RESAMPLE) > 0;
	return 0;
}

int kvm_vm_open_with(struct kvm_vm *vm, int kvm_fd, const struct kvm_ops *ops, void *ops_opaque,
		     const struct logger *logger)
{
	int result;

	*vm = (struct kvm_vm){
		.ops = ops,
		.ops_opaque = ops_opaque,
		.logger = logger,
		.kvm_fd = kvm_fd,
		.fd = -1,
	};
	if (vm->kvm_fd < 0) {
		vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
		if (vm->kvm_fd < 0) {
			result = -errno;
			log_error(logger, "kvm", "cannot open /dev/kvm: %s; %s", strerror(-result),
				  result == -EACCES
					  ? "add the user to the group that owns it (kvm)"
					  : "load kvm_intel or kvm_amd and enable virtualisation");
			return result;
		}
	}
	result = kvm_vm_check_version(vm);
	if (result == 0)
		result = kvm_vm_create(vm);
	if (result == 0)
		result = kvm_vm_check_capabilities(vm);
	if (result != 0)
		kvm_vm_close(vm);
	return result;
}

int kvm_vm_open(struct kvm_vm *vm, int kvm_fd, const struct logger *logger)
{
	return kvm_vm_open_with(vm, kvm_fd, &kvm_system_ops, NULL, logger);
}

void kvm_vm_close(struct kvm_vm *vm)
{
	if (vm->vfio_fd > 0)
		fd_close(&vm->vfio_fd);
	vm->vfio_fd = 0;
	fd_close(&vm->fd);
	fd_close(&vm->kvm_fd);
}

int kvm_vm_vfio_file(struct kvm_vm *vm, int file, bool add)
{
	struct kvm_create_device create = {.type = KVM_DEV_TYPE_VFIO};
	int32_t number = file;
	struct kvm_device_attr attribute = {
		.group = KVM_VFIO_FILE,
		.attr = add ? KVM_VFIO_FILE_ADD : KVM_VFIO_FILE_DEL,
		.addr = (uint64_t)(uintptr_t)&number,
	};
	int result;

	if (vm->vfio_fd <= 0 && add) {
		result = kvm_vm_ioctl(vm, KVM_CREATE_DEVICE, &create);
		if (result < 0)
			return result;
		vm->vfio_fd = (int)create.fd;
	}
	if (vm->vfio_fd <= 0)
		return -ENODEV;
	result = vm->ops->ioctl(vm->ops_opaque, vm->vfio_fd, KVM_SET_DEVICE_ATTR, &attribute);
	return result < 0 ? result : 0;
}

int kvm_vm_ioeventfd(const struct kvm_vm *vm, int fd, uint64_t address, uint32_t length, bool pio,
		     const uint64_t *datamatch, bool assign)
{
	struct kvm_ioeventfd request = {
		.addr = address,
		.len = length,
		.fd = fd,
	};

	if (length != 0 && length != 1 && length != 2 && length != 4 && length != 8)
		return -EINVAL;
	/* A width that is not compared cannot be matched against a value. */
	if (length == 0 && datamatch)
		return -EINVAL;
	if (datamatch) {
		request.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
		request.datamatch = *datamatch;
	}
	if (pio)
		request.flags |= KVM_IOEVENTFD_FLAG_PIO;
	if (!assign)
		request.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
	return kvm_vm_ioctl(vm, KVM_IOEVENTFD, &request);
}
