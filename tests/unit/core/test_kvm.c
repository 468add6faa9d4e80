/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/unit/core/fake_kvm.h"

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

Test(kvm, opens_and_reads_the_limits)
{
	struct fake_kvm fake;
	struct kvm_vm vm;
	int device = open("/dev/null", O_RDWR);

	fake_kvm_init(&fake);
	fake.vm_fd = dup(device);
	cr_assert_eq(kvm_vm_open_with(&vm, device, &fake_kvm_ops, &fake, NULL), 0);
	cr_assert_eq(vm.kvm_fd, device);
	cr_assert_eq(vm.fd, fake.vm_fd);
	cr_assert_eq(vm.vcpu_run_size, 12288);
	cr_assert_eq(vm.max_vcpus, 8);
	cr_assert_eq(vm.max_memory_slots, FAKE_KVM_SLOTS);
	cr_assert(vm.has_irqfd_resample);
	kvm_vm_close(&vm);
	cr_assert_not(is_open(device));
	cr_assert_not(is_open(fake.vm_fd));
	kvm_vm_close(&vm); /* twice is allowed */
}

Test(kvm, nothing_stays_open_on_failure)
{
	static const struct {
		unsigned long request;
		int error;
		int expected;
	} cases[] = {
		{KVM_GET_API_VERSION, ENOTTY, -ENOTTY},
		{KVM_CREATE_VM, ENOMEM, -ENOMEM},
		{KVM_CREATE_VM, EINTR, -EINTR},
		{KVM_GET_VCPU_MMAP_SIZE, EIO, -EIO},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fake_kvm fake;
		struct kvm_vm vm;
		int device = open("/dev/null", O_RDWR);

		fake_kvm_init(&fake);
		fake.vm_fd = dup(device);
		fake.fail_request = cases[i].request;
		fake.fail_errno = cases[i].error;
		cr_assert_eq(kvm_vm_open_with(&vm, device, &fake_kvm_ops, &fake, NULL),
			     cases[i].expected, "case %zu", i);
		cr_assert_not(is_open(device), "case %zu", i);
		if (cases[i].request == KVM_GET_VCPU_MMAP_SIZE)
			cr_assert_not(is_open(fake.vm_fd));
		else
			close(fake.vm_fd);
		cr_assert_eq(vm.fd, -1);
		cr_assert_eq(vm.kvm_fd, -1);
	}
}

Test(kvm, retries_an_interrupted_create)
{
	struct fake_kvm fake;
	struct kvm_vm vm;

	fake_kvm_init(&fake);
	fake.vm_fd = open("/dev/null", O_RDWR);
	fake.fail_request = KVM_CREATE_VM;
	fake.fail_errno = EINTR;
	cr_assert_eq(kvm_vm_open_with(&vm, open("/dev/null", O_RDWR), &fake_kvm_ops, &fake, NULL),
		     -EINTR);
	cr_assert_gt(fake_kvm_count(&fake, KVM_CREATE_VM), 1);
	cr_assert_leq(fake_kvm_count(&fake, KVM_CREATE_VM), 10);
	close(fake.vm_fd);
}

Test(kvm, a_missing_extension_is_refused)
{
	static const int extensions[] = {KVM_CAP_USER_MEMORY, KVM_CAP_IRQFD, KVM_CAP_IOEVENTFD,
					 KVM_CAP_IRQ_ROUTING, KVM_CAP_IMMEDIATE_EXIT};

	for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
		struct fake_kvm fake;
		struct kvm_vm vm;

		fake_kvm_init(&fake);
		fake.vm_fd = open("/dev/null", O_RDWR);
		fake.missing_extension = extensions[i];
		cr_assert_eq(kvm_vm_open_with(&vm, open("/dev/null", O_RDWR), &fake_kvm_ops, &fake,
					      NULL),
			     -ENOSYS);
	}
}

Test(kvm, a_wrong_version_is_refused)
{
	struct fake_kvm fake;
	struct kvm_vm vm;

	fake_kvm_init(&fake);
	fake.api_version = 11;
	cr_assert_eq(kvm_vm_open_with(&vm, open("/dev/null", O_RDWR), &fake_kvm_ops, &fake, NULL),
		     -ENOSYS);
}

Test(kvm, a_file_that_is_not_kvm_is_refused)
{
	struct kvm_vm vm;
	int device = open("/dev/null", O_RDWR);

	cr_assert_eq(kvm_vm_open(&vm, device, NULL), -ENOTTY);
	cr_assert_not(is_open(device));
}

Test(kvm, ioeventfd_flags)
{
	struct fake_kvm fake;
	uint64_t match = 5;

	fake_kvm_init(&fake);
	cr_assert_eq(kvm_vm_ioeventfd(&fake.vm, 7, 0xd0000000, 4, false, &match, true), 0);
	cr_assert_eq(fake.ioeventfd.flags, KVM_IOEVENTFD_FLAG_DATAMATCH);
	cr_assert_eq(fake.ioeventfd.datamatch, 5);
	cr_assert_eq(fake.ioeventfd.addr, 0xd0000000);
	cr_assert_eq(fake.ioeventfd.len, 4);
	cr_assert_eq(fake.ioeventfd.fd, 7);
	cr_assert_eq(kvm_vm_ioeventfd(&fake.vm, 7, 0x510, 0, true, NULL, false), 0);
	cr_assert_eq(fake.ioeventfd.flags, KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DEASSIGN);
	cr_assert_eq(kvm_vm_ioeventfd(&fake.vm, 7, 0, 3, false, NULL, true), -EINVAL);
	cr_assert_eq(kvm_vm_ioeventfd(&fake.vm, 7, 0, 0, false, &match, true), -EINVAL);
}

Test(kvm, the_real_one)
{
	struct kvm_vm vm;
	int result;
	int fd;

	if (access("/dev/kvm", R_OK | W_OK) != 0)
		cr_skip_test("/dev/kvm is absent or not accessible");
	result = kvm_vm_open(&vm, -1, NULL);
	cr_assert_eq(result, 0, "%d", result);
	cr_assert_geq(vm.max_vcpus, 1);
	cr_assert_geq(vm.max_memory_slots, 32);
	fd = eventfd(0, EFD_CLOEXEC);
	cr_assert_eq(kvm_vm_ioeventfd(&vm, fd, 0xd0000000, 4, false, NULL, true), 0);
	cr_assert_eq(kvm_vm_ioeventfd(&vm, fd, 0xd0000000, 4, false, NULL, true), -EEXIST);
	cr_assert_eq(kvm_vm_ioeventfd(&vm, fd, 0xd0000000, 4, false, NULL, false), 0);
	cr_assert_eq(kvm_vm_ioeventfd(&vm, fd, 0xd0000000, 4, false, NULL, false), -ENOENT);
	close(fd);
	kvm_vm_close(&vm);
}
