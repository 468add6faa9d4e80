/* SPDX-License-Identifier: Apache-2.0 */
#include "accel-sim/server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "accel-sim/clock.h"
#include "accel-sim/control.h"
#include "accel-sim/fd.h"
#include "accel-sim/guarded_memory.h"
#include "accel-sim/send_reply.h"

/* Messages of one client before the other sockets get a look */
#define SIM_SERVER_BATCH 64u

static int sim_server_listen(struct sim_listener *listener, const char *path, char *message,
			     size_t message_size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat status;
	int result;

	if (strlen(path) >= sizeof(address.sun_path)) {
		snprintf(message, message_size,
			 "%s: too long for a UNIX socket (at most %zu bytes)", path,
			 sizeof(address.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener->fd < 0 ||
	    bind(listener->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		result = -errno;
		snprintf(message, message_size, "%s: cannot bind: %s%s", path, strerror(-result),
			 result == -EADDRINUSE
				 ? "; another server has it, or one died: then remove the file"
				 : "");
		return result;
	}
	/* From here on the file is ours to remove. */
	listener->path = path;
	if (stat(path, &status) == 0) {
		listener->device = status.st_dev;
		listener->inode = status.st_ino;
	}
	if (listen(listener->fd, 4) != 0) {
		result = -errno;
		snprintf(message, message_size, "%s: cannot listen: %s", path, strerror(-result));
		return result;
	}
	return 0;
}

static void sim_server_unlisten(struct sim_listener *listener)
{
	struct stat status;

	sim_fd_close(&listener->fd);
	if (listener->path && stat(listener->path, &status) == 0 &&
	    status.st_dev == listener->device && status.st_ino == listener->inode)
		unlink(listener->path);
	listener->path = NULL;
}

static int sim_server_signals(struct sim_server *server)
{
	sigset_t wanted;

	sigemptyset(&wanted);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGINT);
	if (sigprocmask(SIG_BLOCK, &wanted, NULL) != 0)
		return -errno;
	server->signals = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
	return server->signals < 0 ? -errno : sim_guarded_install();
}

int sim_server_create(struct sim_server *server, const struct sim_options *options, char *message,
		      size_t message_size)
{
	struct sim_dma_remote remote;
	int result;

	memset(server, 0, sizeof(*server));
	server->signals = -1;
	server->listener.fd = -1;
	server->control_listener.fd = -1;
	server->device.dpa_fd = -1;
	for (uint32_t i = 0; i < SIM_BAR_COUNT; i++)
		server->device.bar_fd[i] = -1;
	for (uint32_t i = 0; i < SIM_MAX_CONTROLS; i++)
		server->controls[i].fd = -1;
	result = sim_peer_init(&server->peer);
	if (result)
		return result;
	sim_remote_init(&server->remote, &server->peer);
	server->remote.cancel = &server->device.engine.cancel;
	remote = sim_remote_ops(&server->remote);
	server->reply = malloc(VFIO_USER_LIMIT_MESSAGE_SIZE);
	server->held = malloc(VFIO_USER_LIMIT_MESSAGE_SIZE);
	/* Signals first: the engine's thread inherits the mask. */
	result = server->reply && server->held ? sim_server_signals(server) : -ENOMEM;
	if (result) {
		snprintf(message, message_size, "cannot set up signals: %s", strerror(-result));
		return result;
	}
	result = sim_device_create(&server->device, options, &remote, message, message_size);
	if (!result)
		result = sim_server_listen(&server->listener, options->socket_path, message,
					   message_size);
	if (!result && options->control_path)
		result = sim_server_listen(&server->control_listener, options->control_path,
					   message, message_size);
	return result;
}

void sim_server_destroy(struct sim_server *server)
{
	sim_server_drop(server);
	for (uint32_t i = 0; i < SIM_MAX_CONTROLS; i++) {
		sim_fd_close(&server->controls[i].fd);
	}
	sim_server_unlisten(&server->control_listener);
	sim_server_unlisten(&server->listener);
	sim_device_destroy(&server->device);
	sim_remote_destroy(&server->remote);
	sim_peer_destroy(&server->peer);
	sim_fd_close(&server->signals);
	free(server->reply);
	free(server->held);
}

/* One complete message; false when the connection is over. */
static bool sim_server_message(struct sim_server *server)
{
	struct sim_peer *peer = &server->peer;
	struct vfio_user_header header;
	struct sim_reply reply = {.data = server->reply, .fd = -1};
	const uint8_t *payload = peer->in + sizeof(header);
	uint32_t size, type;
	int result;

	memcpy(&header, peer->in, sizeof(header));
	size = header.size - (uint32_t)sizeof(header);
	type = header.flags & VFIO_USER_FLAG_TYPE_MASK;
	if (type == VFIO_USER_FLAG_TYPE_REPLY) {
		result = sim_remote_reply(&server->remote, &header, payload, size);
		sim_peer_next(peer);
		return result == 0;
	}
	if (type != VFIO_USER_FLAG_TYPE_COMMAND) {
		sim_peer_next(peer);
		return false;
	}
	result = sim_session_handle(&server->session, &header, payload, size, peer->fds,
				    peer->fd_count, &reply);
	sim_log(server, false, "message id %u command %u size %u fds %u: %s", header.id,
		header.command, header.size, peer->fd_count,
		reply.size == sizeof(header) ? "header only" : "ok");
	sim_peer_next(peer);
	return sim_send_reply(server, &header, &reply) && result == 0;
}

static void sim_server_client(struct sim_server *server)
{
	for (uint32_t i = 0; i < SIM_SERVER_BATCH && server->peer.fd >= 0; i++) {
		int result;

		if (server->stalled_until_ms != 0)
			return;
		result = sim_send_held(server) ? sim_peer_receive(&server->peer) : -EPIPE;
		if (result == 0)
			return;
		if (result < 0) {
			if (result != -ENOTCONN) {
				server->protocol_errors++;
				sim_log(server, true, "client dropped: %s", strerror(-result));
			}
			sim_server_drop(server);
			return;
		}
		if (!sim_server_message(server)) {
			server->protocol_errors++;
			sim_log(server, true, "client dropped after a message it must not send");
			sim_server_drop(server);
			return;
		}
	}
}

static void sim_server_accept(struct sim_server *server)
{
	int fd = accept4(server->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	/* Learn first whether the old client is gone: reconnecting at once must work. */
	if (server->peer.fd >= 0)
		sim_server_client(server);
	if (server->peer.fd >= 0) {
		server->refused++;
		sim_log(server, true, "second client refused: one at a time");
		close(fd);
		return;
	}
	server->connections++;
	sim_peer_connect(&server->peer, fd);
	sim_session_init(&server->session, &server->device);
	sim_log(server, false, "client connected");
}

static int sim_server_timeout(struct sim_server *server)
{
	uint64_t now;

	if (server->stalled_until_ms == 0 || server->stalled_until_ms == UINT64_MAX)
		return -1;
	now = sim_now_ms();
	if (now >= server->stalled_until_ms) {
		server->stalled_until_ms = 0;
		return 0;
	}
	return (int)(server->stalled_until_ms - now);
}

int sim_server_run(struct sim_server *server)
{
	while (!server->quit) {
		struct pollfd fds[5 + SIM_MAX_CONTROLS];
		bool stalled = server->stalled_until_ms != 0;
		uint64_t count;
		int ready;

		fds[0] = (struct pollfd){.fd = server->signals, .events = POLLIN};
		fds[1] = (struct pollfd){.fd = server->peer.fd, .events = stalled ? 0 : POLLIN};
		fds[2] = (struct pollfd){.fd = server->listener.fd, .events = POLLIN};
		fds[3] = (struct pollfd){.fd = server->control_listener.fd, .events = POLLIN};
		fds[4] =
			(struct pollfd){.fd = server->device.irqs.unmask_eventfd, .events = POLLIN};
		for (uint32_t i = 0; i < SIM_MAX_CONTROLS; i++)
			fds[5 + i] =
				(struct pollfd){.fd = server->controls[i].fd, .events = POLLIN};
		ready = poll(fds, 5 + SIM_MAX_CONTROLS, sim_server_timeout(server));
		if (ready < 0 && errno != EINTR)
			return -errno;
		if (ready < 0)
			continue;
		if (fds[0].revents)
			server->quit = true;
		/* INTx unmask, the resample fd of the client's irqfd */
		if ((fds[4].revents & POLLIN) &&
		    read(fds[4].fd, &count, sizeof(count)) == sizeof(count))
			sim_irqs_unmask(&server->device.irqs);
		for (uint32_t i = 0; i < SIM_MAX_CONTROLS; i++) {
			if (fds[5 + i].revents)
				sim_control_receive(server, &server->controls[i]);
		}
		if (fds[1].revents & (POLLHUP | POLLERR) && server->stalled_until_ms != 0)
			sim_server_drop(server);
		else if (fds[1].revents || (stalled && server->stalled_until_ms == 0))
			sim_server_client(server);
		if (fds[2].revents)
			sim_server_accept(server);
		if (fds[3].revents)
			sim_control_accept(server);
	}
	return 0;
}
