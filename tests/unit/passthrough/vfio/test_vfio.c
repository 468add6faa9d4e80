/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/kvm.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/bytes.h"
#include "tests/unit/passthrough/transport/info_image.h"
#include "passthrough/transport/info.h"
#include "passthrough/vfio/vfio.h"
#include "wire/iommufd.h"

/* A kernel with one device 0000:17:00.0 in group 7, and a journal of what it was asked. */
struct fake_kernel {
	bool bound, has_group, has_cdev, no_iommu, viable, has_type1, dma_buf;
	const char *driver;
	int open_error;
	unsigned long fail_request;
	int fail_error;
	unsigned int interrupted; /* so many ioctls return EINTR first */
	bool reset_flag;
	uint32_t hot_reset_count;
	uint32_t hot_reset_group; /* of all of them */
	uint32_t hot_reset_flags;
	uint32_t hot_reset_first; /* number of the first function, unless 0 */
	int eventfds[5];          /* by interrupt index, of the last vector */
	unsigned int resets_refused;
	uint64_t iova_last; /* of what the IOMMU translates; 0: it does not say */
	uint32_t iova_count;
	int next_fd;
	int open_fds;
	char journal[4096];
};

static struct fake_kernel fake;
static char last_message[1024];
static unsigned int errors, warnings_of_reset;

static void note(const char *format, ...)
{
	size_t used = strlen(fake.journal);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(fake.journal + used, sizeof(fake.journal) - used, format, arguments);
	va_end(arguments);
}

static int fake_open(void *opaque, const char *path, int flags)
{
	(void)opaque;
	(void)flags;
	note("open %s;", path);
	if (fake.open_error)
		return fake.open_error;
	if (!strcmp(path, "/dev/vfio/7") && fake.no_iommu)
		return -ENOENT;
	if (!strcmp(path, "/dev/vfio/noiommu-7") && !fake.no_iommu)
		return -ENOENT;
	fake.open_fds++;
	return fake.next_fd++;
}

static int fake_close(void *opaque, int fd)
{
	(void)opaque;
	note("close %d;", fd);
	fake.open_fds--;
	return 0;
}

static int fake_replace(void *opaque, int fd, int with)
{
	(void)opaque;
	note("replace %d%s;", fd, with == fake.eventfds[VFIO_PCI_REQ_IRQ_INDEX] ? "" : " oddly");
	return 0;
}

static int fake_device_info(uint8_t *info)
{
	uint32_t size = bytes_get_le32(info);

	bytes_put_le32(info + 4, 2 | (fake.reset_flag ? 1 : 0) | 0x80);
	bytes_put_le32(info + 8, 9);
	bytes_put_le32(info + 12, 5);
	bytes_put_le32(info + 16, 0);
	if (size >= 40) {
		bytes_put_le32(info + 16, 24);
		put_header(info, 24, 5, 1, 0);
	} else {
		bytes_put_le32(info, 40);
	}
	return 0;
}

/* Two ranges around the MSI window, behind a capability that nobody knows. */
static int fake_iommu_info(uint8_t *info)
{
	bytes_put_le32(info, 24 + 8 + 48);
	bytes_put_le32(info + 4, fake.iova_last ? 3 : 1);
	bytes_put_le32(info + 16, 24);
	put_header(info, 24, 9, 1, 32);
	put_header(info, 32, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, 1, 0);
	bytes_put_le32(info + 40, fake.iova_count);
	bytes_put_le64(info + 48, 0);
	bytes_put_le64(info + 56, 0xfedfffff);
	bytes_put_le64(info + 64, 0xfef00000);
	bytes_put_le64(info + 72, fake.iova_last);
	return 0;
}

static int fake_iova_ranges(uint8_t *ranges)
{
	uint64_t *list = (uint64_t *)(uintptr_t)bytes_get_le64(ranges + 16);

	if (!fake.iova_last)
		return -ENOTTY;
	bytes_put_le32(ranges + 8, fake.iova_count);
	list[1] = 0xfedfffff;
	list[3] = fake.iova_last;
	return 0;
}

static int fake_same_file(void *opaque, int fd, int other)
{
	(void)opaque;
	return fd == other;
}

static int fake_ioctl(void *opaque, int fd, unsigned long request, void *argument)
{
	uint8_t *bytes = argument;

	(void)opaque;
	if (fake.interrupted) {
		fake.interrupted--;
		return -EINTR;
	}
	if (request == fake.fail_request)
		return fake.fail_error;
	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		bytes_put_le32(bytes + 4, fake.viable ? VFIO_GROUP_FLAGS_VIABLE : 0);
		return 0;
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION:
		return (uintptr_t)argument ==
			       (fake.no_iommu ? VFIO_NOIOMMU_IOMMU : VFIO_TYPE1v2_IOMMU) &&
		       fake.has_type1;
	case VFIO_GROUP_SET_CONTAINER:
		note("container;");
		return 0;
	case VFIO_SET_IOMMU:
		note("iommu %lu;", (unsigned long)(uintptr_t)argument);
		return 0;
	case VFIO_GROUP_UNSET_CONTAINER:
		note("no container;");
		return 0;
	case VFIO_GROUP_GET_DEVICE_FD:
		note("device %s;", (const char *)argument);
		fake.open_fds++;
		return fake.next_fd++;
	case VFIO_CDEV_BIND_IOMMUFD:
		note("bind %d;", (int)bytes_get_le32(bytes + 8));
		bytes_put_le32(bytes + 12, 5);
		return 0;
	case IOMMUFD_IOAS_ALLOC:
		bytes_put_le32(bytes + 8, 33);
		return 0;
	case VFIO_CDEV_ATTACH_IOMMUFD_PT:
		note("attach %u;", bytes_get_le32(bytes + 8));
		return 0;
	case VFIO_DEVICE_GET_INFO:
		return fake_device_info(bytes);
	case VFIO_DEVICE_GET_REGION_INFO:
		if (bytes_get_le32(bytes + 8) > 7)
			return -EINVAL;
		bytes_put_le32(bytes + 4, 7);
		bytes_put_le64(bytes + 16, 0x4000);
		bytes_put_le64(bytes + 24, (uint64_t)bytes_get_le32(bytes + 8) << 40);
		return 0;
	case VFIO_DEVICE_GET_IRQ_INFO:
		bytes_put_le32(bytes + 4, 1);
		bytes_put_le32(bytes + 12, 4);
		return 0;
	case VFIO_DEVICE_SET_IRQS:
		note("irqs %u+%u;", bytes_get_le32(bytes + 8), bytes_get_le32(bytes + 16));
		if (bytes_get_le32(bytes + 4) & VFIO_IRQ_SET_DATA_EVENTFD)
			fake.eventfds[bytes_get_le32(bytes + 8)] = (int)bytes_get_le32(bytes + 20);
		return 0;
	/* The same number means something else on each kind of file. */
	case VFIO_IOMMU_MAP_DMA:
		if (bytes_get_le32(bytes) == sizeof(struct vfio_iommu_type1_dma_map))
			note("map %lx+%lx;", (unsigned long)bytes_get_le64(bytes + 16),
			     (unsigned long)bytes_get_le64(bytes + 24));
		else
			note("hot reset %u;", bytes_get_le32(bytes + 8));
		return 0;
	case VFIO_IOMMU_UNMAP_DMA:
		note("unmap %lx+%lx;", (unsigned long)bytes_get_le64(bytes + 8),
		     (unsigned long)bytes_get_le64(bytes + 16));
		return 0;
	case IOMMUFD_IOAS_IOVA_RANGES:
		return fake_iova_ranges(bytes);
	case IOMMUFD_IOAS_MAP:
		note("ioas map %u %lx;", bytes_get_le32(bytes + 8),
		     (unsigned long)bytes_get_le64(bytes + 32));
		return 0;
	case IOMMUFD_DESTROY:
		note("destroy %u;", bytes_get_le32(bytes + 4));
		return 0;
	case IOMMUFD_IOAS_UNMAP:
		note("ioas unmap %lx;", (unsigned long)bytes_get_le64(bytes + 8));
		return 0;
	case VFIO_DEVICE_FEATURE:
		if (!fake.dma_buf)
			return -ENOTTY;
		note("dma-buf region %u offset %lx;", bytes_get_le32(bytes + 8),
		     (unsigned long)bytes_get_le64(bytes + 24));
		fake.open_fds++;
		return fake.next_fd++;
	case IOMMUFD_IOAS_MAP_FILE:
		note("ioas file %lx;", (unsigned long)bytes_get_le64(bytes + 32));
		return 0;
	case VFIO_DEVICE_RESET:
		if (fake.resets_refused)
			return -ENOTTY;
		note("reset;");
		return 0;
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
		if (bytes_get_le32(bytes) == 4096)
			return fake_iommu_info(bytes);
		bytes_put_le32(bytes + 4, fake.hot_reset_flags);
		bytes_put_le32(bytes + 8, fake.hot_reset_count);
		for (uint32_t i = 0; i < fake.hot_reset_count; i++)
			bytes_put_le32(bytes + 12 + 8 * i, i == 0 && fake.hot_reset_first
								   ? fake.hot_reset_first
								   : fake.hot_reset_group);
		return 0;
	default:
		cr_assert(false, "unexpected ioctl %lx on %d", request, fd);
		return -ENOTTY;
	}
}

static ssize_t fake_pread(void *opaque, int fd, void *data, size_t length, uint64_t offset)
{
	(void)opaque;
	(void)fd;
	note("pread %zu@%lx;", length, (unsigned long)offset);
	memset(data, 0x5a, length);
	return length > 8 ? 8 : (ssize_t)length;
}

static ssize_t fake_pwrite(void *opaque, int fd, const void *data, size_t length, uint64_t offset)
{
	(void)opaque;
	(void)fd;
	(void)data;
	note("pwrite %zu@%lx;", length, (unsigned long)offset);
	return (ssize_t)length;
}

static int fake_mmap(void *opaque, int fd, uint64_t offset, size_t size, void **address)
{
	(void)opaque;
	(void)fd;
	note("mmap %zx@%lx;", size, (unsigned long)offset);
	*address = (void *)0x1000;
	return 0;
}

static ssize_t fake_readlink(void *opaque, const char *path, char *target, size_t size)
{
	(void)opaque;
	if (!strcmp(path, "/sys/bus/pci/devices/0000:17:00.0/subsystem"))
		return snprintf(target, size, "../../bus/pci");
	if (fake.bound && !strcmp(path, "/sys/bus/pci/devices/0000:17:00.0/driver"))
		return snprintf(target, size, "../../bus/pci/drivers/%s", fake.driver);
	if (fake.has_group && !strcmp(path, "/sys/bus/pci/devices/0000:17:00.0/iommu_group"))
		return snprintf(target, size, "../../kernel/iommu_groups/7");
	return -ENOENT;
}

static int fake_find(void *opaque, const char *path, const char *prefix, char *name, size_t size)
{
	(void)opaque;
	(void)prefix;
	if (!fake.has_cdev)
		return -ENOENT;
	snprintf(name, size, "%s", strcmp(path, "/dev") ? "vfio3" : "iommu");
	return 0;
}

static const struct vfio_system_ops fake_system = {
	.open = fake_open,
	.close = fake_close,
	.replace = fake_replace,
	.same_file = fake_same_file,
	.ioctl = fake_ioctl,
	.pread = fake_pread,
	.pwrite = fake_pwrite,
	.mmap = fake_mmap,
	.readlink = fake_readlink,
	.find_entry = fake_find,
};

static void on_log(void *opaque, enum log_level level, const char *object, const char *message)
{
	(void)opaque;
	(void)object;
	if (level == LOG_LEVEL_WARNING && (strstr(message, "the host cannot reset it") ||
					   strstr(message, "by power management only")))
		warnings_of_reset++;
	if (level != LOG_LEVEL_ERROR)
		return;
	errors++;
	snprintf(last_message, sizeof(last_message), "%s", message);
}

static const struct logger logger = {.callback = on_log, .level = LOG_LEVEL_INFO};

static struct vfio_kernel_options make(void)
{
	struct vfio_kernel_options options = {
		.transport = {.name = "nic0", .logger = &logger},
		.host = "0000:17:00.0",
		.device_fd = -1,
		.group_fd = -1,
		.container_fd = -1,
		.iommufd_fd = -1,
		.system = &fake_system,
	};

	fake = (struct fake_kernel){.bound = true,
				    .has_group = true,
				    .viable = true,
				    .has_type1 = true,
				    .driver = "vfio-pci",
				    .reset_flag = true,
				    .next_fd = 100};
	errors = warnings_of_reset = 0;
	last_message[0] = '\0';
	return options;
}

#define EXPECT_JOURNAL(text)                                                                       \
	cr_expect(strstr(fake.journal, text), "missing \"%s\" in %s", text, fake.journal)
#define EXPECT_MESSAGE(text)                                                                       \
	cr_expect(strstr(last_message, text), "missing \"%s\" in \"%s\"", text, last_message)

static struct vfio_transport *transport;

static void look_at_device(void)
{
	uint8_t *info;
	uint32_t length;
	struct vfio_device device;

	cr_assert_eq(transport->ops->get_device_info(transport, &info, &length), 0);
	cr_assert_eq(length, 40u, "the second call has room for the chain");
	cr_assert_eq(vfio_info_parse_device(&device, info, length), 0);
	cr_assert_eq(device.chain.count, 1u);
	free(info);
	for (uint32_t i = 0; i < 9; i++)
		if (!transport->ops->get_region_info(transport, i, &info, &length))
			free(info);
}

Test(vfio_kernel, what_the_iommu_translates)
{
	for (int way = 0; way < 2; way++) {
		struct vfio_kernel_options options = make();

		fake.has_cdev = way;
		cr_assert_eq(vfio_kernel_open(&options, &transport), 0, "%s", last_message);
		cr_expect_str_eq(transport->name, way ? "vfio-cdev" : "vfio-group");
		cr_expect_eq(address_space_limit(transport->space), 0u, "it does not say");
		fake.iova_last = (1ull << 39) - 1;
		fake.iova_count = 2;
		cr_expect_eq(address_space_limit(transport->space), 1ull << 39);
		fake.iova_count = 1000;
		cr_expect_eq(address_space_limit(transport->space), 0u, "more than there are");
		fake.iova_count = 2;
		fake.iova_last = UINT64_MAX;
		cr_expect_eq(address_space_limit(transport->space), 0u, "no limit");
		transport->ops->close(transport);
		cr_expect_eq(fake.open_fds, 0);
	}
}

Test(vfio_kernel, group)
{
	struct vfio_kernel_options options = make();
	struct address_space_range ram = {.address = 0, .size = 0x200000, .host = &ram, .fd = -1};
	struct address_space_range dpa = {.address = 0x100000000,
					  .size = 0x10000000,
					  .host = &ram,
					  .fd = 5,
					  .device_memory = true};
	int fds[4] = {10, 11, 12, 13};
	uint32_t value;
	uint8_t large[64];
	uint64_t fd_offset;
	void *host = NULL;
	int fd;

	fake.interrupted = 1;
	cr_assert_eq(vfio_kernel_open(&options, &transport), 0, "%s", last_message);
	cr_expect_str_eq(transport->name, "vfio-group");
	cr_expect_str_eq(fake.journal, "open /dev/vfio/7;open /dev/vfio/vfio;container;iommu 3;"
				       "device 0000:17:00.0;");
	look_at_device();
	cr_expect_eq(transport->ops->region_read(transport, 2, 0x10, &value, 4), 0);
	EXPECT_JOURNAL("pread 4@20000000010;");
	cr_expect_eq(transport->ops->region_read(transport, 2, 0, large, 64), -EIO, "short read");
	cr_expect_eq(transport->ops->region_read(transport, 2, 0x3ffe, &value, 4), -EINVAL);
	cr_expect_eq(transport->ops->region_read(transport, 2, UINT64_MAX, &value, 4), -EINVAL);
	cr_expect_eq(transport->ops->region_read(transport, 8, 0, &value, 4), -EINVAL);
	cr_expect_eq(transport->ops->region_write(transport, 7, 4, &value, 2, true), 0);
	EXPECT_JOURNAL("pwrite 2@70000000004;");
	cr_expect_eq(transport->ops->map(transport, 2, 0x1000, 0x2000, &host, &fd, &fd_offset), 0);
	EXPECT_JOURNAL("mmap 2000@20000001000;");
	cr_expect_eq(transport->ops->map(transport, 2, 0x1000, 0x4000, &host, &fd, &fd_offset),
		     -EINVAL);
	cr_expect_eq(address_space_map(transport->space, &ram), 0);
	cr_expect_eq(address_space_map(transport->space, &dpa), 0);
	EXPECT_JOURNAL("map 0+200000;map 100000000+10000000;");
	cr_expect_eq(address_space_unmap(transport->space, 0x100000000, 0x10000000), 0);
	EXPECT_JOURNAL("unmap 100000000+10000000;");
	cr_expect_eq(transport->ops->set_irqs(
			     transport, 2, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			     0, 4, fds),
		     0);
	EXPECT_JOURNAL("irqs 2+4;");
	cr_expect_eq(transport->ops->reset(transport), 0);
	EXPECT_JOURNAL("reset;");
	fake.journal[0] = '\0';
	transport->ops->close(transport);
	cr_expect_str_eq(fake.journal, "close 102;close 100;close 101;",
			 "device, group, container");
	cr_expect_eq(fake.open_fds, 0);
}

Test(vfio_kernel, character_device)
{
	struct vfio_kernel_options options = make();
	struct address_space_range ram = {
		.address = 0x1000, .size = 0x200000, .host = &ram, .fd = -1};
	struct address_space_range dpa = {.address = 0x100000000,
					  .size = 0x10000000,
					  .fd_offset = (10ull << 40) + 0x2000,
					  .device_memory = true};

	fake.has_cdev = true;
	cr_assert_eq(vfio_kernel_open(&options, &transport), 0, "%s", last_message);
	cr_expect_str_eq(transport->name, "vfio-cdev");
	cr_expect_str_eq(fake.journal,
			 "open /dev/vfio/devices/vfio3;open /dev/iommu;bind 101;attach 33;");
	cr_expect_eq(address_space_map(transport->space, &ram), 0);
	EXPECT_JOURNAL("ioas map 33 1000;");
	/* Debian's kernels do not offer dma-bufs of regions: a warning for the caller, no more. */
	cr_expect_eq(address_space_map(transport->space, &dpa), -ENOTTY);
	fake.dma_buf = true;
	cr_expect_eq(address_space_map(transport->space, &dpa), 0);
	EXPECT_JOURNAL("dma-buf region 10 offset 2000;ioas file 100000000;close 102;");
	cr_expect_eq(address_space_unmap(transport->space, 0x1000, 0x200000), 0);
	EXPECT_JOURNAL("ioas unmap 1000;");
	transport->ops->close(transport);
	cr_expect_eq(fake.open_fds, 0);
}

Test(vfio_kernel, open_fds_need_no_sysfs)
{
	struct vfio_kernel_options options = make();

	options.host = NULL;
	options.device_fd = 50;
	options.iommufd_fd = 51;
	fake.bound = fake.has_group = false;
	fake.open_fds = 2;
	cr_assert_eq(vfio_kernel_open(&options, &transport), 0, "%s", last_message);
	cr_expect_str_eq(fake.journal, "bind 51;attach 33;");
	transport->ops->close(transport);
	cr_expect_eq(fake.open_fds, 0);

	options = make();
	options.host = NULL;
	options.device_fd = 50;
	options.group_fd = 51;
	options.container_fd = 52;
	fake.open_fds = 3;
	cr_assert_eq(vfio_kernel_open(&options, &transport), 0, "%s", last_message);
	cr_expect_str_eq(fake.journal, "container;iommu 3;");
	transport->ops->close(transport);
	EXPECT_JOURNAL("close 50;no container;close 51;close 52;");
	cr_expect_eq(fake.open_fds, 0);

	options = make();
	options.group_fd = 51;
	options.iommufd_fd = 52;
	fake.open_fds = 2;
	cr_expect_eq(vfio_kernel_open(&options, &transport), -EINVAL);
	cr_expect_eq(fake.open_fds, 0, "fds are taken also on failure");
}

Test(vfio_kernel, host_names)
{
	static const struct {
		const char *host;
		int result;
	} cases[] = {
		{"0000:17:00.0", 0},
		{"10000:17:00.0", -ENOENT}, /* as the kernel numbers those behind VMD */
		{"17:00.0", 0},
		{"/sys/bus/pci/devices/0000:17:00.0", 0},
		{"0000:17:00.0 ", -EINVAL},
		{"0000:17:20.0", -EINVAL},
		{"0000:17:00.8", -EINVAL},
		{"gpu", -EINVAL},
		{"", -EINVAL},
		{"/sys/bus/pci/devices/", -EINVAL},
		{"0000:18:00.0", -ENOENT},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vfio_kernel_options options = make();

		options.host = cases[i].host;
		cr_expect_eq(vfio_kernel_open(&options, &transport), cases[i].result, "%s",
			     cases[i].host);
		if (!cases[i].result)
			transport->ops->close(transport);
		else
			cr_expect_eq(errors, 1u, "%s", cases[i].host);
		cr_expect_eq(fake.open_fds, 0);
	}
}

Test(vfio_kernel, refusals_say_what_to_do)
{
	struct vfio_kernel_options options = make();

	fake.bound = false;
	cr_expect_eq(vfio_kernel_open(&options, &transport), -ENOENT);
	EXPECT_MESSAGE("cxvm host bind 0000:17:00.0");
	options = make();
	fake.driver = "nvme";
	cr_expect_eq(vfio_kernel_open(&options, &transport), -ENOENT);
	EXPECT_MESSAGE("bound to nvme");
	options = make();
	fake.has_group = false;
	cr_expect_eq(vfio_kernel_open(&options, &transport), -EOPNOTSUPP);
	EXPECT_MESSAGE("turn the IOMMU on");
	options = make();
	fake.no_iommu = true;
	cr_expect_eq(vfio_kernel_open(&options, &transport), -EOPNOTSUPP);
	EXPECT_MESSAGE("noiommu=on");
	cr_expect_eq(fake.open_fds, 0);
	options = make();
	fake.viable = false;
	cr_expect_eq(vfio_kernel_open(&options, &transport), -EPERM);
	EXPECT_MESSAGE("bind all of them");
	cr_expect_eq(fake.open_fds, 0);
	options = make();
	fake.open_error = -EACCES;
	cr_expect_eq(vfio_kernel_open(&options, &transport), -EACCES);
	options = make();
	fake.has_type1 = false;
	cr_expect_eq(vfio_kernel_open(&options, &transport), -EOPNOTSUPP);
	EXPECT_MESSAGE("vfio_iommu_type1");
	cr_expect_eq(fake.open_fds, 0);
}

Test(vfio_kernel, no_iommu_when_asked_for)
{
	struct vfio_kernel_options options = make();
	struct address_space_range ram = {.size = 0x1000};

	fake.no_iommu = true;
	options.allow_no_iommu = true;
	cr_assert_eq(vfio_kernel_open(&options, &transport), 0, "%s", last_message);
	EXPECT_JOURNAL("iommu 8;");
	fake.journal[0] = '\0';
	cr_expect_eq(address_space_map(transport->space, &ram), 0);
	cr_expect_str_eq(fake.journal, "", "there is no map");
	transport->ops->close(transport);
}

Test(vfio_kernel, every_failing_step_closes_everything)
{
	static const unsigned long group[] = {VFIO_GROUP_GET_STATUS, VFIO_GROUP_SET_CONTAINER,
					      VFIO_SET_IOMMU, VFIO_GROUP_GET_DEVICE_FD};
	static const unsigned long cdev[] = {VFIO_CDEV_BIND_IOMMUFD, IOMMUFD_IOAS_ALLOC,
					     VFIO_CDEV_ATTACH_IOMMUFD_PT};

	for (size_t i = 0; i < 7; i++) {
		struct vfio_kernel_options options = make();

		fake.has_cdev = i >= 4;
		fake.fail_request = i < 4 ? group[i] : cdev[i - 4];
		fake.fail_error = -EBUSY;
		cr_expect_eq(vfio_kernel_open(&options, &transport), -EBUSY, "step %zu", i);
		cr_expect_eq(fake.open_fds, 0, "step %zu", i);
		cr_expect_geq(errors, 1u, "step %zu", i);
	}
}

/* Only what is in our own group may be reset with it. */
Test(vfio_kernel, hot_reset_only_of_our_group)
{
	struct vfio_kernel_options options = make();

	fake.reset_flag = false;
	cr_assert_eq(vfio_kernel_open(&options, &transport), 0);
	fake.hot_reset_count = 2;
	look_at_device();
	cr_expect_eq(warnings_of_reset, 1u);
	cr_expect_eq(transport->ops->reset(transport), -EOPNOTSUPP);
	fake.hot_reset_count = 1;
	cr_expect_eq(transport->ops->reset(transport), 0);
	EXPECT_JOURNAL("hot reset 1;");
	fake.journal[0] = '\0';
	fake.hot_reset_count = 3;
	fake.hot_reset_group = 8;
	cr_expect_eq(transport->ops->reset(transport), -EOPNOTSUPP);
	fake.hot_reset_group = 7;
	cr_expect_eq(transport->ops->reset(transport), 0);
	EXPECT_JOURNAL("hot reset 1;");
	transport->ops->close(transport);
}

/* By character device the kernel says whether all of them are ours; one that another device of the
 * same iommufd has open is not reset behind its back. */
Test(vfio_kernel, hot_reset_by_character_device)
{
	struct vfio_kernel_options options = make();

	fake.reset_flag = false;
	fake.has_cdev = true;
	cr_assert_eq(vfio_kernel_open(&options, &transport), 0);
	fake.hot_reset_count = 2;
	fake.hot_reset_first = 5; /* itself */
	fake.hot_reset_group = 0; /* in its group, not open */
	look_at_device();
	cr_expect_eq(warnings_of_reset, 1u);
	fake.hot_reset_flags = VFIO_HOT_RESET_DEV_ID;
	cr_expect_eq(transport->ops->reset(transport), -EOPNOTSUPP);
	fake.hot_reset_flags |= VFIO_HOT_RESET_DEV_ID_OWNED;
	cr_expect_eq(transport->ops->reset(transport), 0);
	EXPECT_JOURNAL("hot reset 0;");
	fake.hot_reset_group = 6;
	cr_expect_eq(transport->ops->reset(transport), -EOPNOTSUPP);
	fake.hot_reset_group = UINT32_MAX;
	cr_expect_eq(transport->ops->reset(transport), -EOPNOTSUPP);
	transport->ops->close(transport);
}

Test(vfio_kernel, hot_reset_when_its_own_is_refused)
{
	struct vfio_kernel_options options = make();

	cr_assert_eq(vfio_kernel_open(&options, &transport), 0);
	fake.hot_reset_count = 1;
	look_at_device();
	cr_expect_eq(warnings_of_reset, 0u);
	fake.resets_refused = 1;
	cr_expect_eq(transport->ops->reset(transport), 0);
	EXPECT_JOURNAL("hot reset 1;");
	transport->ops->close(transport);
}

/* Power management resets few devices for real: the bus first, where it is ours alone. */
Test(vfio_kernel, hot_reset_before_one_by_power_management)
{
	struct vfio_kernel_options options = make();

	cr_assert_eq(vfio_kernel_open(&options, &transport), 0);
	fake.hot_reset_count = 1;
	look_at_device();
	transport->reset_by_power_only = true;
	fake.journal[0] = '\0';
	cr_expect_eq(transport->ops->reset(transport), 0);
	cr_expect_null(strstr(fake.journal, ";reset;"), "%s", fake.journal);
	EXPECT_JOURNAL("hot reset 1;");
	fake.hot_reset_count = 2;
	fake.hot_reset_group = 8; /* somebody else's */
	fake.journal[0] = '\0';
	cr_expect_eq(warnings_of_reset, 0u);
	cr_expect_eq(transport->ops->reset(transport), 0);
	cr_expect_eq(strcmp(fake.journal, "reset;"), 0, "%s", fake.journal);
	cr_expect_eq(transport->ops->reset(transport), 0);
	cr_expect_eq(warnings_of_reset, 1u, "told once");
	transport->ops->close(transport);
}

static unsigned int losses, requests;
static struct event_loop *loop;

static void on_device_lost(void *opaque, const char *reason)
{
	(void)opaque;
	cr_expect(strstr(reason, "uncorrectable error"), "%s", reason);
	losses++;
	event_loop_stop(loop);
}

static void on_requested(void *opaque)
{
	(void)opaque;
	requests++;
	transport->ops->release(transport);
	event_loop_stop(loop);
}

static void signal_eventfd(unsigned int index)
{
	const uint64_t one = 1;

	cr_assert_eq(write(fake.eventfds[index], &one, sizeof(one)), (ssize_t)sizeof(one));
	cr_assert_eq(event_loop_run(loop), 0);
}

static void open_with_loop(void)
{
	struct vfio_kernel_options options = make();

	losses = requests = 0;
	cr_assert_eq(event_loop_create(&loop), 0);
	options.transport.loop = loop;
	options.transport.events.lost = on_device_lost;
	options.transport.events.requested = on_requested;
	cr_assert_eq(vfio_kernel_open(&options, &transport), 0);
	look_at_device();
	EXPECT_JOURNAL("irqs 3+1;");
	EXPECT_JOURNAL("irqs 4+1;");
}

Test(vfio_kernel, an_error_of_the_device_is_told_once)
{
	struct pollfd again = {.events = POLLIN};

	open_with_loop();
	signal_eventfd(VFIO_PCI_ERR_IRQ_INDEX);
	cr_expect_eq(losses, 1u);
	again.fd = fake.eventfds[VFIO_PCI_ERR_IRQ_INDEX];
	cr_expect_eq(poll(&again, 1, 0), 0, "the loop would spin on it");
	cr_expect_eq(transport->ops->reset(transport), -ENODEV);
	transport->ops->close(transport);
	event_loop_destroy(loop);
}

/* The host asks for the device: no file of it stays, and no number of one becomes free. */
Test(vfio_kernel, a_device_that_the_host_wants_back)
{
	open_with_loop();
	fake.journal[0] = '\0';
	signal_eventfd(VFIO_PCI_REQ_IRQ_INDEX);
	cr_expect_eq(requests, 1u);
	EXPECT_JOURNAL("replace 102;replace 100;replace 101;");
	cr_expect_not(strstr(fake.journal, "close"));
	cr_expect_eq(transport->ops->reset(transport), -ENODEV);
	transport->ops->close(transport);
	cr_expect_eq(fake.open_fds, 0);
	event_loop_destroy(loop);
}

/* One VFIO device of KVM for all transports of a VM, created by the first. */
static unsigned int kvm_created, kvm_attributes;

static int fake_kvm_ioctl(void *opaque, int fd, unsigned long request, void *argument)
{
	(void)opaque;
	(void)fd;
	if (request == KVM_CREATE_DEVICE) {
		((struct kvm_create_device *)argument)->fd = 77;
		kvm_created++;
		return 0;
	}
	cr_assert_eq(request, (unsigned long)KVM_SET_DEVICE_ATTR);
	kvm_attributes++;
	return 0;
}

Test(vfio_kernel, kvm_is_told)
{
	static const struct kvm_ops ops = {.ioctl = fake_kvm_ioctl};
	struct kvm_vm vm = {.ops = &ops, .fd = 60, .kvm_fd = 61};
	struct vfio_transport *second;
	struct vfio_kernel_options options = make();

	options.vm = &vm;
	cr_assert_eq(vfio_kernel_open(&options, &transport), 0);
	cr_assert_eq(vfio_kernel_open(&options, &second), 0);
	cr_expect_eq(kvm_created, 1u);
	cr_expect_eq(kvm_attributes, 2u);
	cr_expect_eq(vm.vfio_fd, 77);
	transport->ops->close(transport);
	second->ops->close(second);
	cr_expect_eq(kvm_attributes, 4u);
}
