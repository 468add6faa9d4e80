/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "tests/unit/passthrough/host/fake_host.h"

/* Binding and unbinding, with the kernel's part played by the fake host. */
#define GPU  "0000:17:00.0"
#define NVME "0000:04:00.0"

static struct host_change changes[4];

static int bind(const char *first, const char *second)
{
	const char *devices[] = {first, second};

	return host_bind(&fake.host, devices, second ? 2 : 1, NULL, changes);
}

static int unbind(const char *first)
{
	return host_unbind(&fake.host, &first, 1, changes);
}

static void begin(void)
{
	fake_begin();
	fake_driver("vfio-pci");
	fake_driver("cxl-vfio-pci");
	fake_device(NVME, "1b36:0010 010802", "nvme", "6");
	fake_device(GPU, "cc58:0001 120000", NULL, "5");
	fake_config(GPU, true);
}

TestSuite(host_bind, .init = begin, .fini = fake_end);

static void expect_refusal(size_t index, const char *what, const char *fix)
{
	cr_assert_eq(changes[index].outcome, HOST_REFUSED);
	cr_assert_not_null(strstr(changes[index].problem.what, what), "%s",
			   changes[index].problem.what);
	cr_assert_not_null(strstr(changes[index].problem.fix, fix), "%s",
			   changes[index].problem.fix);
}

Test(host_bind, there_and_back)
{
	cr_assert_eq(bind(NVME, GPU), 0);
	cr_assert_eq(changes[0].outcome, HOST_DONE);
	cr_assert_str_eq(changes[0].before, "nvme");
	cr_assert_str_eq(changes[0].after, "vfio-pci");
	cr_assert_str_eq(changes[1].before, "");
	cr_assert_str_eq(changes[1].after, "cxl-vfio-pci");
	cr_assert_str_eq(fake_driver_of(NVME), "vfio-pci");
	cr_assert_str_eq(fake_driver_of(GPU), "cxl-vfio-pci");
	cr_assert_eq(bind(NVME, NULL), 0);
	cr_assert_eq(changes[0].outcome, HOST_ALREADY);
	cr_assert_eq(unbind(NVME), 0);
	cr_assert_eq(changes[0].outcome, HOST_DONE);
	cr_assert_str_eq(changes[0].after, "nvme");
	cr_assert_str_eq(fake_driver_of(NVME), "nvme");
	cr_assert_eq(unbind(GPU), 0);
	cr_assert_str_eq(changes[0].after, "");
	cr_assert_eq(unbind(NVME), 0);
	cr_assert_eq(changes[0].outcome, HOST_ALREADY);
}

Test(host_bind, another_driver_by_request)
{
	const char *device = GPU;

	cr_assert_eq(host_bind(&fake.host, &device, 1, "vfio-pci", changes), 0);
	cr_assert_str_eq(fake_driver_of(GPU), "vfio-pci");
	/* From one VFIO driver to the other. */
	cr_assert_eq(bind(GPU, NULL), 0);
	cr_assert_str_eq(fake_driver_of(GPU), "cxl-vfio-pci");
	cr_assert_eq(host_bind(&fake.host, &device, 1, "nowhere-vfio-pci", changes), -ENXIO);
	expect_refusal(0, "nowhere-vfio-pci is not loaded", "modprobe");
	cr_assert_str_eq(fake_driver_of(GPU), "cxl-vfio-pci");
}

Test(host_bind, one_refusal_leaves_all_alone)
{
	cr_assert_eq(bind(NVME, "0000:99:00.0"), -ENOENT);
	expect_refusal(0, "another device was refused", "nothing was changed");
	expect_refusal(1, "no PCI device 0000:99:00.0", "list --all");
	cr_assert_eq(bind("rubbish", NVME), -EINVAL);
	expect_refusal(0, "'rubbish' is no PCI address", "0000:17:00.0");
	cr_assert_eq(fake.stores, 0);
	cr_assert_str_eq(fake_driver_of(NVME), "nvme");
}

Test(host_bind, refused_without_privilege)
{
	fake.unprivileged = true;
	cr_assert_eq(bind(NVME, NULL), -EPERM);
	expect_refusal(0, "only root", "sudo cxvm host bind " NVME);
	cr_assert_eq(fake.stores, 0);
	fake.unprivileged = false;
	cr_assert_eq(bind(NVME, NULL), 0);
	fake.unprivileged = true;
	cr_assert_eq(unbind(NVME), -EPERM);
	cr_assert_str_eq(fake_driver_of(NVME), "vfio-pci");
}

Test(host_bind, a_whole_group_or_nothing)
{
	fake_device("0000:04:00.1", "1b36:0011 020000", "igb", "6");
	cr_assert_eq(bind(NVME, NULL), -EBUSY);
	expect_refusal(0, "0000:04:00.1 (igb)", "cxvm host bind " NVME " 0000:04:00.1");
	cr_assert_eq(fake.stores, 0);
	cr_assert_eq(bind(NVME, "0000:04:00.1"), 0);
	cr_assert_str_eq(fake_driver_of("0000:04:00.1"), "vfio-pci");
}

Test(host_bind, refused_while_the_host_uses_it)
{
	fake_link("/sys/class/block/nvme0n1", "../../devices/pci0000:00/" NVME "/nvme/nvme0n1");
	fake_file("/sys/devices/pci0000:00/" NVME "/nvme/nvme0n1/dev", "259:1\n");
	fake_file("/proc/self/mountinfo", "21 20 259:1 / /data rw - ext4 /dev/nvme0n1 rw\n");
	cr_assert_eq(bind(NVME, NULL), -EBUSY);
	expect_refusal(0, "is mounted", "umount");
	cr_assert_eq(fake.stores, 0);
}

Test(host_bind, refused_without_an_iommu_and_for_bridges)
{
	fake_device("0000:01:00.0", "10de:2330 030000", "nouveau", NULL);
	fake_device("0000:00:01.0", "8086:0001 060400", "pcieport", "9");
	cr_assert_eq(bind("0000:01:00.0", NULL), -ENODEV);
	cr_assert_eq(bind("0000:00:01.0", NULL), -EINVAL);
	cr_assert_eq(fake.stores, 0);
}

Test(host_bind, a_driver_that_does_not_take_it)
{
	fake.deaf_driver = "vfio-pci";
	cr_assert_eq(bind(NVME, NULL), -EIO);
	expect_refusal(0, "vfio-pci does not take it", "dmesg | grep " NVME);
	cr_assert_str_eq(fake_driver_of(NVME), "nvme");
	cr_assert_str_eq(changes[0].after, "nvme");
	fake.deaf_driver = "cxl-vfio-pci";
	cr_assert_eq(bind(GPU, NULL), -EIO);
	expect_refusal(0, "cxl-vfio-pci does not take it", "cxvm host bind --driver vfio-pci " GPU);
	cr_assert_str_eq(fake_driver_of(GPU), "");
}

Test(host_bind, a_driver_that_does_not_let_go)
{
	fake.stuck = NVME;
	cr_assert_eq(bind(NVME, NULL), -EBUSY);
	expect_refusal(0, "does not let go", "stop what uses it");
	cr_assert_str_eq(fake_driver_of(NVME), "nvme");
}

Test(host_bind, unbind_names_the_process_that_has_it)
{
	cr_assert_eq(bind(NVME, GPU), 0);
	fake_link("/proc/4711/fd/7", "/dev/vfio/6");
	fake_file("/proc/4711/comm", "cxvm\n");
	cr_assert_eq(unbind(NVME), -EBUSY);
	expect_refusal(0, "process 4711 (cxvm)", "end that process");
	cr_assert_str_eq(fake_driver_of(NVME), "vfio-pci");
	/* The other one is by character device. */
	cr_assert_eq(unbind(GPU), 0);
	cr_assert_eq(bind(GPU, NULL), 0);
	fake_folder("/sys/bus/pci/devices/" GPU "/vfio-dev/vfio3");
	fake_link("/proc/4712/fd/7", "/dev/vfio/devices/vfio3");
	fake_file("/proc/4712/comm", "qemu\n");
	cr_assert_eq(unbind(GPU), -EBUSY);
	expect_refusal(0, "process 4712 (qemu)", "end that process");
}
