/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "passthrough/host/files.h"

/* @text is "what\nfix". */
static void __attribute__((format(printf, 2, 3)))
judge_add(struct host_device *device, const char *text, ...)
{
	char both[2 * HOST_TEXT];
	struct host_problem *problem;
	va_list arguments;
	char *fix;

	if (device->problem_count >= HOST_PROBLEMS)
		return;
	problem = &device->problems[device->problem_count++];
	va_start(arguments, text);
	vsnprintf(both, sizeof(both), text, arguments);
	va_end(arguments);
	fix = strchr(both, '\n');
	if (fix)
		*fix++ = '\0';
	snprintf(problem->what, sizeof(problem->what), "%.*s", (int)HOST_TEXT - 1, both);
	snprintf(problem->fix, sizeof(problem->fix), "%.*s", (int)HOST_TEXT - 1, fix ? fix : "");
}

/*
 * Drivers that the kernel tolerates beside VFIO in a group: they do no DMA, or none that is not
 * given to them by the devices below (driver_managed_dma in the kernel).
 */
static bool driver_is_tolerated(const char *driver)
{
	return !driver[0] || strstr(driver, "vfio") || !strcmp(driver, "pcieport") ||
	       !strcmp(driver, "pci-stub") || !strcmp(driver, "pci-pf-stub");
}

static bool listed(const char *address, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(address, list[i]))
			return true;
	return false;
}

static void judge_group(struct host_device *device, const struct host_inventory *inventory,
			const char *const *leave, size_t leave_count)
{
	char members[HOST_TEXT / 2] = "", fix[HOST_TEXT / 2] = "";
	size_t used = 0, fix_used = 0;

	if (device->iommu_group < 0) {
		judge_add(device, "no IOMMU group: its DMA would reach all of the host's memory\n"
				  "turn the IOMMU on (see cxvm host check)");
		return;
	}
	for (size_t i = 0; i < inventory->count; i++) {
		const struct host_device *other = &inventory->devices[i];

		if (other->iommu_group != device->iommu_group ||
		    !strcmp(other->address, device->address) ||
		    driver_is_tolerated(other->driver) ||
		    listed(other->address, leave, leave_count))
			continue;
		/* Large groups: as many as fit. */
		if (used + 40 < sizeof(members))
			used += (size_t)snprintf(members + used, sizeof(members) - used,
						 "%s%s (%.16s)", used ? ", " : "", other->address,
						 other->driver);
		if (fix_used + 20 < sizeof(fix))
			fix_used += (size_t)snprintf(fix + fix_used, sizeof(fix) - fix_used, " %s",
						     other->address);
	}
	if (used)
		judge_add(device,
			  "IOMMU group %d has devices that the host uses: %s\n"
			  "give all of the group to VFIO: cxvm host bind %s%s; or move the card to "
			  "another slot",
			  device->iommu_group, members, device->address, fix);
}

struct judge_users {
	const struct host *host;
	struct host_device *device;
};

#define IFF_UP_FLAG 1u

static int judge_net(void *opaque, const char *name)
{
	struct judge_users *users = opaque;
	char path[HOST_PATH];

	host_path(users->host, path, "/sys/class/net/%s", name);
	if (!host_link_has(path, users->device->address))
		return 0;
	host_path(users->host, path, "/sys/class/net/%s/flags", name);
	if (host_read_number(path, 0) & IFF_UP_FLAG)
		judge_add(users->device,
			  "the host uses it: network interface %s is up\n"
			  "ip link set %s down",
			  name, name);
	return 0;
}

/* Whether @name ("8:1") is the source of a mounted filesystem (proc(5), mountinfo). */
static bool is_mounted(const struct host *host, const char *name)
{
	char path[HOST_PATH], line[1024], number[32];
	bool found = false;
	FILE *file;

	host_path(host, path, "/proc/self/mountinfo");
	file = fopen(path, "re");
	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%*d %*d %31s", number) == 1 && !strcmp(number, name);
	if (file)
		fclose(file);
	return found;
}

static bool is_swap(const struct host *host, const char *name)
{
	char path[HOST_PATH], line[1024], wanted[80];
	bool found = false;
	FILE *file;

	snprintf(wanted, sizeof(wanted), "/dev/%.64s ", name);
	host_path(host, path, "/proc/swaps");
	file = fopen(path, "re");
	while (file && !found && fgets(line, sizeof(line), file))
		found = !strncmp(line, wanted, strlen(wanted));
	if (file)
		fclose(file);
	return found;
}

static int any_entry(void *opaque, const char *name)
{
	(void)opaque;
	(void)name;
	return 1;
}

/* An NVMe namespace with several paths hangs below a subsystem, which links to its controllers. */
struct judge_controllers {
	const char *folder;
	const char *address;
};

static int controller_is_ours(void *opaque, const char *name)
{
	const struct judge_controllers *controllers = opaque;
	char path[HOST_PATH];
	int length = snprintf(path, sizeof(path), "%s/%s", controllers->folder, name);

	return !strncmp(name, "nvme", 4) && length > 0 && (size_t)length < sizeof(path) &&
	       host_link_has(path, controllers->address);
}

static bool block_is_ours(const struct host *host, const char *address, const char *name)
{
	struct judge_controllers controllers = {.address = address};
	char path[HOST_PATH];

	host_path(host, path, "/sys/class/block/%s", name);
	if (host_link_has(path, address))
		return true;
	host_path(host, path, "/sys/class/block/%s/device", name);
	controllers.folder = path;
	return !strncmp(name, "nvme", 4) && host_each(path, controller_is_ours, &controllers) > 0;
}

static int judge_block(void *opaque, const char *name)
{
	struct judge_users *users = opaque;
	char path[HOST_PATH], number[32];

	if (!block_is_ours(users->host, users->device->address, name))
		return 0;
	host_path(users->host, path, "/sys/class/block/%s/dev", name);
	host_read_line(path, number, sizeof(number));
	if (number[0] && is_mounted(users->host, number))
		judge_add(users->device,
			  "the host uses it: a filesystem on /dev/%s is mounted\n"
			  "umount /dev/%s",
			  name, name);
	else if (is_swap(users->host, name))
		judge_add(users->device,
			  "the host uses it: it swaps to /dev/%s\n"
			  "swapoff /dev/%s",
			  name, name);
	host_path(users->host, path, "/sys/class/block/%s/holders", name);
	if (host_each(path, any_entry, NULL) > 0)
		judge_add(users->device,
			  "the host uses it: another block device (RAID, LVM, dm-crypt) lies on "
			  "/dev/%s\nstop that device first; lsblk shows it",
			  name);
	return 0;
}

static void judge_users_of(const struct host *host, struct host_device *device)
{
	struct judge_users users = {.host = host, .device = device};
	char path[HOST_PATH];

	if (!device->driver[0] || device->bound)
		return;
	host_path(host, path, "/sys/class/net");
	host_each(path, judge_net, &users);
	host_path(host, path, "/sys/class/block");
	host_each(path, judge_block, &users);
}

static void judge_one(const struct host *host, const struct host_inventory *inventory,
		      struct host_device *device, const char *const *leave, size_t leave_count)
{
	device->problem_count = 0;
	if (device->kind == HOST_KIND_BRIDGE) {
		judge_add(device, "a bridge cannot be passed through\n"
				  "pass the devices below it");
		return;
	}
	if (!device->cxl.known)
		judge_add(device, "its configuration space cannot be read, so that nothing is "
				  "known about CXL\nrun cxvm as root");
	if (device->cxl.problem && !strcmp(device->wanted_driver, HOST_DRIVER_CXL))
		judge_add(device,
			  "%s\n"
			  "update the device's firmware; as an ordinary PCI device: cxvm host bind "
			  "--driver " HOST_DRIVER_PLAIN " %s",
			  device->cxl.problem, device->address);
	if (!strcmp(device->scrub_state, "failed"))
		judge_add(device,
			  "its memory could not be cleared after its last user: nobody gets it\n"
			  "see why in the kernel's log; echo 1 > "
			  "/sys/bus/pci/devices/%s/cxl_vfio/scrub tries again",
			  device->address);
	judge_group(device, inventory, leave, leave_count);
	if (device->virtual_functions)
		judge_add(device,
			  "%" PRIu32 " virtual functions of it exist, they would vanish\n"
			  "pass one of them, or: echo 0 > "
			  "/sys/bus/pci/devices/%s/sriov_numvfs",
			  device->virtual_functions, device->address);
	judge_users_of(host, device);
	if (!device->bound && !host_exists(host, "/sys/bus/pci/drivers/%s", device->wanted_driver))
		judge_add(device,
			  "the driver %s is not loaded\n"
			  "modprobe %s",
			  device->wanted_driver, device->wanted_driver);
}

void host_judge(const struct host *host, struct host_inventory *inventory, const char *const *leave,
		size_t leave_count)
{
	for (size_t i = 0; i < inventory->count; i++)
		judge_one(host, inventory, &inventory->devices[i], leave, leave_count);
}
