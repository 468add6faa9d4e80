/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/vfio-user/receive.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "passthrough/vfio-user/loss.h"

/* One receive takes a message, however long, or so many bytes of short ones. */
#define RECEIVE_PIECE 32768u
/* So long may the commands of one receive take; more is charged to the server. */
#define RECEIVE_BUDGET_MS 10u

/* Offset of the last message that begins in the buffer: what fresh fds belong to. */
static size_t receive_last_start(const struct vfio_user_channel *channel)
{
	size_t start = 0;

	while (channel->used - start >= sizeof(struct vfio_user_header)) {
		struct vfio_user_header header;

		memcpy(&header, channel->buffer + start, sizeof(header));
		if (header.size < sizeof(header) || header.size >= channel->used - start)
			break;
		start += header.size;
	}
	return start;
}

/* The set of fds for the message at @owner, or an empty one; NULL: a third message with fds. */
static struct vfio_user_fds *receive_fds_at(struct vfio_user_channel *channel, size_t owner)
{
	struct vfio_user_fds *empty = NULL;

	for (unsigned int i = 0; i < 2; i++) {
		struct vfio_user_fds *set = &channel->fds[i];

		if (set->count && set->owner == owner)
			return set;
		if (!set->count)
			empty = set;
	}
	if (empty)
		empty->owner = owner;
	return empty;
}

static const char *receive_take_fds(struct vfio_user_channel *channel, struct msghdr *message)
{
	size_t owner = receive_last_start(channel);
	const char *problem = NULL;
	struct cmsghdr *control;

	if (message->msg_flags & MSG_CTRUNC)
		problem = "the server sent more file descriptors than a message may have";
	for (control = CMSG_FIRSTHDR(message); control; control = CMSG_NXTHDR(message, control)) {
		struct vfio_user_fds *set = receive_fds_at(channel, owner);
		size_t count;

		if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
			continue;
		count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(control) + i * sizeof(int), sizeof(fd));
			if (set && set->count < VFIO_USER_LIMIT_MSG_FDS) {
				set->fds[set->count++] = fd;
				continue;
			}
			close(fd);
			problem = "the server sent more file descriptors than a message may have";
		}
	}
	return problem;
}

static int receive_error(uint32_t error)
{
	return error && error < 4096 ? -(int)error : -EIO;
}

/* Hand a reply to its call. Under no lock; takes the channel's. */
static const char *receive_reply(struct vfio_user_channel *channel,
				 const struct vfio_user_header *header, const uint8_t *payload,
				 struct vfio_user_fds *fds)
{
	uint32_t length = header->size - (uint32_t)sizeof(*header);
	struct vfio_user_call **link;
	struct vfio_user_call *call;
	const char *problem = NULL;

	pthread_mutex_lock(&channel->lock);
	for (link = &channel->calls; *link; link = &(*link)->next)
		if ((*link)->id == header->id)
			break;
	call = *link;
	if (!call) {
		/* Nobody asked: harmless, and a call that is over is never touched. */
		channel->stray_replies++;
	} else if (call->command != header->command) {
		problem = "the server answered with another command than it was asked";
	} else if (header->flags & VFIO_USER_FLAG_ERROR) {
		call->result = receive_error(header->error);
	} else if (length > call->reply_capacity || fds->count > call->max_fds) {
		problem = "the server answered with more than it was asked for";
	} else {
		if (length)
			memcpy(call->reply, payload, length);
		call->reply_length = length;
		call->reply_fds = *fds;
		fds->count = 0;
	}
	if (call && !problem) {
		*link = call->next;
		call->pending = false;
	}
	pthread_mutex_unlock(&channel->lock);
	return problem;
}

/* Commands took from @start to now. Returns NULL or why it is too much. */
static const char *receive_charge(struct vfio_user_channel *channel, uint64_t start)
{
	uint64_t spent = clock_now_ms() - start;
	const char *problem;

	if (spent <= RECEIVE_BUDGET_MS)
		return NULL;
	pthread_mutex_lock(&channel->lock);
	problem = vfio_user_answers_charge(channel, spent - RECEIVE_BUDGET_MS);
	pthread_mutex_unlock(&channel->lock);
	return problem ? "the server's commands take too much time" : NULL;
}

static void receive_command(struct vfio_user_channel *channel,
			    const struct vfio_user_header *header, const uint8_t *payload)
{
	uint32_t length = header->size - (uint32_t)sizeof(*header);
	const void *answer = NULL;
	uint32_t answer_length = 0;
	int result = -EINVAL;

	/* A read that nobody is told about is work for nothing, and cheap to ask for. */
	if ((header->flags & VFIO_USER_FLAG_NO_REPLY) && header->command != VFIO_USER_DMA_WRITE)
		return;
	if (channel->ops.command)
		result = channel->ops.command(channel->ops.opaque, header->command, payload, length,
					      &answer, &answer_length);
	if (!(header->flags & VFIO_USER_FLAG_NO_REPLY))
		vfio_user_answer(channel, header, result, answer, answer_length);
}

/* All complete messages, front to back. */
static const char *receive_messages(struct vfio_user_channel *channel)
{
	const char *problem = NULL;
	uint64_t command_start = 0;
	bool over = false;
	size_t start = 0;

	while (!problem && !over && channel->used - start >= sizeof(struct vfio_user_header)) {
		struct vfio_user_fds none = {.count = 0};
		struct vfio_user_fds *fds = &none;
		struct vfio_user_header header;
		uint32_t type;

		memcpy(&header, channel->buffer + start, sizeof(header));
		type = header.flags & VFIO_USER_FLAG_TYPE_MASK;
		if (header.size < sizeof(header) || header.size > VFIO_USER_LIMIT_MESSAGE_SIZE)
			return "the server sent a message of an impossible size";
		if (type != VFIO_USER_FLAG_TYPE_REPLY && type != VFIO_USER_FLAG_TYPE_COMMAND)
			return "the server sent a message of an unknown type";
		if (header.size > channel->used - start)
			break;
		for (unsigned int i = 0; i < 2; i++)
			if (channel->fds[i].count && channel->fds[i].owner == start)
				fds = &channel->fds[i];
		if (type == VFIO_USER_FLAG_TYPE_REPLY) {
			problem = receive_reply(channel, &header,
						channel->buffer + start + sizeof(header), fds);
		} else {
			if (!command_start)
				command_start = clock_now_ms();
			receive_command(channel, &header, channel->buffer + start + sizeof(header));
			over = vfio_user_channel_is_lost(channel);
		}
		vfio_user_fds_close(fds); /* whatever nobody took */
		start += header.size;
	}
	channel->used -= start;
	memmove(channel->buffer, channel->buffer + start, channel->used);
	for (unsigned int i = 0; i < 2; i++)
		if (channel->fds[i].count)
			channel->fds[i].owner -= start;
	if (!problem && command_start)
		problem = receive_charge(channel, command_start);
	return problem;
}

/* How much the next receive may take: the rest of the message that has begun, or a piece. */
static size_t receive_room(const struct vfio_user_channel *channel)
{
	size_t room = VFIO_USER_RECEIVE_BUFFER - channel->used;
	struct vfio_user_header header;
	size_t wanted = RECEIVE_PIECE;

	if (channel->used >= sizeof(header)) {
		memcpy(&header, channel->buffer, sizeof(header));
		if (header.size > channel->used && header.size - channel->used > wanted)
			wanted = header.size - channel->used;
	}
	return wanted < room ? wanted : room;
}

const char *vfio_user_receive(struct vfio_user_channel *channel, bool wait, size_t at_least)
{
	union {
		struct cmsghdr header;
		uint8_t space[CMSG_SPACE(sizeof(int) * VFIO_USER_LIMIT_MSG_FDS)];
	} control;
	struct iovec part = {.iov_base = channel->buffer + channel->used,
			     .iov_len = receive_room(channel)};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	int flags = MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT);
	const char *problem;
	ssize_t count;

	if (wait && at_least > channel->used && at_least - channel->used < part.iov_len) {
		part.iov_len = at_least - channel->used;
		flags |= MSG_WAITALL;
	}
	count = recvmsg(channel->fd, &message, flags);
	if (count == 0)
		return "the server closed the connection";
	if (count < 0) {
		if (errno == EINTR || (errno == EAGAIN && !wait))
			return NULL;
		return errno == EAGAIN ? "the server did not answer in time"
				       : "the connection to the server failed";
	}
	channel->used += (size_t)count;
	problem = receive_take_fds(channel, &message);
	return problem ? problem : receive_messages(channel);
}
