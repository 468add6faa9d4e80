/* SPDX-License-Identifier: Apache-2.0 */
#include "core/bytes.h"
#include "script_server.h"

#include <criterion/criterion.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/passthrough/transport/info_image.h"

void script_send_raw(struct script_server *server, const void *bytes, uint32_t length,
		     const int *fds, uint32_t fd_count)
{
	union {
		struct cmsghdr header;
		uint8_t space[CMSG_SPACE(sizeof(int) * 32)];
	} control;
	struct iovec part = {(void *)(uintptr_t)bytes, length};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (fd_count) {
		memset(&control, 0, sizeof(control));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * fd_count);
	}
	sendmsg(server->fd, &message, MSG_NOSIGNAL);
}

void script_reply(struct script_server *server, const struct script_message *message,
		  const void *payload, uint32_t length, const int *fds, uint32_t fd_count)
{
	uint8_t bytes[(1 << 16) + 64];
	struct vfio_user_header header = {.id = message->header.id,
					  .command = message->header.command,
					  .size = (uint32_t)sizeof(header) + length,
					  .flags = VFIO_USER_FLAG_TYPE_REPLY};

	memcpy(bytes, &header, sizeof(header));
	if (length)
		memcpy(bytes + sizeof(header), payload, length);
	script_send_raw(server, bytes, header.size, fds, fd_count);
}

void script_reply_error(struct script_server *server, const struct script_message *message,
			uint32_t error)
{
	struct vfio_user_header header = {.id = message->header.id,
					  .command = message->header.command,
					  .size = sizeof(header),
					  .flags = VFIO_USER_FLAG_TYPE_REPLY | VFIO_USER_FLAG_ERROR,
					  .error = error};

	script_send_raw(server, &header, sizeof(header), NULL, 0);
}

bool script_receive(struct script_server *server, struct script_message *message)
{
	union {
		struct cmsghdr header;
		uint8_t space[CMSG_SPACE(sizeof(int) * 16)];
	} control;
	struct iovec part = {&message->header, sizeof(message->header)};
	struct msghdr header = {.msg_iov = &part,
				.msg_iovlen = 1,
				.msg_control = &control,
				.msg_controllen = sizeof(control)};
	struct cmsghdr *item;

	message->fd_count = 0;
	if (recvmsg(server->fd, &header, MSG_WAITALL) != sizeof(message->header))
		return false;
	for (item = CMSG_FIRSTHDR(&header); item; item = CMSG_NXTHDR(&header, item)) {
		message->fd_count = (uint32_t)((item->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(message->fds, CMSG_DATA(item), message->fd_count * sizeof(int));
	}
	message->length = message->header.size - (uint32_t)sizeof(message->header);
	if (message->length > sizeof(message->payload))
		return false;
	return !message->length || recv(server->fd, message->payload, message->length,
					MSG_WAITALL) == (ssize_t)message->length;
}

static void reply_region(struct script_server *server, struct script_message *message)
{
	uint8_t info[64] = {0};
	uint32_t index = 0;

	memcpy(&index, message->payload + 8, 4);
	bytes_put_le32(info, 32);
	bytes_put_le32(info + 8, index);
	if (index == 0) {
		bytes_put_le32(info, 64);
		bytes_put_le32(info + 4, 15);
		bytes_put_le32(info + 12, 32);
		bytes_put_le64(info + 16, 0x10000);
		put_header(info, 32, VFIO_REGION_INFO_CAP_SPARSE_MMAP, 1, 0);
		bytes_put_le32(info + 40, 1);
		bytes_put_le64(info + 48, 0x1000);
		bytes_put_le64(info + 56, 0xf000);
		script_reply(server, message, info, 64, &server->memory, 1);
		return;
	}
	if (index == VFIO_PCI_VGA_REGION_INDEX) {
		script_reply_error(server, message, 22);
		return;
	}
	if (index == VFIO_PCI_CONFIG_REGION_INDEX) {
		bytes_put_le32(info + 4, 3);
		bytes_put_le64(info + 16, 4096);
	}
	script_reply(server, message, info, 32, NULL, 0);
}

static void answer(struct script_server *server, struct script_message *message)
{
	struct vfio_user_region_access access;
	uint8_t info[4096 + 16] = {0};
	static const char json[] = "\0\0\1\0{\"capabilities\":{\"max_msg_fds\":4}}";

	switch (message->header.command) {
	case VFIO_USER_VERSION:
		script_reply(server, message, json, sizeof(json), NULL, 0);
		return;
	case VFIO_USER_DEVICE_GET_INFO:
		bytes_put_le32(info, 24);
		bytes_put_le32(info + 4, VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET);
		bytes_put_le32(info + 8, 9);
		bytes_put_le32(info + 12, 5);
		script_reply(server, message, info, 24, NULL, 0);
		return;
	case VFIO_USER_DEVICE_GET_REGION_INFO:
		reply_region(server, message);
		return;
	case VFIO_USER_DEVICE_GET_IRQ_INFO:
		memcpy(info, message->payload, 16);
		bytes_put_le32(info + 4, VFIO_IRQ_INFO_EVENTFD);
		bytes_put_le32(info + 12, message->payload[8] == VFIO_PCI_MSIX_IRQ_INDEX ? 8 : 0);
		script_reply(server, message, info, 16, NULL, 0);
		return;
	case VFIO_USER_REGION_READ:
		memcpy(&access, message->payload, sizeof(access));
		if (access.count > 4096 || access.offset + access.count > sizeof(server->registers))
			break;
		memcpy(info, &access, sizeof(access));
		memcpy(info + 16, server->registers + access.offset, access.count);
		script_reply(server, message, info, 16 + access.count, NULL, 0);
		return;
	case VFIO_USER_REGION_WRITE:
		memcpy(&access, message->payload, sizeof(access));
		if (access.count > 4096 || access.offset + access.count > sizeof(server->registers))
			break;
		memcpy(server->registers + access.offset, message->payload + 16, access.count);
		if (!(message->header.flags & VFIO_USER_FLAG_NO_REPLY))
			script_reply(server, message, &access, sizeof(access), NULL, 0);
		return;
	case VFIO_USER_DMA_UNMAP:
		script_reply(server, message, message->payload, message->length, NULL, 0);
		return;
	case VFIO_USER_DEVICE_SET_IRQS:
	case VFIO_USER_DMA_MAP:
	case VFIO_USER_DEVICE_RESET:
		script_reply(server, message, NULL, 0, NULL, 0);
		return;
	default:
		break;
	}
	script_reply_error(server, message, 22);
}

static void *run(void *opaque)
{
	struct script_server *server = opaque;
	static __thread struct script_message message;

	while (script_receive(server, &message)) {
		server->count[message.header.command % 32]++;
		server->fds_received += message.fd_count;
		if (!server->hook || !server->hook(server, &message))
			answer(server, &message);
		for (uint32_t i = 0; i < message.fd_count; i++)
			close(message.fds[i]);
	}
	return NULL;
}

void script_server_start(struct script_server *server, script_hook hook)
{
	int pair[2];

	memset(server, 0, sizeof(*server));
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	server->client_fd = pair[0];
	server->fd = pair[1];
	server->hook = hook;
	server->memory = memfd_create("bar0", MFD_CLOEXEC);
	cr_assert_eq(ftruncate(server->memory, 0x10000), 0);
	cr_assert_eq(pthread_create(&server->thread, NULL, run, server), 0);
}

void script_server_stop(struct script_server *server)
{
	shutdown(server->fd, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->fd);
	close(server->memory);
}
