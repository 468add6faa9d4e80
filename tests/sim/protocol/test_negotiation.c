/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/protocol/client.h"

static struct sim_process process;

static void start(void)
{
	sim_spawn(&process, NULL);
}

static void stop(void)
{
	cr_assert_eq(sim_finish(&process), 0);
}

TestSuite(negotiation, .init = start, .fini = stop, .timeout = 60);

/* Open fds of the server, to see that none of ours stays there */
static int server_fds(void)
{
	char path[64];
	int count = 0;
	FILE *list;

	snprintf(path, sizeof(path), "ls /proc/%d/fd", (int)process.pid);
	list = popen(path, "r");
	for (int c; (c = fgetc(list)) != EOF;)
		count += c == '\n';
	pclose(list);
	return count;
}

static int version(uint16_t major, uint16_t minor, const char *json, uint32_t length,
		   struct sim_answer *copy)
{
	uint8_t payload[8192];
	int fd = sim_connect(process.socket);
	struct sim_answer *answer;

	cr_assert(fd >= 0);
	memcpy(payload, &major, 2);
	memcpy(payload + 2, &minor, 2);
	memcpy(payload + 4, json, length);
	answer = sim_command(fd, VFIO_USER_VERSION, payload, 4 + length, NULL, 0);
	if (copy)
		*copy = *answer;
	close(fd);
	return answer->result;
}

Test(negotiation, good_ones)
{
	static struct sim_answer answer;
	static const char full[] =
		"{\"capabilities\":{\"migration\":{\"pgsize\":4096},\"max_msg_fds\":16,"
		"\"max_data_xfer_size\":1048576,\"pgsizes\":4096,\"max_dma_maps\":65535,"
		"\"write_multiple\":true}}";
	json_t *json;

	cr_assert_eq(version(0, 0, full, sizeof(full), &answer), 0);
	cr_assert(answer.size <= 4 + sizeof(full), "QEMU wants a reply no longer than its request");
	cr_assert_eq(answer.data[2], 0, "minor is not above the one proposed");
	cr_assert_eq(answer.data[answer.size - 1], '\0');
	json = json_loads((char *)answer.data + 4, 0, NULL);
	cr_assert(json_integer_value(json_object_get(json_object_get(json, "capabilities"),
						     "max_msg_fds")) <= 16);
	cr_assert_null(json_object_get(json_object_get(json, "capabilities"), "migration"));
	json_decref(json);
	cr_assert_eq(version(0, 7, "", 0, &answer), 0, "JSON is optional");
	cr_assert_eq(answer.data[2], 1);
	cr_assert_eq(answer.size, 4);
	cr_assert_eq(version(0, 1, "{}", 3, NULL), 0);
	cr_assert_eq(version(0, 1, "{\"capabilities\":{}}", 20, NULL), 0);
	cr_assert_eq(version(0, 1, "{\"future\":1}", 13, NULL), 0);
}

Test(negotiation, bad_ones)
{
	static const char *const bad[] = {
		"{",
		"{\"capabilities\":1}",
		"{\"capabilities\":[]}",
		"[]",
		"\"text\"",
		"{\"capabilities\":{\"max_msg_fds\":\"four\"}}",
		"{\"capabilities\":{\"max_msg_fds\":0}}",
		"{\"capabilities\":{\"max_msg_fds\":-1}}",
		"{\"capabilities\":{\"max_msg_fds\":1025}}",
		"{\"capabilities\":{\"max_msg_fds\":99999999999999999999}}",
		"{\"capabilities\":{\"max_data_xfer_size\":0}}",
		"{\"capabilities\":{\"max_data_xfer_size\":1.5}}",
		"{\"capabilities\":{\"pgsizes\":512}}",
		"{\"capabilities\":{\"pgsizes\":{}}}",
		"{\"capabilities\":{\"write_multiple\":\"yes\"}}",
		"{\"capabilities\":{\"max_dma_maps\":null}}",
		"{\"capabilities\":{},\"capabilities\":{}}",
	};
	char large[5000];

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(version(0, 1, bad[i], (uint32_t)strlen(bad[i]) + 1, NULL), EINVAL,
			     "%s", bad[i]);
	cr_assert_eq(version(0, 1, "{}", 2, NULL), EINVAL, "no NUL");
	cr_assert_eq(version(1, 0, "{}", 3, NULL), EINVAL, "major version");
	memset(large, ' ', sizeof(large));
	memcpy(large, "{}", 2);
	large[sizeof(large) - 1] = '\0';
	cr_assert_eq(version(0, 1, large, sizeof(large), NULL), EINVAL);
}

Test(negotiation, closed_after_a_bad_version)
{
	int fd = sim_connect(process.socket);
	struct sim_answer answer;

	cr_assert_eq(sim_command(fd, VFIO_USER_VERSION, "\1\0\0\0", 4, NULL, 0)->result, EINVAL);
	sim_receive(fd, &answer);
	cr_assert_eq(answer.result, -1);
	close(fd);
	/* the same for any other first command */
	fd = sim_connect(process.socket);
	cr_assert_eq(sim_command(fd, VFIO_USER_DEVICE_RESET, NULL, 0, NULL, 0)->result, EINVAL);
	sim_receive(fd, &answer);
	cr_assert_eq(answer.result, -1);
	close(fd);
}

Test(negotiation, once_only)
{
	int fd = sim_negotiate(&process);

	cr_assert_eq(sim_command(fd, VFIO_USER_VERSION, "\0\0\1\0", 4, NULL, 0)->result, EINVAL);
	cr_assert_eq(sim_command(fd, VFIO_USER_DEVICE_RESET, NULL, 0, NULL, 0)->result, 0);
	close(fd);
}

Test(negotiation, impossible_headers)
{
	static const struct {
		uint32_t size, flags;
		uint32_t sent;
	} cases[] = {
		{15, 0, 16},         {0, 0, 16},
		{0xffffffff, 0, 16}, {VFIO_USER_LIMIT_MESSAGE_SIZE + 1, 0, 16},
		{16, 2, 16},         {16, 0xf, 16},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vfio_user_header header = {
			.id = 1, .command = 4, .size = cases[i].size, .flags = cases[i].flags};
		int fd = sim_negotiate(&process);
		struct sim_answer answer;

		sim_send_raw(fd, &header, cases[i].sent, NULL, 0);
		sim_receive(fd, &answer);
		cr_assert_eq(answer.result, -1, "case %u", i);
		close(fd);
	}
	cr_assert_eq(sim_stat(&process, "protocol_errors"), 6);
}

Test(negotiation, unsolicited_replies_are_harmless)
{
	struct vfio_user_header header = {.id = 77, .command = 11, .size = 16, .flags = 1};
	int fd = sim_negotiate(&process);

	sim_send_raw(fd, &header, 16, NULL, 0);
	cr_assert_eq(sim_command(fd, VFIO_USER_DEVICE_RESET, NULL, 0, NULL, 0)->result, 0);
	cr_assert_eq(sim_stat(&process, "late_replies"), 1);
	close(fd);
}

Test(negotiation, partial_messages_and_hang_ups)
{
	struct vfio_user_header header = {.id = 1, .command = 9, .size = 32};
	struct sim_answer answer;
	uint8_t bytes[32] = {0};
	int fd;

	memcpy(bytes, &header, 16);
	for (uint32_t cut = 1; cut < 32; cut += 5) {
		fd = sim_negotiate(&process);
		sim_send_raw(fd, bytes, cut, NULL, 0);
		close(fd);
	}
	/* byte by byte is slow, not wrong: config space, 4 bytes */
	bytes[24] = 7;
	bytes[28] = 4;
	fd = sim_negotiate(&process);
	for (uint32_t i = 0; i < 32; i++)
		cr_assert(sim_send_raw(fd, bytes + i, 1, NULL, 0));
	sim_receive(fd, &answer);
	cr_assert_eq(answer.result, 0);
	cr_assert_eq(answer.size, 20);
	close(fd);
}

Test(negotiation, pipelined_and_no_reply)
{
	struct vfio_user_header headers[3] = {
		{.id = 1, .command = 13, .size = 16, .flags = VFIO_USER_FLAG_NO_REPLY},
		{.id = 2, .command = 99, .size = 16, .flags = VFIO_USER_FLAG_NO_REPLY},
		{.id = 3, .command = 13, .size = 16},
	};
	int fd = sim_negotiate(&process);
	struct sim_answer answer;

	sim_send_raw(fd, headers, sizeof(headers), NULL, 0);
	sim_receive(fd, &answer);
	cr_assert_eq(answer.header.id, 3);
	cr_assert_eq(sim_stat(&process, "resets"), 2);
	close(fd);
}

Test(negotiation, unknown_commands)
{
	static const uint16_t commands[] = {0, 6, 11, 12, 14, 16, 17, 18, 19, 0xffff};
	uint8_t payload[64] = {0};
	int fd = sim_negotiate(&process);

	for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		cr_assert_eq(
			sim_command(fd, commands[i], payload, sizeof(payload), NULL, 0)->result,
			ENOTSUP);
	close(fd);
}

Test(negotiation, fds_of_refused_requests_are_closed)
{
	int fd = sim_negotiate(&process), given[24], before;
	struct vfio_user_dma_map map = {.argsz = sizeof(map), .flags = 3, .size = 4096};
	struct sim_answer answer;

	for (unsigned i = 0; i < 24; i++)
		given[i] = dup(0);
	cr_assert_eq(sim_command(fd, VFIO_USER_DEVICE_RESET, NULL, 0, NULL, 0)->result, 0);
	before = server_fds();
	cr_assert_eq(sim_command(fd, VFIO_USER_DEVICE_RESET, NULL, 0, given, 1)->result, EINVAL);
	cr_assert_eq(sim_command(fd, VFIO_USER_DEVICE_RESET, NULL, 0, given, 16)->result, EINVAL);
	cr_assert_eq(sim_command(fd, VFIO_USER_DMA_MAP, &map, sizeof(map), given, 2)->result,
		     EINVAL);
	map.size = 0;
	cr_assert_eq(sim_command(fd, VFIO_USER_DMA_MAP, &map, sizeof(map), given, 1)->result,
		     EINVAL);
	cr_assert_eq(sim_set_irqs(fd, 2, 4 | 32, 0, 4, given, 3), EINVAL);
	cr_assert_eq(sim_set_irqs(fd, 7, 4 | 32, 0, 1, given, 1), EINVAL);
	cr_assert_eq(server_fds(), before);
	/* more than a message may carry ends the connection, and leaves none behind either */
	sim_send_raw(fd, &(struct vfio_user_header){.id = 1, .command = 13, .size = 16}, 16, given,
		     24);
	sim_receive(fd, &answer);
	cr_assert_eq(answer.result, -1);
	close(fd);
	fd = sim_negotiate(&process);
	cr_assert_eq(sim_command(fd, VFIO_USER_DEVICE_RESET, NULL, 0, NULL, 0)->result, 0);
	cr_assert_eq(server_fds(), before);
	close(fd);
}

Test(negotiation, one_client_at_a_time)
{
	struct sim_answer answer;
	int first = sim_negotiate(&process), second = sim_connect(process.socket);

	sim_receive(second, &answer);
	cr_assert_eq(answer.result, -1, "the second is turned away");
	close(second);
	cr_assert_eq(sim_command(first, VFIO_USER_DEVICE_RESET, NULL, 0, NULL, 0)->result, 0);
	for (unsigned i = 0; i < 50; i++) {
		close(first);
		first = sim_negotiate(&process);
	}
	close(first);
	cr_assert_eq(sim_stat(&process, "refused_connections"), 1);
}

Test(negotiation, several_instances_and_a_taken_path)
{
	struct sim_process other;
	pid_t third;
	int status;

	sim_spawn(&other, NULL);
	close(sim_negotiate(&other));
	third = fork();
	if (third == 0) {
		fclose(stderr);
		execl(ACCEL_SIM_PROGRAM, ACCEL_SIM_PROGRAM, "--socket", other.socket, NULL);
		_exit(127);
	}
	cr_assert_eq(waitpid(third, &status, 0), third);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	close(sim_negotiate(&other));
	cr_assert_eq(sim_finish(&other), 0);
	close(sim_negotiate(&process));
}
