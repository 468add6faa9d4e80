/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "passthrough/host/files.h"

/* What is being done, for the functions below. */
struct bind_work {
	const struct host *host;
	struct host_inventory inventory;
	size_t count;
	struct host_change *changes;
};

/* @text is "what\nfix". Returns @result. */
static int __attribute__((format(printf, 3, 4)))
bind_refuse(struct host_change *change, int result, const char *text, ...)
{
	va_list arguments;

	va_start(arguments, text);
	host_format_problem(change->problem.what, change->problem.fix, text, arguments);
	va_end(arguments);
	change->outcome = HOST_REFUSED;
	return result;
}

static struct host_device *work_device(struct bind_work *work, size_t index)
{
	return (struct host_device *)(uintptr_t)host_inventory_find(&work->inventory,
								    work->changes[index].address);
}

/* Read the host and find all devices in it. */
static int work_begin(struct bind_work *work, const char *const *devices)
{
	int result, first = 0;

	memset(work->changes, 0, work->count * sizeof(work->changes[0]));
	result = host_inventory_read(work->host, &work->inventory);
	for (size_t i = 0; i < work->count; i++) {
		struct host_change *change = &work->changes[i];
		const struct host_device *device;
		int now;

		if (host_parse_address(devices[i], change->address, sizeof(change->address))) {
			snprintf(change->address, sizeof(change->address), "%.15s", devices[i]);
			now = bind_refuse(
				change, -EINVAL,
				"'%.64s' is no PCI address\n"
				"write it as 0000:17:00.0; cxvm host list --all shows all",
				devices[i]);
		} else if (result) {
			now = bind_refuse(change, result,
					  "the PCI devices cannot be read: %s\n"
					  "mount sysfs on /sys",
					  strerror(-result));
		} else {
			device = work_device(work, i);
			now = device ? 0
				     : bind_refuse(change, -ENOENT,
						   "there is no PCI device %s\n"
						   "cxvm host list --all shows all",
						   change->address);
			if (device)
				memcpy(change->before, device->driver, sizeof(change->before));
		}
		memcpy(change->after, change->before, sizeof(change->after));
		if (now && !first)
			first = now;
	}
	return first;
}

/* One that is refused leaves all as they are. */
static int work_end(struct bind_work *work, int result)
{
	for (size_t i = 0; i < work->count && result; i++)
		if (work->changes[i].outcome != HOST_REFUSED)
			bind_refuse(&work->changes[i], 0,
				    "another device was refused\n"
				    "nothing was changed for this one");
	host_inventory_free(&work->inventory);
	return result;
}

/* Write @text and a newline to an attribute below /sys/bus/pci. */
static int __attribute__((format(printf, 3, 4)))
store(const struct host *host, const char *text, const char *format, ...)
{
	char path[HOST_PATH], attribute[HOST_PATH / 2], value[HOST_NAME + 2];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(attribute, sizeof(attribute), format, arguments);
	va_end(arguments);
	snprintf(value, sizeof(value), "%s\n", text);
	if (host_path(host, path, "/sys/bus/pci/%s", attribute))
		return -ENAMETOOLONG;
	return host->ops->store(host->opaque, path, value);
}

static void read_driver(const struct host *host, struct host_change *change)
{
	char path[HOST_PATH];

	host_path(host, path, "/sys/bus/pci/devices/%s/driver", change->address);
	host_read_link(path, change->after, sizeof(change->after));
}

/* Set the override (an empty line clears it), leave the present driver, let the kernel choose. */
static int change_driver(const struct host *host, struct host_change *change, const char *override)
{
	int result = store(host, override, "devices/%s/driver_override", change->address);

	if (result)
		return result;
	read_driver(host, change);
	if (change->after[0])
		result = store(host, change->address, "devices/%s/driver/unbind", change->address);
	/* The kernel says here why its driver does not take the device; who asks looks at the
	 * driver that it has then. */
	if (!result)
		store(host, change->address, "drivers_probe");
	read_driver(host, change);
	return result;
}

static int bind_one(const struct host *host, struct host_change *change, const char *driver)
{
	int result;

	if (!strcmp(change->before, driver)) {
		change->outcome = HOST_ALREADY;
		return 0;
	}
	result = change_driver(host, change, driver);
	if (!result && !strcmp(change->after, driver))
		return 0;
	/* Back to where it was: what the kernel chose before, it chooses again. */
	change_driver(host, change, "");
	if (result)
		return bind_refuse(change, result,
				   "the kernel does not let go of it: %s\n"
				   "stop what uses it; the kernel log may say more",
				   strerror(-result));
	return bind_refuse(change, -EIO,
			   "the driver %s does not take it\n"
			   "dmesg | grep %s says why%s%s",
			   driver, change->address,
			   strcmp(driver, HOST_DRIVER_CXL) != 0
				   ? ""
				   : "; as an ordinary PCI device: cxvm host bind --driver "
				     "" HOST_DRIVER_PLAIN " ",
			   strcmp(driver, HOST_DRIVER_CXL) != 0 ? "" : change->address);
}

/* The errno of the reason that was found, by what was looked at. */
static int refusal_of(const struct host *host, const struct host_device *device)
{
	if (device->kind == HOST_KIND_BRIDGE)
		return -EINVAL;
	if (device->iommu_group < 0)
		return -ENODEV;
	if (!host_exists(host, "/sys/bus/pci/drivers/%s", device->wanted_driver))
		return -ENXIO;
	return -EBUSY;
}

static int bind_judge(struct bind_work *work, const char *driver)
{
	const char **addresses = calloc(work->count, sizeof(*addresses));
	int first = 0;

	if (!addresses)
		return -ENOMEM;
	for (size_t i = 0; i < work->count; i++) {
		struct host_device *device = work_device(work, i);

		addresses[i] = work->changes[i].address;
		if (driver)
			device->wanted_driver = driver;
		/* Another VFIO driver than the wanted one is left like any driver. */
		if (strcmp(device->driver, device->wanted_driver) != 0)
			device->bound = false;
	}
	host_judge(work->host, &work->inventory, addresses, work->count);
	for (size_t i = 0; i < work->count; i++) {
		struct host_device *device = work_device(work, i);
		struct host_change *change = &work->changes[i];
		int now = 0;

		/* What is bound already is not touched, whatever is wrong with it. */
		if (!strcmp(device->driver, device->wanted_driver))
			continue;
		if (device->problem_count)
			now = bind_refuse(change, refusal_of(work->host, device), "%s\n%s",
					  device->problems[0].what, device->problems[0].fix);
		else if (!work->host->ops->privileged(work->host->opaque))
			now = bind_refuse(change, -EPERM,
					  "only root can change a device's driver\n"
					  "sudo cxvm host bind %s",
					  change->address);
		if (now && !first)
			first = now;
	}
	free(addresses);
	return first;
}

int host_bind(const struct host *host, const char *const *devices, size_t count, const char *driver,
	      struct host_change *changes)
{
	struct bind_work work = {.host = host, .count = count, .changes = changes};
	int result = work_begin(&work, devices);

	if (!result)
		result = bind_judge(&work, driver);
	if (result)
		return work_end(&work, result);
	for (size_t i = 0; i < count; i++) {
		int now = bind_one(host, &changes[i], work_device(&work, i)->wanted_driver);

		if (now && !result)
			result = now;
	}
	host_inventory_free(&work.inventory);
	return result;
}

/* Who has the device's VFIO file open: /proc/PID/fd. */
struct bind_user {
	const struct host *host;
	const char *group; /* "12", of /dev/vfio/12 */
	const char *cdev;  /* "vfio3", of /dev/vfio/devices/vfio3; "" */
	const char *pid;
	char found[16];
};

static int user_look_at_fd(void *opaque, const char *name)
{
	struct bind_user *user = opaque;
	char path[HOST_PATH], last[HOST_NAME];

	if (host_path(user->host, path, "/proc/%s/fd/%s", user->pid, name) ||
	    !host_link_has(path, "vfio"))
		return 0;
	host_read_link(path, last, sizeof(last));
	return !strcmp(last, user->group) || (user->cdev[0] && !strcmp(last, user->cdev));
}

static int user_look_at_process(void *opaque, const char *name)
{
	struct bind_user *user = opaque;
	char path[HOST_PATH];

	if (name[0] < '0' || name[0] > '9' || strlen(name) >= sizeof(user->found) ||
	    host_path(user->host, path, "/proc/%s/fd", name))
		return 0;
	user->pid = name;
	if (host_each(path, user_look_at_fd, user) <= 0)
		return 0;
	memcpy(user->found, name, strlen(name) + 1);
	return 1;
}

static int first_name(void *opaque, const char *name)
{
	char *first = opaque;

	if (strlen(name) >= HOST_NAME)
		return 0;
	memcpy(first, name, strlen(name) + 1);
	return 1;
}

/* The process that has @device open, with its name; false when nobody has. */
static bool find_user(const struct host *host, const struct host_device *device, char *pid,
		      char *command)
{
	char group[16], cdev[HOST_NAME] = "", path[HOST_PATH];
	struct bind_user user = {.host = host, .group = group, .cdev = cdev};

	snprintf(group, sizeof(group), "%d", device->iommu_group);
	host_path(host, path, "/sys/bus/pci/devices/%s/vfio-dev", device->address);
	host_each(path, first_name, cdev);
	host_path(host, path, "/proc");
	if (host_each(path, user_look_at_process, &user) <= 0)
		return false;
	memcpy(pid, user.found, sizeof(user.found));
	host_path(host, path, "/proc/%s/comm", pid);
	host_read_line(path, command, HOST_NAME);
	return true;
}

static int unbind_judge(struct bind_work *work)
{
	int first = 0;

	for (size_t i = 0; i < work->count; i++) {
		const struct host_device *device = work_device(work, i);
		struct host_change *change = &work->changes[i];
		char pid[16], command[HOST_NAME];
		int now = 0;

		if (!device->bound && !device->override[0])
			continue;
		if (!work->host->ops->privileged(work->host->opaque))
			now = bind_refuse(change, -EPERM,
					  "only root can change a device's driver\n"
					  "sudo cxvm host unbind %s",
					  change->address);
		else if (device->bound && find_user(work->host, device, pid, command))
			now = bind_refuse(change, -EBUSY,
					  "process %s (%s) uses it\n"
					  "end that process, or take the device out of its machine",
					  pid, command);
		if (now && !first)
			first = now;
	}
	return first;
}

int host_unbind(const struct host *host, const char *const *devices, size_t count,
		struct host_change *changes)
{
	struct bind_work work = {.host = host, .count = count, .changes = changes};
	int result = work_begin(&work, devices);

	if (!result)
		result = unbind_judge(&work);
	if (result)
		return work_end(&work, result);
	for (size_t i = 0; i < count; i++) {
		const struct host_device *device = work_device(&work, i);
		int now;

		if (!device->bound && !device->override[0]) {
			changes[i].outcome = HOST_ALREADY;
			continue;
		}
		now = change_driver(host, &changes[i], "");
		if (now)
			bind_refuse(&changes[i], now,
				    "the kernel does not let go of it: %s\n"
				    "end what uses it; the kernel log may say more",
				    strerror(-now));
		if (now && !result)
			result = now;
	}
	host_inventory_free(&work.inventory);
	return result;
}
