/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "passthrough/vfio-user/client.h"
#include "wire/vfio_user.h"

/*
 * The vfio-user client against any byte stream. The client's message ids count from 1, so the input
 * can be a server whose answers fit: each record is a length and bytes, the first bit of the length
 * attaches a file descriptor; ids and reply flags are filled in when the second bit is set.
 */
static int memory = -1;

static void send_record(int fd, uint8_t *bytes, uint32_t length, bool with_fd)
{
	union {
		struct cmsghdr header;
		uint8_t space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = {bytes, length};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (with_fd) {
		memset(&control, 0, sizeof(control));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control.space);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &memory, sizeof(int));
	}
	sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void send_script(int fd, const uint8_t *data, size_t size)
{
	static uint8_t bytes[4096];
	uint16_t id = 0;

	while (size > 2) {
		uint32_t length = ((uint32_t)data[0] | (uint32_t)data[1] << 8) >> 2;
		bool with_fd = data[0] & 1, fits = data[0] & 2;

		data += 2;
		size -= 2;
		if (length > size)
			length = (uint32_t)size;
		if (length > sizeof(bytes))
			length = sizeof(bytes);
		memcpy(bytes, data, length);
		if (fits && length >= sizeof(struct vfio_user_header)) {
			struct vfio_user_header header;

			memcpy(&header, bytes, sizeof(header));
			header.id = ++id;
			header.size = length;
			header.flags = VFIO_USER_FLAG_TYPE_REPLY;
			memcpy(bytes, &header, sizeof(header));
		}
		if (length)
			send_record(fd, bytes, length, with_fd);
		data += length;
		size -= length;
	}
	shutdown(fd, SHUT_WR);
}

static int on_dma(void *opaque, uint64_t address, void *data, uint64_t length, bool write)
{
	(void)opaque;
	(void)write;
	if (!length || length > VFIO_TRANSPORT_MAX_ACCESS)
		abort();
	memset(data, (int)address, length);
	return 0;
}

static void use(struct vfio_transport *transport)
{
	const struct vfio_transport_ops *ops = transport->ops;
	uint64_t offsets[4] = {0, 4, 8, 12};
	uint32_t values[4], length, flags;
	uint64_t fd_offset;
	uint8_t *info = NULL;
	void *host = NULL;
	int fds[3] = {memory, memory, -1}, fd;

	if (!ops->get_device_info(transport, &info, &length))
		free(info);
	for (uint32_t i = 0; i < 12; i++)
		if (!ops->get_region_info(transport, i, &info, &length))
			free(info);
	ops->get_irq_info(transport, 2, &flags, &length);
	if (!ops->map(transport, 0, 0, 4096, &host, &fd, &fd_offset))
		munmap(host, 4096);
	ops->mapping_intact(transport, 0);
	ops->region_read_dwords(transport, 9, offsets, values, 4);
	ops->region_read(transport, 7, 0, values, 4);
	ops->region_write(transport, 0, 0, values, 4, true);
	ops->set_irqs(transport, 2, 0x24, 0, 3, fds);
	ops->reset(transport);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vfio_transport_options options = {
		.name = "fuzz", .events = {.dma = on_dma}, .timeout_ms = 50};
	struct vfio_transport *transport;
	int pair[2];

	if (memory < 0) {
		memory = memfd_create("fuzz", MFD_CLOEXEC);
		if (ftruncate(memory, 65536))
			abort();
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		abort();
	send_script(pair[1], data, size);
	if (!vfio_user_attach(pair[0], &options, &transport)) {
		use(transport);
		transport->ops->close(transport);
	}
	close(pair[1]);
	return 0;
}
