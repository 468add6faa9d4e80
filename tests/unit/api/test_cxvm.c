/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/unit/api/api_log.h"
#include "vmm/api/vm.h"

static struct api_log log_;

static void begin(void)
{
	api_log_create(&log_);
}

static void end(void)
{
	cxvm_destroy(log_.vm);
}

TestSuite(cxvm, .init = begin, .fini = end);

Test(cxvm, create_looks_at_its_arguments)
{
	struct cxvm_create_options options = {.size = sizeof(options)};
	struct cxvm *vm;

	cr_assert_eq(cxvm_create(NULL, &options), -EINVAL);
	cr_assert_eq(cxvm_create(&vm, NULL), -EINVAL);
	options.size = 0;
	cr_assert_eq(cxvm_create(&vm, &options), -EINVAL);
	cxvm_destroy(NULL);
}

/* A caller that is newer than the library, and one that is older. */
Test(cxvm, structs_of_newer_and_older_callers_are_taken)
{
	struct {
		struct cxvm_memory memory;
		uint64_t added;
	} newer = {.memory = {.size = sizeof(newer), .bytes = 4096}};
	struct cxvm_memory memory = {.size = sizeof(memory), .bytes = 8192, .prefault_threads = 7};

	cr_assert_eq(cxvm_set_memory(log_.vm, &newer.memory), 0);
	cr_assert_eq(log_.vm->config.memory.bytes, 4096);
	cr_assert_eq(log_.vm->config.memory.size, sizeof(struct cxvm_memory));
	newer.added = 1;
	newer.memory.bytes = 5;
	cr_assert_eq(cxvm_set_memory(log_.vm, &newer.memory), -E2BIG);
	cr_assert_eq(log_.vm->config.memory.bytes, 4096, "the refused one changes nothing");
	memory.size = offsetof(struct cxvm_memory, shared);
	cr_assert_eq(cxvm_set_memory(log_.vm, &memory), 0);
	cr_assert_eq(log_.vm->config.memory.bytes, 8192);
	cr_assert_eq(log_.vm->config.memory.prefault_threads, 0, "beyond the caller's struct");
	for (size_t size = 0; size < sizeof(size_t); size++) {
		memory.size = size;
		cr_assert_eq(cxvm_set_memory(log_.vm, &memory), -EINVAL);
	}
	cr_assert_eq(cxvm_set_memory(log_.vm, NULL), -EINVAL);
	cr_assert_eq(cxvm_set_memory(NULL, &memory), -EINVAL);
}

Test(cxvm, strings_are_copied)
{
	char kernel[] = "/boot/one";
	struct cxvm_payload payload = {.size = sizeof(payload), .kernel = kernel};

	cr_assert_eq(cxvm_set_payload(log_.vm, &payload), 0);
	memset(kernel, 'x', sizeof(kernel) - 1);
	cr_assert_str_eq(log_.vm->config.payload.kernel, "/boot/one");
	cr_assert_eq(cxvm_set_payload(log_.vm, &payload), 0);
	cr_assert_str_eq(log_.vm->config.payload.kernel, "xxxxxxxxx");
}

Test(cxvm, lists_have_an_end)
{
	struct cxvm_disk disk = {.size = sizeof(disk), .path = "/d"};
	struct cxvm_numa_node node = {.size = sizeof(node)};
	unsigned int count = 0;

	while (!cxvm_add_disk(log_.vm, &disk))
		cr_assert_leq(++count, 1000);
	cr_assert_eq(count, MACHINE_MAX_DISKS);
	cr_assert_eq(cxvm_add_disk(log_.vm, &disk), -ENOSPC);
	for (count = 0; !cxvm_add_numa_node(log_.vm, &node); count++)
		cr_assert_leq(count, 1000);
	cr_assert_eq(count, MACHINE_MAX_NODES);
}

Test(cxvm, text_changes_only_what_it_names)
{
	cr_assert_eq(cxvm_set_option(log_.vm, "payload", "kernel=/k,cmdline=a"), 0);
	cr_assert_eq(cxvm_set_option(log_.vm, "payload", "cmdline=\"b c=d,e\""), 0);
	cr_assert_str_eq(log_.vm->config.payload.kernel, "/k");
	cr_assert_str_eq(log_.vm->config.payload.cmdline, "b c=d,e");
	cr_assert_eq(cxvm_set_option(log_.vm, "payload", "kernel=/l,cmdlin=f"), -EINVAL);
	cr_assert_str_eq(log_.vm->config.payload.kernel, "/k", "nothing of a refused text");
	cr_assert_eq(cxvm_set_option(log_.vm, "disk", "/a,readonly=on"), 0);
	cr_assert_eq(cxvm_set_option(log_.vm, "disk", "/b"), 0);
	cr_assert_eq(log_.vm->config.disk_count, 2);
	cr_assert_not(log_.vm->config.disks[1].readonly, "each disk starts anew");
	cr_assert_eq(cxvm_set_option(log_.vm, "teapot", "x"), -EINVAL);
	cr_assert(strstr(log_.text, "no section 'teapot'"));
	cr_assert_eq(cxvm_set_option(NULL, "disk", "/a"), -EINVAL);
	cr_assert_eq(cxvm_set_option(log_.vm, NULL, "/a"), -EINVAL);
	cr_assert_eq(cxvm_set_option(log_.vm, "disk", NULL), -EINVAL);
}

Test(cxvm, uses_stdio_when_serial_or_console_is_on_the_terminal)
{
	cr_assert_not(cxvm_uses_stdio(NULL));
	cr_assert_not(cxvm_uses_stdio(log_.vm));
	cr_assert_eq(cxvm_set_option(log_.vm, "console", "tty"), 0);
	cr_assert(cxvm_uses_stdio(log_.vm));
	cr_assert_eq(cxvm_set_option(log_.vm, "console", "off"), 0);
	cr_assert_eq(cxvm_set_option(log_.vm, "serial", "stdio"), 0);
	cr_assert(cxvm_uses_stdio(log_.vm));
}

/* What is allowed in CREATED. */
Test(cxvm, before_the_start_only_questions_are_answered)
{
	struct cxvm_counters counters = {.size = sizeof(counters), .exits = 5};
	struct pollfd event;

	cr_assert_eq(cxvm_get_state(log_.vm), CXVM_STATE_CREATED);
	cr_assert_eq(cxvm_pause(log_.vm), -EINVAL);
	cr_assert_eq(cxvm_resume(log_.vm), -EINVAL);
	cr_assert_eq(cxvm_power_button(log_.vm), -EINVAL);
	cr_assert_eq(cxvm_stop(log_.vm), 0);
	cr_assert_eq(cxvm_get_counters(log_.vm, &counters), 0);
	cr_assert_eq(counters.exits, 0);
	counters.size = 1;
	cr_assert_eq(cxvm_get_counters(log_.vm, &counters), -EINVAL);
	cr_assert_eq(cxvm_get_counters(log_.vm, NULL), -EINVAL);
	event = (struct pollfd){.fd = cxvm_event_fd(log_.vm), .events = POLLIN};
	cr_assert_geq(event.fd, 0);
	cr_assert_eq(cxvm_event_fd(log_.vm), event.fd, "there is one");
	cr_assert_eq(poll(&event, 1, 0), 0, "nothing has changed yet");
	cr_assert_eq(cxvm_pause(NULL), -EINVAL);
	cr_assert_eq(cxvm_resume(NULL), -EINVAL);
	cr_assert_eq(cxvm_power_button(NULL), -EINVAL);
	cr_assert_eq(cxvm_stop(NULL), -EINVAL);
	cr_assert_eq(cxvm_event_fd(NULL), -EINVAL);
}

Test(cxvm, run_looks_at_its_arguments)
{
	struct cxvm_exit result = {.size = 4};

	cr_assert_eq(cxvm_run(NULL, NULL), -EINVAL);
	cr_assert_eq(cxvm_run(log_.vm, &result), -EINVAL);
	cr_assert_eq(cxvm_get_state(log_.vm), CXVM_STATE_CREATED);
}

Test(cxvm, describe_looks_at_its_arguments)
{
	char *text;

	cr_assert_eq(cxvm_describe(NULL, CXVM_FORMAT_TEXT, &text), -EINVAL);
	cr_assert_eq(cxvm_describe(log_.vm, CXVM_FORMAT_TEXT, NULL), -EINVAL);
}

Test(cxvm, a_refused_option_is_logged_once)
{
	cr_assert_eq(cxvm_set_option(log_.vm, "disk", "colour=red"), -EINVAL);
	cr_assert_eq(log_.lines, 1);
	cr_assert(strstr(log_.text, "config: disk: unknown key 'colour'"), "%s", log_.text);
}

/* Descriptors belong to the machine once they are taken; two devices may share an iommufd. */
Test(cxvm, given_descriptors_are_closed)
{
	struct cxvm_net net = {.size = sizeof(net), .use_fd = true};
	struct cxvm_device device = {.size = sizeof(device), .use_fd = true, .use_iommufd = true};
	int group = eventfd(0, 0);
	int fds[4];

	cr_assert_eq(pipe(fds), 0);
	cr_assert_eq(pipe(fds + 2), 0);
	net.fd = fds[0];
	cr_assert_eq(cxvm_add_net(log_.vm, &net), 0);
	device.iommufd = fds[3];
	device.fd = fds[1];
	cr_assert_eq(cxvm_add_device(log_.vm, &device), 0);
	device.fd = fds[2];
	cr_assert_eq(cxvm_add_device(log_.vm, &device), 0);
	device = (struct cxvm_device){.size = sizeof(device),
				      .path = "0000:01:00.0",
				      .use_group_fd = true,
				      .group_fd = group};
	cr_assert_eq(cxvm_add_device(log_.vm, &device), 0);
	cxvm_destroy(log_.vm);
	cr_assert_eq(fcntl(group, F_GETFD), -1, "the group is still open");
	for (int i = 0; i < 4; i++)
		cr_assert_eq(fcntl(fds[i], F_GETFD), -1, "descriptor %d is still open", i);
	api_log_create(&log_);
}

Test(cxvm, version_is_three_numbers)
{
	unsigned int major, minor, patch;

	cr_assert_eq(sscanf(cxvm_version(), "%u.%u.%u", &major, &minor, &patch), 3);
}
