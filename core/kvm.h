/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_KVM_H
#define CORE_KVM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/log.h"

/*
 * The thin layer over the KVM system calls. Everything that talks to KVM goes through the ops
 * table, so that tests can stand a fake or a fault-injecting one behind the same code.
 */
struct kvm_ops {
	/* As ioctl(2), but returns -errno. EINTR is returned, not retried. */
	int (*ioctl)(void *opaque, int fd, unsigned long request, void *argument);
};

/* The real one: ioctl(2). */
extern const struct kvm_ops kvm_system_ops;

struct kvm_vm {
	const struct kvm_ops *ops;
	void *ops_opaque;
	const struct logger *logger;
	int kvm_fd;  /* /dev/kvm, owned */
	int fd;      /* the VM, owned; -1 when closed */
	int vfio_fd; /* KVM_DEV_TYPE_VFIO, made by the first kvm_vm_vfio_file(); 0: none, owned */
	size_t vcpu_run_size; /* bytes of the shared kvm_run mapping */
	uint32_t max_vcpus;
	uint32_t max_memory_slots;
	bool has_irqfd_resample;
};

/*
 * kvm_vm_open() - open /dev/kvm (or adopt @kvm_fd when it is >= 0; ownership moves to the VM) and
 * create a VM. Checks the API version and the extensions that cxvm cannot work without, and logs
 * which one is missing. Returns 0, -ENOENT/-EACCES (no /dev/kvm, no permission), -ENOSYS (wrong API
 * version or a missing extension) or another -errno of KVM_CREATE_VM. On failure nothing stays
 * open.
 */
int kvm_vm_open(struct kvm_vm *vm, int kvm_fd, const struct logger *logger);

/* As kvm_vm_open(), with another ops table (tests). @ops and @ops_opaque must outlive @vm. */
int kvm_vm_open_with(struct kvm_vm *vm, int kvm_fd, const struct kvm_ops *ops, void *ops_opaque,
		     const struct logger *logger);

/* Closes both fds. Allowed on a half-opened VM; all vCPU fds must be closed before. */
void kvm_vm_close(struct kvm_vm *vm);

/* One ioctl on the VM fd; 0 or a positive result, or -errno. Any thread. */
int kvm_vm_ioctl(const struct kvm_vm *vm, unsigned long request, void *argument);

/*
 * kvm_vm_vfio_file() - tell KVM's VFIO device about @file (a VFIO group or device), or that it
 * goes. Before the file's first device is opened. Returns 0 or -errno; everything works without it,
 * but KVM does not know then that DMA may be non-coherent. Adding: one thread at a time.
 */
int kvm_vm_vfio_file(struct kvm_vm *vm, int file, bool add);

/* KVM_CHECK_EXTENSION on the VM; 0 when it is absent. */
int kvm_vm_check_extension(const struct kvm_vm *vm, int extension);

/*
 * kvm_vm_ioeventfd() - ask KVM to signal @fd itself on a guest write to @address.
 * @length: 0 (any width, only with KVM_CAP_IOEVENTFD_ANY_LENGTH), 1, 2, 4 or 8 bytes; @pio: port
 * space.
 * @datamatch: NULL, or the value that must be written. @assign: false takes it away again (same
 * arguments). Returns 0, -EEXIST, -ENOENT, -EINVAL, -ENOSPC. Any thread.
 */
int kvm_vm_ioeventfd(const struct kvm_vm *vm, int fd, uint64_t address, uint32_t length, bool pio,
		     const uint64_t *datamatch, bool assign);

#endif
