/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/passthrough/host/fake_host.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fake_host fake;

static char *below(const char *path)
{
	static char paths[4][600];
	static unsigned int next;
	char *full = paths[next++ % 4];

	snprintf(full, sizeof(paths[0]), "%s%s", fake.folder, path);
	return full;
}

static void make_parents(char *path)
{
	for (char *at = path + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		mkdir(path, 0700);
		*at = '/';
	}
}

void fake_bytes(const char *path, const void *bytes, size_t length)
{
	char *full = below(path);
	int fd;

	make_parents(full);
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	cr_assert_geq(fd, 0, "%s", full);
	cr_assert_eq(write(fd, bytes, length), (ssize_t)length);
	close(fd);
}

void fake_file(const char *path, const char *text)
{
	fake_bytes(path, text, strlen(text));
}

void fake_link(const char *path, const char *target)
{
	char *full = below(path);

	make_parents(full);
	unlink(full);
	cr_assert_eq(symlink(target, full), 0, "%s", full);
}

void fake_folder(const char *path)
{
	char *full = below(path);

	make_parents(full);
	mkdir(full, 0700);
}

static const char *device_path(const char *address, const char *attribute)
{
	static char paths[4][200];
	static unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "/sys/bus/pci/devices/%s/%s", address, attribute);
	return path;
}

static void set_driver(const char *address, const char *driver)
{
	char target[128];

	snprintf(target, sizeof(target), "../../../bus/pci/drivers/%s", driver);
	fake_link(device_path(address, "driver"), target);
}

void fake_driver(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s", name);
	fake_folder(path);
}

void fake_native_driver(const char *address, const char *name)
{
	fake_file(device_path(address, "native"), name);
}

void fake_device(const char *address, const char *ids_and_class, const char *driver,
		 const char *group)
{
	unsigned int vendor, device, class_code;
	char text[128];

	cr_assert_eq(sscanf(ids_and_class, "%x:%x %x", &vendor, &device, &class_code), 3);
	snprintf(text, sizeof(text), "0x%04x\n", vendor);
	fake_file(device_path(address, "vendor"), text);
	snprintf(text, sizeof(text), "0x%04x\n", device);
	fake_file(device_path(address, "device"), text);
	snprintf(text, sizeof(text), "0x%06x\n", class_code);
	fake_file(device_path(address, "class"), text);
	fake_file(device_path(address, "driver_override"), "(null)\n");
	fake_config(address, false);
	if (driver) {
		fake_driver(driver);
		fake_native_driver(address, driver);
		set_driver(address, driver);
	}
	if (group) {
		snprintf(text, sizeof(text), "../../../kernel/iommu_groups/%s", group);
		fake_link(device_path(address, "iommu_group"), text);
		snprintf(text, sizeof(text), "/sys/kernel/iommu_groups/%s", group);
		fake_folder(text);
	}
}

static void put(uint8_t *config, uint32_t at, uint32_t value)
{
	for (unsigned int i = 0; i < 4; i++)
		config[at + i] = (uint8_t)(value >> 8 * i);
}

/* CXL device DVSEC at 0x100 with cache, IO and memory, 1 range of 16 GiB that is valid and active,
 * Mem_Enable set; Register Locator at 0x140: the component block in BAR 2 at 0x10000. */
void fake_cxl_config(uint8_t config[4096])
{
	memset(config, 0, 4096);
	put(config, 0x00, 0x0001cc58);
	put(config, 0x100, 0x14010023);
	put(config, 0x104, 0x03c01e98);
	put(config, 0x108, 0x00170000);
	put(config, 0x10c, 0x00000004);
	put(config, 0x118, 0x00000004);
	put(config, 0x11c, 0x00000003);
	put(config, 0x140, 0x00010023);
	put(config, 0x144, 0x01401e98);
	put(config, 0x148, 0x00000008);
	put(config, 0x14c, 0x00010102);
}

void fake_config(const char *address, bool cxl)
{
	uint8_t config[4096] = {0};

	if (cxl)
		fake_cxl_config(config);
	fake_bytes(device_path(address, "config"), config, cxl ? 4096 : 256);
}

const char *fake_driver_of(const char *address)
{
	static char name[64];

	host_read_link(below(device_path(address, "driver")), name, sizeof(name));
	return name;
}

/* The kernel: __device_attach() with driver_override. */
static int probe_driver(const char *address)
{
	char driver[64];

	host_read_line(below(device_path(address, "driver_override")), driver, sizeof(driver));
	if (!driver[0] || !strcmp(driver, "(null)"))
		host_read_line(below(device_path(address, "native")), driver, sizeof(driver));
	if (!driver[0])
		return -EINVAL;
	if (fake.deaf_driver && !strcmp(driver, fake.deaf_driver))
		return -EINVAL;
	set_driver(address, driver);
	return 0;
}

static int fake_store(void *opaque, const char *path, const char *text)
{
	char address[64], *last = strrchr(path, '/');
	char value[128];

	(void)opaque;
	fake.stores++;
	cr_assert_eq(strncmp(path, fake.folder, strlen(fake.folder)), 0);
	cr_assert_eq(text[strlen(text) - 1], '\n');
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(text, "\n"), text);
	if (!strcmp(last, "/drivers_probe"))
		return probe_driver(value);
	if (!strcmp(last, "/unbind")) {
		if (fake.stuck && !strcmp(value, fake.stuck))
			return -EBUSY;
		return unlink(below(device_path(value, "driver"))) ? -errno : 0;
	}
	cr_assert_eq(strcmp(last, "/driver_override"), 0, "%s", path);
	cr_assert_eq(sscanf(path + strlen(fake.folder), "/sys/bus/pci/devices/%63[^/]/", address),
		     1);
	fake_file(device_path(address, "driver_override"), value[0] ? text : "(null)\n");
	return 0;
}

static int fake_probe(void *opaque, const char *path)
{
	(void)opaque;
	if (fake.kvm_error && strstr(path, "/dev/kvm"))
		return fake.kvm_error;
	return access(path, F_OK) ? -errno : 0;
}

static uint64_t fake_memory_lock(void *opaque)
{
	(void)opaque;
	return fake.memory_lock;
}

static bool fake_privileged(void *opaque)
{
	(void)opaque;
	return !fake.unprivileged;
}

static const struct host_ops fake_ops = {
	.store = fake_store,
	.probe = fake_probe,
	.memory_lock = fake_memory_lock,
	.privileged = fake_privileged,
};

void fake_begin(void)
{
	memset(&fake, 0, sizeof(fake));
	strcpy(fake.folder, "/tmp/cxvm-host-XXXXXX");
	cr_assert_not_null(mkdtemp(fake.folder));
	fake.memory_lock = UINT64_MAX;
	fake.host.root = fake.folder;
	fake.host.ops = &fake_ops;
	fake_folder("/sys/bus/pci/devices");
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

void fake_end(void)
{
	nftw(fake.folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
