/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_PASSTHROUGH_VFIO_USER_SCRIPT_SERVER_H
#define TESTS_UNIT_PASSTHROUGH_VFIO_USER_SCRIPT_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "wire/vfio_user.h"

/*
 * A vfio-user server in a thread on one end of a socket pair. It answers like an honest small
 * device (BAR 0 of 64 KiB with a memfd and a sparse area, config space, MSI-X) unless its hook does
 * something else.
 */
struct script_server;

struct script_message {
	struct vfio_user_header header;
	uint8_t payload[1 << 16];
	uint32_t length;
	int fds[16];
	uint32_t fd_count;
};

/* Returns true when it dealt with the message itself. */
typedef bool (*script_hook)(struct script_server *server, struct script_message *message);

struct script_server {
	int client_fd; /* for the client; not closed by the server */
	int fd;
	pthread_t thread;
	script_hook hook;
	int memory; /* memfd of BAR 0 */
	uint8_t registers[0x10000];
	atomic_uint count[32]; /* messages by command */
	uint32_t last_irq_count;
	atomic_uint fds_received;
};

void script_server_start(struct script_server *server, script_hook hook);
void script_server_stop(struct script_server *server);
void script_reply(struct script_server *server, const struct script_message *message,
		  const void *payload, uint32_t length, const int *fds, uint32_t fd_count);
void script_reply_error(struct script_server *server, const struct script_message *message,
			uint32_t error);
void script_send_raw(struct script_server *server, const void *bytes, uint32_t length,
		     const int *fds, uint32_t fd_count);
/* One message from the client; false when it is gone. */
bool script_receive(struct script_server *server, struct script_message *message);

#endif
