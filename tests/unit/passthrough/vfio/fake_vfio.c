/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_vfio.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>

#include "wire/iommufd.h"

#define FIRST_FD  100
#define FIRST_DEV 40 /* iommufd's number of device 0 */

struct fake_vfio fake_vfio;

static const struct {
	const char *bdf;
	int group;
	uint16_t bus;
	uint8_t devfn;
} devices[FAKE_VFIO_DEVICES] = {
	{"0000:17:00.0", 7, 0x17, 0},
	{"0000:17:00.1", 7, 0x17, 1},
	{"0000:18:00.0", 8, 0x18, 0},
	{"0000:19:00.0", 9, 0x19, 0},
};

/* Numbers that stand for the same file, by index. */
static int alias[FAKE_VFIO_FILES];

void fake_vfio_reset(bool cdev)
{
	memset(&fake_vfio, 0, sizeof(fake_vfio));
	fake_vfio.cdev = cdev;
	fake_vfio.fail_after = -1;
	fake_vfio.fail_error = -EIO;
	for (unsigned int i = 0; i < FAKE_VFIO_FILES; i++)
		alias[i] = (int)i;
}

static struct fake_vfio_file *file_of(int fd)
{
	cr_assert(fd >= FIRST_FD && fd < FIRST_FD + (int)FAKE_VFIO_FILES, "descriptor %d", fd);
	return &fake_vfio.files[alias[fd - FIRST_FD]];
}

static struct fake_vfio_file *file_of_kind(int fd, enum fake_vfio_kind kind)
{
	struct fake_vfio_file *file = file_of(fd);

	cr_assert_eq(file->kind, kind, "descriptor %d is a %d, not a %d", fd, file->kind, kind);
	return file;
}

static int new_file(enum fake_vfio_kind kind, int number)
{
	for (unsigned int i = 0; i < FAKE_VFIO_FILES; i++) {
		if (fake_vfio.files[i].kind)
			continue;
		fake_vfio.files[i] = (struct fake_vfio_file){kind, number, -1, -1};
		alias[i] = (int)i;
		return FIRST_FD + (int)i;
	}
	cr_assert(false, "too many files");
	return -EMFILE;
}

static int new_space(bool has_iommu, int iommufd)
{
	for (int i = 0; i < 8; i++) {
		if (fake_vfio.spaces[i].there)
			continue;
		fake_vfio.spaces[i] = (struct fake_vfio_space){
			.there = true, .has_iommu = has_iommu, .iommufd = iommufd};
		return i;
	}
	cr_assert(false, "too many spaces");
	return -1;
}

static bool is_open(enum fake_vfio_kind kind, int number)
{
	for (unsigned int i = 0; i < FAKE_VFIO_FILES; i++)
		if (fake_vfio.files[i].kind == kind && fake_vfio.files[i].number == number)
			return true;
	return false;
}

unsigned int fake_vfio_open_files(enum fake_vfio_kind kind)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < FAKE_VFIO_FILES; i++)
		count += fake_vfio.files[i].kind && (!kind || fake_vfio.files[i].kind == kind);
	return count;
}

unsigned int fake_vfio_spaces(void)
{
	unsigned int count = 0;

	for (int i = 0; i < 8; i++)
		count += fake_vfio.spaces[i].there;
	return count;
}

uint64_t fake_vfio_pinned(void)
{
	uint64_t pinned = 0;

	for (int i = 0; i < 8; i++)
		for (unsigned int j = 0; fake_vfio.spaces[i].there && j < FAKE_VFIO_RANGES; j++)
			if (!fake_vfio.spaces[i].ranges[j].device_memory)
				pinned += fake_vfio.spaces[i].ranges[j].size;
	return pinned;
}

unsigned int fake_vfio_windows(void)
{
	unsigned int windows = 0;

	for (int i = 0; i < 8; i++)
		for (unsigned int j = 0; fake_vfio.spaces[i].there && j < FAKE_VFIO_RANGES; j++)
			windows += fake_vfio.spaces[i].ranges[j].size &&
				   fake_vfio.spaces[i].ranges[j].device_memory;
	return windows;
}

int fake_vfio_hand_in(int number)
{
	return new_file(number ? FAKE_VFIO_GROUP : FAKE_VFIO_IOMMUFD, number);
}

int fake_vfio_duplicate(int fd)
{
	int other = new_file(file_of(fd)->kind, file_of(fd)->number);

	alias[other - FIRST_FD] = alias[fd - FIRST_FD];
	return other;
}

static bool call_fails(void)
{
	fake_vfio.calls++;
	if (fake_vfio.fail_after < 0 || fake_vfio.fail_after-- > 0)
		return false;
	fake_vfio.fail_after = -1;
	fake_vfio.hit = true;
	return true;
}

static int fake_open(void *opaque, const char *path, int flags)
{
	enum fake_vfio_kind kind;
	int number = 0, fd;

	(void)opaque;
	(void)flags;
	if (call_fails())
		return fake_vfio.fail_error;
	if (!strcmp(path, "/dev/vfio/vfio"))
		kind = FAKE_VFIO_CONTAINER;
	else if (!strcmp(path, "/dev/iommu"))
		kind = FAKE_VFIO_IOMMUFD;
	else if (sscanf(path, "/dev/vfio/devices/vfio%d", &number) == 1)
		kind = FAKE_VFIO_DEVICE;
	else if (sscanf(path, "/dev/vfio/%d", &number) == 1)
		kind = FAKE_VFIO_GROUP;
	else
		return -ENOENT;
	if ((kind == FAKE_VFIO_DEVICE || kind == FAKE_VFIO_GROUP) && is_open(kind, number))
		return -EBUSY;
	fd = new_file(kind, number);
	if (kind == FAKE_VFIO_CONTAINER)
		file_of(fd)->space = new_space(false, -1);
	return fd;
}

/* The last number of a file is gone. */
static void last_close(struct fake_vfio_file *file)
{
	struct fake_vfio_space *space = file->space >= 0 ? &fake_vfio.spaces[file->space] : NULL;

	switch (file->kind) {
	case FAKE_VFIO_CONTAINER:
		cr_expect_eq(space->attached, 0, "a container is closed after its groups");
		space->there = false;
		break;
	case FAKE_VFIO_GROUP:
		for (unsigned int i = 0; i < FAKE_VFIO_DEVICES; i++)
			cr_expect(devices[i].group != file->number ||
					  !is_open(FAKE_VFIO_DEVICE, (int)i),
				  "a group is closed after its devices");
		if (space && !--space->attached)
			memset(space->ranges, 0, sizeof(space->ranges));
		break;
	case FAKE_VFIO_DEVICE:
		if (space && space->iommufd >= 0)
			space->attached--;
		break;
	case FAKE_VFIO_IOMMUFD:
		for (int i = 0; i < 8; i++)
			if (fake_vfio.spaces[i].iommufd == file->number &&
			    fake_vfio.spaces[i].there && file->number)
				fake_vfio.spaces[i].there = false;
		break;
	case FAKE_VFIO_CLOSED:
	case FAKE_VFIO_DMA_BUF:
	case FAKE_VFIO_REPLACED:
	default:
		break;
	}
}

static int fake_close(void *opaque, int fd)
{
	struct fake_vfio_file *file = file_of(fd);
	int index = fd - FIRST_FD;
	int same = 0;

	(void)opaque;
	cr_assert_neq(fake_vfio.files[index].kind, FAKE_VFIO_CLOSED, "%d is closed twice", fd);
	for (unsigned int i = 0; i < FAKE_VFIO_FILES; i++)
		same += fake_vfio.files[i].kind && alias[i] == alias[index];
	if (same == 1) {
		last_close(file);
	} else if (alias[index] == index) {
		/* The record moves to another number of the file. */
		for (int i = 0, heir = -1; i < (int)FAKE_VFIO_FILES; i++) {
			if (i == index || !fake_vfio.files[i].kind || alias[i] != index)
				continue;
			if (heir < 0) {
				heir = i;
				fake_vfio.files[i] = *file;
			}
			alias[i] = heir;
		}
	}
	fake_vfio.files[index].kind = FAKE_VFIO_CLOSED;
	alias[index] = index;
	return 0;
}

static int fake_replace(void *opaque, int fd, int with)
{
	(void)with;
	fake_close(opaque, fd);
	fake_vfio.files[fd - FIRST_FD] = (struct fake_vfio_file){FAKE_VFIO_REPLACED, 0, -1, -1};
	return 0;
}

static int fake_same_file(void *opaque, int fd, int other)
{
	(void)opaque;
	return file_of(fd) == file_of(other);
}

static int set_container(struct fake_vfio_file *group, int container_fd)
{
	struct fake_vfio_file *container = file_of_kind(container_fd, FAKE_VFIO_CONTAINER);
	struct fake_vfio_space *space = &fake_vfio.spaces[container->space];

	if (group->space >= 0)
		return -EBUSY;
	for (unsigned int i = 0; i < FAKE_VFIO_DEVICES; i++)
		if (devices[i].group == group->number && fake_vfio.alone[i] && space->attached)
			return -EINVAL;
	group->space = container->space;
	space->attached++;
	return 0;
}

static int open_device(const struct fake_vfio_file *group, const char *bdf)
{
	cr_assert(group->space >= 0 && fake_vfio.spaces[group->space].has_iommu);
	for (unsigned int i = 0; i < FAKE_VFIO_DEVICES; i++) {
		if (strcmp(devices[i].bdf, bdf) != 0)
			continue;
		cr_assert_eq(devices[i].group, group->number);
		if (is_open(FAKE_VFIO_DEVICE, (int)i))
			return -EBUSY;
		return new_file(FAKE_VFIO_DEVICE, (int)i);
	}
	return -ENODEV;
}

static int attach_ioas(struct fake_vfio_file *device, uint32_t id)
{
	struct fake_vfio_space *space = &fake_vfio.spaces[id - 1];

	cr_assert(id >= 1 && id <= 8 && space->there);
	cr_assert_eq(space->iommufd, device->iommufd, "an IOAS of another iommufd");
	if (fake_vfio.alone[device->number] && space->attached)
		return -EINVAL;
	device->space = (int)id - 1;
	space->attached++;
	return 0;
}

static int map(struct fake_vfio_space *space, uint64_t address, uint64_t size, bool device_memory)
{
	struct fake_vfio_range *room = NULL;

	cr_assert(space->there && size);
	for (unsigned int i = 0; i < FAKE_VFIO_RANGES; i++) {
		struct fake_vfio_range *range = &space->ranges[i];

		if (range->size && address < range->address + range->size &&
		    range->address < address + size)
			return -EEXIST;
		if (!range->size)
			room = range;
	}
	cr_assert_not_null(room);
	*room = (struct fake_vfio_range){address, size, device_memory};
	return 0;
}

static int unmap(struct fake_vfio_space *space, uint64_t address, uint64_t size)
{
	for (unsigned int i = 0; i < FAKE_VFIO_RANGES; i++) {
		if (space->ranges[i].address != address || space->ranges[i].size != size)
			continue;
		space->ranges[i].size = 0;
		return 0;
	}
	cr_expect(false, "%lx is not mapped", (unsigned long)address);
	return -ENOENT;
}

static int group_ioctl(struct fake_vfio_file *file, unsigned long request, void *argument)
{
	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		((struct vfio_group_status *)argument)->flags =
			VFIO_GROUP_FLAGS_VIABLE |
			(file->space >= 0 ? VFIO_GROUP_FLAGS_CONTAINER_SET : 0);
		return 0;
	case VFIO_GROUP_SET_CONTAINER:
		return set_container(file, *(int *)argument);
	case VFIO_GROUP_UNSET_CONTAINER:
		cr_assert_geq(file->space, 0);
		if (!--fake_vfio.spaces[file->space].attached)
			memset(fake_vfio.spaces[file->space].ranges, 0,
			       sizeof(fake_vfio.spaces[file->space].ranges));
		file->space = -1;
		return 0;
	case VFIO_GROUP_GET_DEVICE_FD:
		return open_device(file, argument);
	default:
		return -ENOTTY;
	}
}

static int container_ioctl(struct fake_vfio_file *file, unsigned long request, void *argument)
{
	struct fake_vfio_space *space = &fake_vfio.spaces[file->space];

	switch (request) {
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION:
		return (uintptr_t)argument == VFIO_TYPE1v2_IOMMU;
	case VFIO_SET_IOMMU:
		cr_assert_gt(space->attached, 0);
		if (space->has_iommu)
			return -EINVAL;
		space->has_iommu = true;
		return 0;
	case VFIO_IOMMU_MAP_DMA: {
		const struct vfio_iommu_type1_dma_map *dma = argument;

		return map(space, dma->iova, dma->size, dma->iova >= 1ull << 40);
	}
	case VFIO_IOMMU_UNMAP_DMA: {
		const struct vfio_iommu_type1_dma_unmap *dma = argument;

		return unmap(space, dma->iova, dma->size);
	}
	default:
		return -ENOTTY;
	}
}

/* An open file of iommufd is known by its first number. */
static int iommufd_ioctl_fake(int fd, unsigned long request, void *argument)
{
	struct fake_vfio_file *file = file_of(fd);
	int self = (int)(file - fake_vfio.files) + FIRST_FD;

	switch (request) {
	case IOMMUFD_IOAS_ALLOC:
		file->number = self;
		((struct iommufd_ioas_alloc *)argument)->out_ioas_id =
			(uint32_t)new_space(true, self) + 1;
		return 0;
	case IOMMUFD_DESTROY: {
		struct fake_vfio_space *space =
			&fake_vfio.spaces[((struct iommufd_destroy *)argument)->id - 1];

		cr_expect_eq(space->attached, 0, "an IOAS goes after its devices");
		space->there = false;
		return 0;
	}
	case IOMMUFD_IOAS_MAP: {
		const struct iommufd_ioas_map *dma = argument;

		return map(&fake_vfio.spaces[dma->ioas_id - 1], dma->iova, dma->length, false);
	}
	case IOMMUFD_IOAS_MAP_FILE: {
		const struct iommufd_ioas_map_file *dma = argument;

		file_of_kind(dma->fd, FAKE_VFIO_DMA_BUF);
		return map(&fake_vfio.spaces[dma->ioas_id - 1], dma->iova, dma->length, true);
	}
	case IOMMUFD_IOAS_UNMAP: {
		const struct iommufd_ioas_unmap *dma = argument;

		return unmap(&fake_vfio.spaces[dma->ioas_id - 1], dma->iova, dma->length);
	}
	default:
		return -ENOTTY;
	}
}

static int hot_reset_info(const struct fake_vfio_file *file, struct vfio_pci_hot_reset_info *info)
{
	bool by_id = file->iommufd >= 0;

	info->flags = by_id ? VFIO_HOT_RESET_DEV_ID | VFIO_HOT_RESET_DEV_ID_OWNED : 0;
	info->count = fake_vfio.hot_reset_count;
	for (uint32_t i = 0; i < info->count; i++) {
		uint32_t hit = fake_vfio.hot_reset[i];

		info->devices[i] = (struct vfio_pci_dependent_device){
			.group_id = (uint32_t)devices[hit].group,
			.bus = (uint8_t)devices[hit].bus,
			.devfn = devices[hit].devfn,
		};
		if (by_id)
			info->devices[i].group_id = is_open(FAKE_VFIO_DEVICE, (int)hit)
							    ? FIRST_DEV + hit
							    : VFIO_HOT_RESET_UNOPENED;
	}
	return 0;
}

static int device_ioctl(struct fake_vfio_file *file, unsigned long request, void *argument)
{
	switch (request) {
	case VFIO_CDEV_BIND_IOMMUFD: {
		struct vfio_cdev_bind *bind = argument;

		cr_assert_eq(file->iommufd, -1, "bound twice");
		file->iommufd =
			(int)(file_of_kind(bind->iommufd, FAKE_VFIO_IOMMUFD) - fake_vfio.files) +
			FIRST_FD;
		bind->out_devid = FIRST_DEV + (uint32_t)file->number;
		return 0;
	}
	case VFIO_CDEV_ATTACH_IOMMUFD_PT:
		return attach_ioas(file, ((struct vfio_cdev_attach *)argument)->pt_id);
	case VFIO_DEVICE_FEATURE:
		return new_file(FAKE_VFIO_DMA_BUF, file->number);
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
		return hot_reset_info(file, argument);
	case VFIO_DEVICE_PCI_HOT_RESET: {
		const struct vfio_pci_hot_reset *reset = argument;

		for (uint32_t i = 0; i < reset->count; i++)
			file_of_kind(reset->group_fds[i], FAKE_VFIO_GROUP);
		fake_vfio.hot_reset_groups = reset->count;
		fake_vfio.hot_resets++;
		return 0;
	}
	default:
		return -ENOTTY;
	}
}

static int fake_ioctl(void *opaque, int fd, unsigned long request, void *argument)
{
	struct fake_vfio_file *file = file_of(fd);

	(void)opaque;
	/* Cleaning up does not fail. */
	if (request != VFIO_IOMMU_UNMAP_DMA && request != VFIO_GROUP_UNSET_CONTAINER &&
	    request != IOMMUFD_IOAS_UNMAP && request != IOMMUFD_DESTROY && call_fails())
		return fake_vfio.fail_error;
	switch (file->kind) {
	case FAKE_VFIO_GROUP:
		return group_ioctl(file, request, argument);
	case FAKE_VFIO_CONTAINER:
		return container_ioctl(file, request, argument);
	case FAKE_VFIO_IOMMUFD:
		return iommufd_ioctl_fake(fd, request, argument);
	case FAKE_VFIO_DEVICE:
		return device_ioctl(file, request, argument);
	case FAKE_VFIO_CLOSED:
	case FAKE_VFIO_DMA_BUF:
	case FAKE_VFIO_REPLACED:
	default:
		cr_expect(false, "ioctl %lx on %d", request, fd);
		return -EBADF;
	}
}

static ssize_t fake_readlink(void *opaque, const char *path, char *target, size_t size)
{
	(void)opaque;
	for (unsigned int i = 0; i < FAKE_VFIO_DEVICES; i++) {
		if (!strstr(path, devices[i].bdf))
			continue;
		if (strstr(path, "iommu_group"))
			return snprintf(target, size, "../iommu_groups/%d", devices[i].group);
		return snprintf(target, size, "../%s",
				strstr(path, "driver") ? "drivers/vfio-pci" : "pci");
	}
	return -ENOENT;
}

static int fake_find(void *opaque, const char *path, const char *prefix, char *name, size_t size)
{
	(void)opaque;
	(void)prefix;
	if (!fake_vfio.cdev)
		return -ENOENT;
	snprintf(name, size, "iommu");
	for (unsigned int i = 0; i < FAKE_VFIO_DEVICES; i++)
		if (strstr(path, devices[i].bdf))
			snprintf(name, size, "vfio%u", i);
	return 0;
}

const struct vfio_system_ops fake_vfio_system = {
	.open = fake_open,
	.close = fake_close,
	.replace = fake_replace,
	.same_file = fake_same_file,
	.ioctl = fake_ioctl,
	.readlink = fake_readlink,
	.find_entry = fake_find,
};
