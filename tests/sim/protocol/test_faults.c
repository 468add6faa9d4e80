/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/protocol/client.h"

static struct sim_process process;
static int fd;

static void start(void)
{
	sim_spawn(&process, NULL);
	fd = sim_negotiate(&process);
}

static void stop(void)
{
	cr_assert_eq(sim_finish(&process), 0);
}

TestSuite(faults, .init = start, .fini = stop, .timeout = 60);

static void control(const char *text)
{
	json_t *answer = sim_control(&process, text);

	cr_assert_str_eq(json_string_value(json_object_get(answer, "result")), "ok", "%s", text);
	json_decref(answer);
}

static void arm(const char *kind, const char *rest)
{
	char text[256];

	snprintf(text, sizeof(text), "{\"command\":\"fault\",\"kind\":\"%s\"%s}", kind, rest);
	control(text);
}

/* Ask for 4 bytes of config space without judging the answer */
static void ask(struct sim_answer *answer)
{
	struct {
		struct vfio_user_header header;
		struct vfio_user_region_access access;
	} __attribute__((packed))
	message = {{.id = 42, .command = 9, .size = 32}, {.region = 7, .count = 4}};

	cr_assert(sim_send_raw(fd, &message, sizeof(message), NULL, 0));
	sim_receive(fd, answer);
}

Test(faults, each_kind)
{
	static struct sim_answer answer;

	arm("wrong-id", "");
	ask(&answer);
	cr_assert_eq(answer.header.id, 42 ^ 0x5555);
	arm("wrong-command", "");
	ask(&answer);
	cr_assert_eq(answer.header.command, 8);
	arm("error", ",\"value\":19");
	ask(&answer);
	cr_assert_eq(answer.result, ENODEV);
	arm("not-a-reply", "");
	ask(&answer);
	cr_assert_eq(answer.header.flags & 0xf, 0);
	arm("short-payload", ",\"value\":16");
	ask(&answer);
	cr_assert_eq(answer.size, 16);
	arm("count", ",\"value\":4096");
	ask(&answer);
	cr_assert_eq(answer.size, 20);
	cr_assert_eq(((uint32_t *)(void *)answer.data)[3], 4096);
	arm("twice", "");
	ask(&answer);
	sim_receive(fd, &answer);
	cr_assert_eq(answer.header.id, 42);
	arm("unsolicited", "");
	ask(&answer);
	cr_assert_neq(answer.header.id, 42);
	sim_receive(fd, &answer);
	cr_assert_eq(answer.header.id, 42);
	arm("extra-fds", "");
	ask(&answer);
	cr_assert_eq(answer.fd_count, 4);
	for (unsigned i = 0; i < 4; i++)
		close(answer.fds[i]);
	arm("small-size", "");
	ask(&answer);
	cr_assert_eq(answer.header.size, 8);
	close(fd);
	fd = sim_negotiate(&process);
	arm("huge-size", "");
	ask(&answer);
	cr_assert_eq(answer.header.size, UINT32_MAX);
	close(fd);
	fd = sim_negotiate(&process);
	arm("truncated", "");
	ask(&answer);
	cr_assert_eq(answer.result, -1);
	close(fd);
	fd = sim_negotiate(&process);
	arm("drop", "");
	ask(&answer);
	cr_assert_eq(answer.result, -1);
	close(fd);
	fd = sim_negotiate(&process);
	ask(&answer);
	cr_assert_eq(answer.result, 0, "as usual again");
	cr_assert_eq(sim_stat(&process, "faults_applied"), 13);
}

Test(faults, skip_times_and_command)
{
	static struct sim_answer answer;

	arm("error", ",\"value\":5,\"on\":\"region-read\",\"skip\":2,\"times\":2");
	cr_assert_eq(sim_command(fd, VFIO_USER_DEVICE_RESET, NULL, 0, NULL, 0)->result, 0);
	for (unsigned i = 0; i < 6; i++) {
		ask(&answer);
		cr_assert_eq(answer.result, i == 2 || i == 3 ? EIO : 0, "read %u", i);
	}
}

Test(faults, stall_and_resume)
{
	struct timespec before, after;
	static struct sim_answer answer;

	arm("stall", ",\"value\":300");
	clock_gettime(CLOCK_MONOTONIC, &before);
	ask(&answer);
	clock_gettime(CLOCK_MONOTONIC, &after);
	cr_assert_eq(answer.result, 0);
	cr_assert_geq((after.tv_sec - before.tv_sec) * 1000 +
			      (after.tv_nsec - before.tv_nsec) / 1000000,
		      290);
	control("{\"command\":\"stall\"}");
	control("{\"command\":\"resume\"}");
	ask(&answer);
	cr_assert_eq(answer.result, 0);
	/* stalled for good, yet SIGTERM and a leaving client are noticed */
	control("{\"command\":\"stall\"}");
	close(fd);
	fd = sim_negotiate(&process);
}

Test(faults, resets_that_fail)
{
	control("{\"command\":\"fail-resets\",\"count\":2}");
	cr_assert_eq(sim_command(fd, VFIO_USER_DEVICE_RESET, NULL, 0, NULL, 0)->result, EIO);
	cr_assert_eq(sim_command(fd, VFIO_USER_DEVICE_RESET, NULL, 0, NULL, 0)->result, EIO);
	cr_assert_eq(sim_command(fd, VFIO_USER_DEVICE_RESET, NULL, 0, NULL, 0)->result, 0);
	cr_assert_eq(sim_stat(&process, "failed_resets"), 2);
}

Test(faults, resets_that_lose_the_decoders)
{
	uint32_t value;

	control("{\"command\":\"reset-clears-decoders\",\"value\":true}");
	cr_assert_eq(sim_command(fd, VFIO_USER_DEVICE_RESET, NULL, 0, NULL, 0)->result, 0);
	cr_assert_eq(sim_read(fd, 9, 0, &value, 4), EIO);
	cr_assert_eq(sim_read(fd, 10, 0x130, &value, 4), 0);
	cr_assert_eq(value & 0x600, 0);
}

Test(faults, interrupts)
{
	int event = eventfd(0, EFD_NONBLOCK);
	uint64_t count = 0;

	cr_assert_eq(sim_set_irqs(fd, 2, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 1,
				  1, &event, 1),
		     0);
	control("{\"command\":\"interrupt\",\"index\":\"msix\",\"vector\":1,\"count\":5}");
	cr_assert_eq(read(event, &count, 8), 8);
	cr_assert_eq(count, 5);
	control("{\"command\":\"lose-interrupts\",\"count\":2}");
	control("{\"command\":\"interrupt\",\"index\":\"msix\",\"vector\":1,\"count\":3}");
	cr_assert_eq(read(event, &count, 8), 8);
	cr_assert_eq(count, 1);
	cr_assert_eq(sim_stat(&process, "interrupts_lost"), 2);
}

Test(faults, link_down)
{
	int event = eventfd(0, EFD_NONBLOCK);
	uint32_t value = 0;
	uint64_t count;

	cr_assert_eq(sim_set_irqs(fd, 3, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 0,
				  1, &event, 1),
		     0);
	control("{\"command\":\"link\",\"state\":\"down\"}");
	cr_assert_eq(read(event, &count, 8), 8, "the error interrupt");
	cr_assert_eq(sim_read(fd, 7, 0, &value, 4), 0);
	cr_assert_eq(value, UINT32_MAX);
	cr_assert_eq(sim_write(fd, 7, 4, &value, 4), 0);
	cr_assert_eq(sim_read(fd, 10, 0, &value, 4), 0);
	cr_assert_eq(value, UINT32_MAX);
	control("{\"command\":\"link\",\"state\":\"up\"}");
	cr_assert_eq(sim_read(fd, 7, 0, &value, 4), 0);
	cr_assert_eq(value, 0x0001cc58);
}

Test(faults, control_errors)
{
	static const char *const bad[] = {
		"",
		"nonsense",
		"[]",
		"{}",
		"{\"command\":\"fly\"}",
		"{\"command\":\"fault\",\"kind\":\"bad\"}",
		"{\"command\":\"fault\",\"kind\":\"drop\",\"on\":\"x\"}",
		"{\"command\":\"interrupt\",\"index\":\"msix\",\"vector\":99}",
		"{\"command\":\"link\"}"};
	static char line[6000];
	char byte;
	int raw;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *answer = sim_control(&process, bad[i]);

		cr_assert(json_is_string(json_object_get(answer, "error")), "%s", bad[i]);
		json_decref(answer);
	}
	/* a line that never ends closes the connection */
	raw = sim_connect(process.control);
	memset(line, 'x', sizeof(line));
	cr_assert(sim_send_raw(raw, line, 4095, NULL, 0));
	cr_assert_leq(read(raw, &byte, 1), 0);
	close(raw);
	control("{\"command\":\"info\"}");
}
