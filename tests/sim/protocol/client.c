/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/protocol/client.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_MS 5000

int sim_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

void sim_spawn(struct sim_process *process, const char *const *arguments)
{
	const char *argv[32] = {ACCEL_SIM_PROGRAM, "--socket", process->socket, "--control",
				process->control};
	int count = 5, fd = -1;

	strcpy(process->directory, "/tmp/cxvm-sim-XXXXXX");
	cr_assert(mkdtemp(process->directory));
	snprintf(process->socket, sizeof(process->socket), "%s/vfio", process->directory);
	snprintf(process->control, sizeof(process->control), "%s/control", process->directory);
	while (arguments && *arguments && count < 31)
		argv[count++] = *arguments++;
	process->pid = fork();
	if (process->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	/* The control socket is the last thing that is made: once it answers, all is there. */
	for (int i = 0; i < 500 && fd < 0; i++) {
		struct timespec ms10 = {.tv_nsec = 10000000};

		fd = sim_connect(process->control);
		if (fd < 0)
			nanosleep(&ms10, NULL);
	}
	cr_assert(fd >= 0, "the server does not listen");
	close(fd);
}

int sim_finish(struct sim_process *process)
{
	int status = 0;

	kill(process->pid, SIGTERM);
	cr_assert_eq(waitpid(process->pid, &status, 0), process->pid);
	cr_assert_neq(access(process->socket, F_OK), 0, "the socket is removed at exit");
	cr_assert_neq(access(process->control, F_OK), 0);
	rmdir(process->directory);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

bool sim_send_raw(int fd, const void *data, uint32_t size, const int *fds, uint32_t fd_count)
{
	union {
		char bytes[CMSG_SPACE(64 * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	uint32_t done = 0;

	while (done < size) {
		struct iovec vector = {.iov_base = (char *)(uintptr_t)data + done,
				       .iov_len = size - done};
		struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
		ssize_t sent;

		if (done == 0 && fd_count > 0) {
			struct cmsghdr *rights;

			message.msg_control = control.bytes;
			message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
			rights = CMSG_FIRSTHDR(&message);
			rights->cmsg_level = SOL_SOCKET;
			rights->cmsg_type = SCM_RIGHTS;
			rights->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
			memcpy(CMSG_DATA(rights), fds, fd_count * sizeof(int));
		}
		sent = sendmsg(fd, &message, MSG_NOSIGNAL);
		if (sent < 0)
			return false;
		done += (uint32_t)sent;
	}
	return true;
}

/* Exactly `size` bytes; 0, -1 closed, -2 timeout */
static int take(int fd, uint8_t *data, uint32_t size, struct sim_answer *answer)
{
	uint32_t done = 0;

	while (done < size) {
		union {
			char bytes[CMSG_SPACE(32 * sizeof(int))];
			struct cmsghdr align;
		} control;
		struct iovec vector = {.iov_base = data + done, .iov_len = size - done};
		struct msghdr message = {.msg_iov = &vector,
					 .msg_iovlen = 1,
					 .msg_control = control.bytes,
					 .msg_controllen = sizeof(control.bytes)};
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		struct cmsghdr *part;
		ssize_t got;

		if (poll(&ready, 1, TIMEOUT_MS) != 1)
			return -2;
		got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
		if (got <= 0)
			return -1;
		done += (uint32_t)got;
		for (part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
			uint32_t count = (uint32_t)((part->cmsg_len - CMSG_LEN(0)) / sizeof(int));

			memcpy(answer->fds + answer->fd_count, CMSG_DATA(part),
			       count * sizeof(int));
			answer->fd_count += count;
		}
	}
	return 0;
}

void sim_receive(int fd, struct sim_answer *answer)
{
	memset(answer, 0, offsetof(struct sim_answer, data));
	answer->size = 0;
	answer->fd_count = 0;
	answer->result = take(fd, (uint8_t *)&answer->header, sizeof(answer->header), answer);
	if (answer->result)
		return;
	answer->size = answer->header.size - (uint32_t)sizeof(answer->header);
	if (answer->header.size < sizeof(answer->header) || answer->size > sizeof(answer->data)) {
		answer->result = -3;
		answer->size = 0;
		return;
	}
	answer->result = take(fd, answer->data, answer->size, answer);
	if (answer->result == 0 && (answer->header.flags & VFIO_USER_FLAG_ERROR))
		answer->result = (int)answer->header.error;
}

struct sim_answer *sim_command(int fd, uint16_t command, const void *payload, uint32_t size,
			       const int *fds, uint32_t fd_count)
{
	static struct sim_answer answer;
	static uint16_t id = 100;
	uint8_t message[70000];
	struct vfio_user_header header = {
		.id = ++id, .command = command, .size = (uint32_t)sizeof(header) + size};

	cr_assert(size <= sizeof(message) - sizeof(header));
	memcpy(message, &header, sizeof(header));
	if (size)
		memcpy(message + sizeof(header), payload, size);
	if (!sim_send_raw(fd, message, header.size, fds, fd_count)) {
		answer.result = -1;
		return &answer;
	}
	sim_receive(fd, &answer);
	if (answer.result >= 0) {
		cr_assert_eq(answer.header.id, header.id);
		cr_assert_eq(answer.header.command, command);
		cr_assert_eq(answer.header.flags & VFIO_USER_FLAG_TYPE_MASK,
			     VFIO_USER_FLAG_TYPE_REPLY);
		if (answer.result > 0)
			cr_assert_eq(answer.size, 0, "an error reply is the header alone");
	}
	return &answer;
}

int sim_negotiate(const struct sim_process *process)
{
	static const char json[] = "{\"capabilities\":{\"max_msg_fds\":16,\"write_multiple\":true,"
				   "\"max_data_xfer_size\":1048576}}";
	uint8_t payload[4 + sizeof(json)] = {0, 0, 1, 0};
	int fd = sim_connect(process->socket);

	cr_assert(fd >= 0);
	memcpy(payload + 4, json, sizeof(json));
	cr_assert_eq(sim_command(fd, VFIO_USER_VERSION, payload, sizeof(payload), NULL, 0)->result,
		     0);
	return fd;
}

int sim_read(int fd, uint32_t region, uint64_t offset, void *data, uint32_t size)
{
	struct vfio_user_region_access access = {.offset = offset, .region = region, .count = size};
	struct sim_answer *answer =
		sim_command(fd, VFIO_USER_REGION_READ, &access, sizeof(access), NULL, 0);

	if (answer->result == 0) {
		memcpy(&access, answer->data, sizeof(access));
		cr_assert_eq(access.offset, offset);
		cr_assert_eq(access.region, region);
		cr_assert_eq(answer->size, sizeof(access) + access.count);
		cr_assert(access.count <= size);
		memcpy(data, answer->data + sizeof(access), access.count);
	}
	return answer->result;
}

int sim_write(int fd, uint32_t region, uint64_t offset, const void *data, uint32_t size)
{
	uint8_t payload[sizeof(struct vfio_user_region_access) + 4096];
	struct vfio_user_region_access access = {.offset = offset, .region = region, .count = size};

	memcpy(payload, &access, sizeof(access));
	memcpy(payload + sizeof(access), data, size);
	return sim_command(fd, VFIO_USER_REGION_WRITE, payload, sizeof(access) + size, NULL, 0)
		->result;
}

int sim_map(int fd, uint64_t address, uint64_t size, int memory, uint64_t offset)
{
	struct vfio_user_dma_map map = {.argsz = sizeof(map),
					.flags = 3,
					.offset = offset,
					.address = address,
					.size = size};

	return sim_command(fd, VFIO_USER_DMA_MAP, &map, sizeof(map), &memory, memory >= 0)->result;
}

int sim_unmap(int fd, uint64_t address, uint64_t size)
{
	struct vfio_user_dma_unmap unmap = {
		.argsz = sizeof(unmap), .address = address, .size = size};
	struct sim_answer *answer =
		sim_command(fd, VFIO_USER_DMA_UNMAP, &unmap, sizeof(unmap), NULL, 0);

	if (answer->result == 0)
		cr_assert_eq(answer->size, sizeof(unmap));
	return answer->result;
}

int sim_set_irqs(int fd, uint32_t index, uint32_t flags, uint32_t start, uint32_t count,
		 const int *fds, uint32_t fd_count)
{
	struct vfio_user_irq_set set = {.argsz = sizeof(set),
					.flags = flags,
					.index = index,
					.start = start,
					.count = count};

	return sim_command(fd, VFIO_USER_DEVICE_SET_IRQS, &set, sizeof(set), fds, fd_count)->result;
}

int sim_region(int fd, uint32_t region, uint64_t *size, int *memory)
{
	struct vfio_user_region_info info = {.argsz = 4096, .index = region};
	struct sim_answer *answer =
		sim_command(fd, VFIO_USER_DEVICE_GET_REGION_INFO, &info, sizeof(info), NULL, 0);

	*memory = -1;
	if (answer->result)
		return answer->result;
	memcpy(&info, answer->data, sizeof(info));
	*size = info.size;
	if (answer->fd_count)
		*memory = answer->fds[0];
	return 0;
}

json_t *sim_control(const struct sim_process *process, const char *text)
{
	int fd = sim_connect(process->control);
	char line[8192];
	size_t filled = 0;
	json_t *answer;

	cr_assert(fd >= 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	cr_assert_eq(write(fd, "\n", 1), 1);
	while (filled == 0 || line[filled - 1] != '\n') {
		ssize_t got = read(fd, line + filled, sizeof(line) - filled);

		cr_assert(got > 0, "control connection closed after %s", text);
		filled += (size_t)got;
	}
	close(fd);
	line[filled - 1] = '\0';
	answer = json_loads(line, 0, NULL);
	cr_assert(answer, "not JSON: %s", line);
	return answer;
}

int64_t sim_stat(const struct sim_process *process, const char *name)
{
	json_t *answer = sim_control(process, "{\"command\":\"stats\"}");
	int64_t value = json_integer_value(json_object_get(answer, name));

	json_decref(answer);
	return value;
}
