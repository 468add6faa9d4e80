/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fake_vfio.h"
#include "passthrough/iommu/address_space.h"
#include "passthrough/iommu/spaces.h"

#define MIB    (1ull << 20)
#define RAM    (96 * MIB)
#define WINDOW (1ull << 40)

static const struct guest_ram_block ram[] = {
	{.gpa = 0, .size = 64 * MIB},
	{.gpa = 1ull << 32, .size = 32 * MIB},
};

static struct iommu_spaces *spaces;
static struct vfio_transport *one, *two, *three;
static unsigned int errors;

static void on_log(void *opaque, enum log_level level, const char *object, const char *message)
{
	(void)opaque;
	(void)object;
	(void)message;
	errors += level == LOG_LEVEL_ERROR;
}

static const struct logger logger = {.callback = on_log, .level = LOG_LEVEL_DEBUG};

static struct vfio_kernel_options options_of(const char *host)
{
	return (struct vfio_kernel_options){
		.transport = {.name = host, .logger = &logger},
		.host = host,
		.device_fd = -1,
		.group_fd = -1,
		.container_fd = -1,
		.iommufd_fd = -1,
		.spaces = spaces,
		.system = &fake_vfio_system,
	};
}

static int try_open(const char *host, struct vfio_transport **transport)
{
	struct vfio_kernel_options options = options_of(host);

	return vfio_kernel_open(&options, transport);
}

static struct vfio_transport *open_one(const char *host)
{
	struct vfio_transport *transport = NULL;

	cr_assert_eq(try_open(host, &transport), 0);
	return transport;
}

static void close_one(struct vfio_transport *transport)
{
	transport->ops->close(transport);
}

static void hold(const struct vfio_transport *transport)
{
	size_t failed;

	cr_assert_eq(address_space_hold_ram(transport->space, ram, 2, &failed), 0);
}

static void drop(const struct vfio_transport *transport)
{
	address_space_drop_ram(transport->space, ram, 2);
}

static void begin(bool cdev)
{
	fake_vfio_reset(cdev);
	errors = 0;
	cr_assert_eq(iommu_spaces_create(&spaces), 0);
}

static void end(void)
{
	cr_expect_eq(fake_vfio_open_files(FAKE_VFIO_CLOSED), 0u);
	cr_expect_eq(fake_vfio_spaces(), 0u);
	iommu_spaces_destroy(spaces);
}

#define BOTH_WAYS(cdev) for (int cdev = 0; cdev < 2; cdev++)

Test(iommu_spaces, two_devices_one_space_one_pin)
{
	BOTH_WAYS(cdev)
	{
		begin(cdev);
		one = open_one("0000:17:00.0");
		two = open_one("0000:18:00.0");
		cr_expect_eq(one->space, two->space);
		cr_expect_str_eq(one->space->ops->name, cdev ? "ioas" : "type1");
		cr_expect(address_space_is_shared(one->space));
		cr_expect_eq(fake_vfio_spaces(), 1u);
		cr_expect_eq(address_space_ram_to_pin(one->space, RAM), RAM);
		hold(one);
		cr_expect_eq(fake_vfio_pinned(), RAM);
		cr_expect_eq(address_space_ram_to_pin(two->space, RAM), RAM, "counts once");
		fake_vfio.calls = 0;
		hold(two);
		cr_expect_eq(fake_vfio.calls, 0u, "it is there");
		cr_expect_eq(fake_vfio_pinned(), RAM);
		drop(one);
		cr_expect_eq(fake_vfio_pinned(), RAM);
		drop(two);
		cr_expect_eq(fake_vfio_pinned(), 0u);
		close_one(one);
		close_one(two);
		end();
	}
}

Test(iommu_spaces, removal_in_both_orders)
{
	for (int i = 0; i < 4; i++) {
		struct vfio_transport *first, *second;

		begin(i & 1);
		one = open_one("0000:17:00.0");
		two = open_one("0000:18:00.0");
		hold(one);
		hold(two);
		first = i & 2 ? one : two;
		second = i & 2 ? two : one;
		drop(first);
		close_one(first);
		cr_expect_eq(fake_vfio_pinned(), RAM);
		cr_expect_eq(fake_vfio_open_files(FAKE_VFIO_DEVICE), 1u);
		cr_expect_not(address_space_is_shared(second->space));
		/* A third device meets the one that is left. */
		three = open_one("0000:19:00.0");
		cr_expect_eq(three->space, second->space);
		close_one(three);
		drop(second);
		close_one(second);
		cr_expect_eq(errors, 0u);
		end();
	}
}

Test(iommu_spaces, two_functions_of_one_group)
{
	for (int i = 0; i < 2; i++) {
		begin(false);
		one = open_one("0000:17:00.0");
		fake_vfio.calls = 0;
		two = open_one("0000:17:00.1");
		cr_expect_eq(fake_vfio.calls, 1u, "the device, from the same group");
		cr_expect_eq(fake_vfio_open_files(FAKE_VFIO_GROUP), 1u);
		cr_expect_eq(fake_vfio_open_files(FAKE_VFIO_CONTAINER), 1u);
		cr_expect_eq(one->space, two->space);
		hold(one);
		hold(two);
		cr_expect_eq(fake_vfio_pinned(), RAM);
		drop(i ? one : two);
		close_one(i ? one : two);
		cr_expect_eq(fake_vfio_open_files(FAKE_VFIO_GROUP), 1u);
		cr_expect_eq(fake_vfio_pinned(), RAM);
		drop(i ? two : one);
		close_one(i ? two : one);
		end();
	}
}

Test(iommu_spaces, two_functions_of_one_group_by_character_device)
{
	begin(true);
	one = open_one("0000:17:00.0");
	two = open_one("0000:17:00.1");
	cr_expect_eq(fake_vfio_open_files(FAKE_VFIO_IOMMUFD), 1u);
	cr_expect_eq(one->space, two->space);
	close_one(one);
	close_one(two);
	end();
}

Test(iommu_spaces, a_refused_attach_makes_a_second_space)
{
	BOTH_WAYS(cdev)
	{
		begin(cdev);
		fake_vfio.alone[2] = true;
		one = open_one("0000:17:00.0");
		two = open_one("0000:18:00.0");
		three = open_one("0000:19:00.0");
		cr_expect_neq(one->space, two->space);
		cr_expect_eq(errors, 0u, "that is no error");
		cr_expect_eq(fake_vfio_spaces(), 2u);
		cr_expect_eq(fake_vfio_open_files(FAKE_VFIO_IOMMUFD), cdev ? 1u : 0u);
		hold(one);
		cr_expect_eq(address_space_ram_to_pin(two->space, RAM), 2 * RAM);
		hold(two);
		cr_expect_eq(fake_vfio_pinned(), 2 * RAM);
		hold(three);
		cr_expect_eq(fake_vfio_pinned(), 2 * RAM);
		drop(one);
		drop(two);
		drop(three);
		close_one(one);
		close_one(two);
		close_one(three);
		end();
	}
}

/* A window is its device's, and everybody's who is in the space. */
Test(iommu_spaces, windows_in_a_shared_space)
{
	struct address_space_range window = {.address = WINDOW, .size = MIB, .device_memory = true};

	BOTH_WAYS(cdev)
	{
		begin(cdev);
		one = open_one("0000:17:00.0");
		two = open_one("0000:18:00.0");
		hold(one);
		for (int i = 0; i < 2; i++) {
			/* As vfio_transport_ops.map has it: the device's own descriptor. */
			window.fd = -1;
			for (int fd = 100; fd < 100 + (int)FAKE_VFIO_FILES; fd++)
				if (fake_vfio.files[fd - 100].kind == FAKE_VFIO_DEVICE &&
				    fake_vfio.files[fd - 100].number == (i ? 2 : 0))
					window.fd = fd;
			window.address = WINDOW + (uint64_t)i * MIB;
			cr_expect_eq(address_space_map((i ? two : one)->space, &window), 0);
		}
		cr_expect_eq(fake_vfio_windows(), 2u);
		cr_expect_eq(address_space_map(two->space, &window), -EEXIST);
		cr_expect_eq(address_space_unmap(one->space, WINDOW, MIB), 0);
		drop(one);
		close_one(one);
		cr_expect_eq(fake_vfio_windows(), 1u);
		cr_expect_eq(address_space_unmap(two->space, WINDOW + MIB, MIB), 0);
		close_one(two);
		end();
	}
}

/* The host takes one of them back: the others go on, and nobody joins what is gone. */
Test(iommu_spaces, one_is_given_back)
{
	for (int i = 0; i < 4; i++) {
		bool cdev = i & 1, same_group = i & 2;

		begin(cdev);
		one = open_one("0000:17:00.0");
		two = open_one(same_group ? "0000:17:00.1" : "0000:18:00.0");
		hold(one);
		hold(two);
		one->ops->release(one);
		drop(one);
		cr_expect_eq(fake_vfio_pinned(), RAM);
		cr_expect_eq(fake_vfio_open_files(FAKE_VFIO_DEVICE), 1u);
		cr_expect_eq(one->ops->reset(one), -ENODEV);
		two->ops->release(two);
		fake_vfio.calls = 0;
		drop(two);
		cr_expect_eq(fake_vfio.calls, 0u, "it went with the space");
		cr_expect_eq(fake_vfio_open_files(FAKE_VFIO_CLOSED),
			     fake_vfio_open_files(FAKE_VFIO_REPLACED), "their numbers stay taken");
		cr_expect_eq(fake_vfio_pinned(), 0u);
		/* A new device finds nothing to share. */
		three = open_one("0000:17:00.0");
		cr_expect_neq(three->space, one->space);
		close_one(three);
		close_one(i & 1 ? one : two);
		close_one(i & 1 ? two : one);
		end();
	}
}

/* Each call of opening the second device fails once, and of mapping RAM for it. */
Test(iommu_spaces, every_failing_call_fails_cleanly)
{
	for (int i = 0; i < 16; i++) {
		bool cdev = i & 1, with_first = i & 2, same_group = i & 4, alone = i & 8;
		const char *host = same_group ? "0000:17:00.1" : "0000:18:00.0";
		bool again = true;

		for (int after = 0; again; after++) {
			unsigned int files;
			size_t failed = 0;
			int result;

			begin(cdev);
			fake_vfio.alone[1] = fake_vfio.alone[2] = alone && !same_group;
			if (with_first)
				one = open_one("0000:17:00.0");
			if (with_first)
				hold(one);
			files = fake_vfio_open_files(FAKE_VFIO_CLOSED);
			fake_vfio.fail_after = after;
			result = try_open(host, &two);
			if (!result) {
				result = address_space_hold_ram(two->space, ram, 2, &failed);
				if (!result)
					drop(two);
				else
					cr_expect_eq(result, -EIO);
				cr_expect_eq(fake_vfio_pinned(), with_first ? RAM : 0u);
				close_one(two);
			} else {
				cr_expect_geq(errors, 1u, "case %d, call %d", i, after);
			}
			again = fake_vfio.hit;
			cr_expect_eq(result != 0, again, "case %d, call %d: %d", i, after, result);
			cr_expect_eq(fake_vfio_open_files(FAKE_VFIO_CLOSED), files,
				     "case %d, call %d", i, after);
			cr_expect_eq(fake_vfio_spaces(), with_first ? 1u : 0u);
			cr_expect_eq(fake_vfio_pinned(), with_first ? RAM : 0u);
			if (with_first) {
				drop(one);
				close_one(one);
			}
			end();
			cr_assert_lt(after, 30);
		}
	}
}

/* What opening costs: as before for the first device, less for those that share. */
Test(iommu_spaces, calls_to_the_kernel)
{
	static const unsigned int expected[2][3] = {{8, 4, 1}, {5, 3, 3}};

	BOTH_WAYS(cdev)
	{
		begin(cdev);
		one = open_one("0000:17:00.0");
		cr_expect_eq(fake_vfio.calls, expected[cdev][0]);
		fake_vfio.calls = 0;
		two = open_one("0000:18:00.0");
		cr_expect_eq(fake_vfio.calls, expected[cdev][1]);
		fake_vfio.calls = 0;
		three = open_one("0000:17:00.1");
		cr_expect_eq(fake_vfio.calls, expected[cdev][2]);
		close_one(three);
		close_one(two);
		close_one(one);
		end();
	}
}

/* The other functions of a bus are ours: they may be hit, unless the guest drives them. */
Test(iommu_spaces, hot_reset_of_functions_that_are_ours)
{
	BOTH_WAYS(cdev)
	{
		begin(cdev);
		one = open_one("0000:17:00.0");
		two = open_one("0000:17:00.1");
		fake_vfio.hot_reset_count = 2;
		fake_vfio.hot_reset[1] = 1;
		cr_expect_eq(one->ops->reset(one), 0);
		cr_expect_eq(fake_vfio.hot_reset_groups, cdev ? 0u : 1u);
		two->busy = true;
		cr_expect_eq(one->ops->reset(one), -EOPNOTSUPP);
		cr_expect_eq(two->ops->reset(two), 0, "its own driver wants it");
		two->busy = false;
		/* A function of another group: only when that is ours as well. */
		fake_vfio.hot_reset[1] = 2;
		if (!cdev)
			cr_expect_eq(one->ops->reset(one), -EOPNOTSUPP);
		three = open_one("0000:18:00.0");
		cr_expect_eq(one->ops->reset(one), 0);
		cr_expect_eq(fake_vfio.hot_reset_groups, cdev ? 0u : 2u);
		three->busy = true;
		cr_expect_eq(one->ops->reset(one), -EOPNOTSUPP);
		cr_expect_eq(fake_vfio.hot_resets, 3u);
		close_one(three);
		close_one(two);
		close_one(one);
		end();
	}
}

Test(iommu_spaces, descriptors_from_outside)
{
	struct vfio_kernel_options options;
	int given;

	/* One iommufd for two devices, each with a number of its own. */
	begin(true);
	given = fake_vfio_hand_in(0);
	options = options_of("0000:17:00.0");
	options.iommufd_fd = fake_vfio_duplicate(given);
	cr_assert_eq(vfio_kernel_open(&options, &one), 0);
	options = options_of("0000:18:00.0");
	options.iommufd_fd = fake_vfio_duplicate(given);
	cr_assert_eq(vfio_kernel_open(&options, &two), 0);
	cr_expect_eq(one->space, two->space);
	/* Whoever has it could see what is in it: not for devices that came without. */
	three = open_one("0000:19:00.0");
	cr_expect_neq(three->space, two->space);
	close_one(three);
	close_one(one);
	close_one(two);
	cr_expect_eq(fake_vfio_spaces(), 0u, "although the iommufd lives on");
	fake_vfio_system.close(NULL, given);
	end();

	/* One group for two functions. */
	begin(false);
	given = fake_vfio_hand_in(7);
	options = options_of("0000:17:00.0");
	options.group_fd = fake_vfio_duplicate(given);
	cr_assert_eq(vfio_kernel_open(&options, &one), 0);
	options = options_of("0000:17:00.1");
	options.group_fd = fake_vfio_duplicate(given);
	cr_assert_eq(vfio_kernel_open(&options, &two), 0);
	cr_expect_eq(one->space, two->space);
	close_one(one);
	close_one(two);
	/* Somebody else's container. */
	fake_vfio.files[given - 100].space = 7;
	fake_vfio.spaces[7].attached = 1;
	options = options_of("0000:17:00.0");
	options.group_fd = fake_vfio_duplicate(given);
	cr_expect_eq(vfio_kernel_open(&options, &one), -EBUSY);
	cr_expect_eq(errors, 1u);
	fake_vfio_system.close(NULL, given);
	end();
}
