/* SPDX-License-Identifier: Apache-2.0 */
#include "accel-sim/clock.h"
#include "accel-sim/send_reply.h"

#include <string.h>

static bool sim_send(struct sim_server *server, const struct sim_reply *reply)
{
	return sim_peer_send(&server->peer, reply->data, reply->size, &reply->fd,
			     reply->fd >= 0 ? 1 : 0) == 0;
}

static bool sim_send_extra_fds(struct sim_server *server, const struct sim_reply *reply)
{
	int fds[4];

	for (uint32_t i = 0; i < 4; i++)
		fds[i] = server->signals;
	return sim_peer_send(&server->peer, reply->data, reply->size, fds, 4) == 0;
}

static bool sim_send_garbage(struct sim_server *server)
{
	uint8_t bytes[64];
	uint32_t state = 0x9e3779b9u + (uint32_t)server->faults.applied;

	for (uint32_t i = 0; i < sizeof(bytes); i++) {
		state = state * 1664525u + 1013904223u;
		bytes[i] = (uint8_t)(state >> 24);
	}
	return sim_peer_send(&server->peer, bytes, sizeof(bytes), NULL, 0) == 0;
}

/* Faults that change the header or the payload and then send as usual */
static void sim_spoil(struct sim_reply *reply, const struct sim_fault *fault)
{
	struct vfio_user_header header;
	uint64_t count = fault->value;

	memcpy(&header, reply->data, sizeof(header));
	switch (fault->kind) {
	case SIM_FAULT_ERROR:
		header.flags |= VFIO_USER_FLAG_ERROR;
		header.error = (uint32_t)fault->value;
		header.size = sizeof(header);
		reply->size = sizeof(header);
		reply->fd = -1;
		break;
	case SIM_FAULT_WRONG_ID:
		header.id ^= 0x5555;
		break;
	case SIM_FAULT_WRONG_COMMAND:
		header.command ^= 1;
		break;
	case SIM_FAULT_WRONG_SIZE:
		header.size += (uint32_t)(fault->value ? fault->value : 8);
		break;
	case SIM_FAULT_SMALL_SIZE:
		header.size = 8;
		break;
	case SIM_FAULT_HUGE_SIZE:
		header.size = UINT32_MAX;
		break;
	case SIM_FAULT_SHORT_PAYLOAD:
		if (sizeof(header) + fault->value < reply->size) {
			reply->size = (uint32_t)(sizeof(header) + fault->value);
			header.size = reply->size;
		}
		break;
	case SIM_FAULT_NOT_A_REPLY:
		header.flags &= ~VFIO_USER_FLAG_TYPE_MASK;
		break;
	case SIM_FAULT_COUNT:
		/* struct vfio_user_region_access: count is its last dword */
		if (reply->size >= sizeof(header) + sizeof(struct vfio_user_region_access))
			memcpy(reply->data + sizeof(header) + 12, &count, 4);
		break;
	default:
		break;
	}
	memcpy(reply->data, &header, sizeof(header));
}

bool sim_send_reply(struct sim_server *server, const struct vfio_user_header *request,
		    struct sim_reply *reply)
{
	struct sim_fault fault = sim_faults_take(&server->faults, request->command);
	struct vfio_user_header header;

	switch (fault.kind) {
	case SIM_FAULT_DROP:
		return false;
	case SIM_FAULT_NO_REPLY:
		return true;
	default:
		break;
	}
	if (reply->size == 0)
		return true;
	memcpy(&header, reply->data, sizeof(header));
	switch (fault.kind) {
	case SIM_FAULT_NONE:
		return sim_send(server, reply);
	case SIM_FAULT_STALL:
		server->stalled_until_ms = fault.value ? sim_now_ms() + fault.value : UINT64_MAX;
		/* The reply itself goes out late too: it is the first thing after the stall. */
		memcpy(server->held, reply->data, reply->size);
		server->held_size = reply->size;
		server->held_fd = reply->fd;
		return true;
	case SIM_FAULT_TRUNCATED:
		reply->size = reply->size / 2 ? reply->size / 2 : 1;
		sim_send(server, reply);
		return false;
	case SIM_FAULT_GARBAGE:
		return sim_send_garbage(server);
	case SIM_FAULT_TWICE:
		return sim_send(server, reply) && sim_send(server, reply);
	case SIM_FAULT_EXTRA_FDS:
		return sim_send_extra_fds(server, reply);
	case SIM_FAULT_UNSOLICITED:
		header.id ^= 0x5555;
		header.size = sizeof(header);
		if (sim_peer_send(&server->peer, &header, sizeof(header), NULL, 0) != 0)
			return false;
		return sim_send(server, reply);
	default:
		sim_spoil(reply, &fault);
		return sim_send(server, reply);
	}
}

bool sim_send_held(struct sim_server *server)
{
	struct sim_reply reply = {
		.data = server->held, .size = server->held_size, .fd = server->held_fd};

	if (server->held_size == 0)
		return true;
	server->held_size = 0;
	return sim_send(server, &reply);
}
