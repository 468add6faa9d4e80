/* SPDX-License-Identifier: Apache-2.0 */
/* A device whose memory the host driver is clearing: waited for; anything else is not. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "passthrough/vfio/internal.h"

#define BDF "0000:17:00.0"

static const char *const *states; /* what scrub_state says, one for each time it is opened */
static unsigned int open_files, messages;
static char last_message[512];

static int fake_open(void *opaque, const char *path, int flags)
{
	(void)opaque;
	(void)flags;
	if (!*states || strcmp(path, "/sys/bus/pci/devices/" BDF "/cxl_vfio/scrub_state") != 0)
		return -ENOENT;
	open_files++;
	return 9;
}

static int fake_close(void *opaque, int fd)
{
	(void)opaque;
	cr_assert_eq(fd, 9);
	open_files--;
	return 0;
}

static ssize_t fake_pread(void *opaque, int fd, void *data, size_t length, uint64_t offset)
{
	size_t size = strlen(*states) + 1;

	(void)opaque;
	(void)fd;
	cr_assert_eq(offset, 0);
	cr_assert_lt(size, length + 1);
	memcpy(data, *states, size - 1);
	((char *)data)[size - 1] = '\n';
	states++;
	return (ssize_t)size;
}

static void on_message(void *opaque, enum log_level level, const char *object, const char *message)
{
	(void)opaque;
	(void)level;
	(void)object;
	messages++;
	strncpy(last_message, message, sizeof(last_message) - 1);
}

static const struct logger logger = {.callback = on_message, .level = LOG_LEVEL_INFO};
static const struct vfio_system_ops ops = {
	.open = fake_open, .close = fake_close, .pread = fake_pread};

static struct vfio_kernel kernel = {
	.name = (char *)"gpu0",
	.options = {.logger = &logger},
	.system = {.ops = &ops},
};

Test(clearing, an_open_is_tried_again_while_the_memory_is_being_cleared)
{
	static const char *const sequence[] = {"needed", "running", "running", "clean", NULL};
	uint64_t since = 0;

	states = sequence;
	for (int i = 0; i < 3; i++)
		cr_assert(vfio_kernel_await_clearing(&kernel, BDF, &since), "time %d", i);
	cr_assert_not(vfio_kernel_await_clearing(&kernel, BDF, &since),
		      "it is clean: busy for another "
		      "reason");
	cr_assert_eq(messages, 1, "said once");
	cr_assert_eq(open_files, 0);
}

Test(clearing, a_device_of_another_driver_is_not_waited_for)
{
	static const char *const none[] = {NULL};
	uint64_t since = 0;

	states = none;
	cr_assert_not(vfio_kernel_await_clearing(&kernel, BDF, &since));
	cr_assert_not(vfio_kernel_await_clearing(&kernel, "", &since), "given by descriptor");
	cr_assert_eq(messages, 0);
}

Test(clearing, patience_ends_with_a_message)
{
	static const char *const sequence[] = {"running", NULL};
	uint64_t since = 1; /* long ago */

	states = sequence;
	cr_assert_not(vfio_kernel_await_clearing(&kernel, BDF, &since));
	cr_assert_not_null(strstr(last_message, "says clean"), "%s", last_message);
}

Test(clearing, hints_name_the_cause)
{
	static const struct {
		const char *state;
		int result;
		const char *expected; /* NULL: none */
	} rows[] = {
		{"failed", -EIO, "write 1 to"},
		{"used", -EIO, NULL},
		{"running", -EBUSY, "being cleared"},
		{"needed", -EBUSY, "being cleared"},
		{"used", -EBUSY, "another process"},
		{NULL, -EBUSY, "another process"},
		{"clean", -EACCES, NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *const one[] = {rows[i].state, NULL};
		const char *hint;

		states = one;
		hint = vfio_kernel_open_hint(&kernel, BDF, rows[i].result);
		if (rows[i].expected)
			cr_assert_not_null(strstr(hint, rows[i].expected), "row %zu: %s", i, hint);
		else
			cr_assert_str_empty(hint, "row %zu: %s", i, hint);
	}
}
