/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/vfio-user/answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/clock.h"
#include "passthrough/vfio-user/channel.h"
#include "passthrough/vfio-user/loss.h"

static const char too_slow[] = "the server takes answers to its commands too slowly";

const char *vfio_user_answers_charge(struct vfio_user_channel *channel, uint64_t ms)
{
	struct vfio_user_answers *answers = &channel->answers;
	uint64_t now = clock_now_ms();
	uint64_t paid = (now - answers->debt_at_ms) / 10;

	answers->debt_ms -= paid < answers->debt_ms ? paid : answers->debt_ms;
	answers->debt_ms += ms;
	answers->debt_at_ms = now;
	return answers->debt_ms > channel->timeout_ms ? too_slow : NULL;
}

/* Put the part of @parts behind @done bytes at the end of the queue. Without the lock. */
static const char *answers_append(struct vfio_user_channel *channel, const struct iovec *parts,
				  size_t done)
{
	struct vfio_user_answers *answers = &channel->answers;
	size_t length = parts[0].iov_len + parts[1].iov_len;
	struct vfio_user_answer *answer = malloc(sizeof(*answer) + length);
	const char *problem = NULL;
	uint64_t now = clock_now_ms();

	if (!answer)
		return "there is no memory for answers to the server's commands";
	*answer = (struct vfio_user_answer){.length = length, .done = done};
	memcpy(answer->bytes, parts[0].iov_base, parts[0].iov_len);
	if (parts[1].iov_len)
		memcpy(answer->bytes + parts[0].iov_len, parts[1].iov_base, parts[1].iov_len);
	pthread_mutex_lock(&channel->lock);
	if (!answers->first)
		answers->since_ms = now;
	if (answers->bytes + length > VFIO_USER_ANSWERS_MAX ||
	    answers->debt_ms + (now - answers->since_ms) > channel->timeout_ms)
		problem = too_slow;
	if (answers->first)
		answers->last->next = answer;
	else
		answers->first = answer;
	answers->last = answer;
	answers->bytes += length;
	pthread_mutex_unlock(&channel->lock);
	return problem;
}

/* The first answer is on the wire. Under the send lock. */
static const char *answers_remove_first(struct vfio_user_channel *channel)
{
	struct vfio_user_answers *answers = &channel->answers;
	struct vfio_user_answer *answer;
	const char *problem = NULL;

	pthread_mutex_lock(&channel->lock);
	answer = answers->first;
	answers->first = answer->next;
	answers->bytes -= answer->length;
	if (!answers->first)
		problem = vfio_user_answers_charge(channel, clock_now_ms() - answers->since_ms);
	pthread_mutex_unlock(&channel->lock);
	free(answer);
	return problem;
}

static struct vfio_user_answer *answers_first(struct vfio_user_channel *channel)
{
	struct vfio_user_answer *first;

	pthread_mutex_lock(&channel->lock);
	first = channel->answers.first;
	pthread_mutex_unlock(&channel->lock);
	return first;
}

const char *vfio_user_answers_send(struct vfio_user_channel *channel, bool wait, uint64_t deadline,
				   bool *blocked)
{
	struct vfio_user_answer *answer;
	const char *problem = NULL;

	*blocked = false;
	while (!problem && (answer = answers_first(channel))) {
		struct iovec part = {answer->bytes + answer->done, answer->length - answer->done};
		struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
		ssize_t sent =
			sendmsg(channel->fd, &message, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT));

		if (sent < 0 && errno == EAGAIN && !wait) {
			*blocked = true;
			return NULL;
		}
		if (sent < 0 && errno != EINTR)
			return errno == EAGAIN ? too_slow : "the server closed the connection";
		answer->done += sent < 0 ? 0 : (size_t)sent;
		if (answer->done == answer->length)
			problem = answers_remove_first(channel);
		else if (wait && clock_now_ms() >= deadline)
			problem = too_slow;
	}
	return problem;
}

void vfio_user_answers_flush(struct vfio_user_channel *channel)
{
	const char *problem = NULL;
	bool blocked = false;

	/* Who has the send lock looks at the queue after it. */
	while (!problem && !blocked && answers_first(channel) &&
	       !pthread_mutex_trylock(&channel->send_lock)) {
		problem = vfio_user_answers_send(channel, false, 0, &blocked);
		pthread_mutex_unlock(&channel->send_lock);
	}
	if (problem)
		vfio_user_channel_fail(channel, problem);
	else if (blocked && channel->ops.blocked)
		channel->ops.blocked(channel->ops.opaque);
}

/* Nothing is queued: send what goes at once and queue the rest. Under the send lock. */
static const char *answer_at_once(struct vfio_user_channel *channel, struct iovec *parts)
{
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = parts[1].iov_len ? 2 : 1};
	ssize_t sent = sendmsg(channel->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (sent < 0 && errno != EAGAIN && errno != EINTR)
		return "the server closed the connection";
	if (sent >= 0 && (size_t)sent == parts[0].iov_len + parts[1].iov_len)
		return NULL;
	return answers_append(channel, parts, sent < 0 ? 0 : (size_t)sent);
}

void vfio_user_answer(struct vfio_user_channel *channel, const struct vfio_user_header *request,
		      int result, const void *payload, uint32_t length)
{
	struct vfio_user_header header = {
		.id = request->id,
		.command = request->command,
		.size = (uint32_t)sizeof(header) + (result ? 0 : length),
		.flags = VFIO_USER_FLAG_TYPE_REPLY | (result ? VFIO_USER_FLAG_ERROR : 0),
		.error = (uint32_t)(result ? -result : 0),
	};
	struct iovec parts[2] = {
		{.iov_base = &header, .iov_len = sizeof(header)},
		{.iov_base = (void *)(uintptr_t)payload, .iov_len = result ? 0 : length},
	};
	const char *problem;

	if (!answers_first(channel) && !pthread_mutex_trylock(&channel->send_lock)) {
		problem = answer_at_once(channel, parts);
		pthread_mutex_unlock(&channel->send_lock);
	} else {
		problem = answers_append(channel, parts, 0);
	}
	if (problem)
		vfio_user_channel_fail(channel, problem);
	else
		vfio_user_answers_flush(channel);
}

void vfio_user_answers_free(struct vfio_user_answers *answers)
{
	while (answers->first) {
		struct vfio_user_answer *answer = answers->first;

		answers->first = answer->next;
		free(answer);
	}
}
