/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_LEGACY_SERIAL_OPEN_H
#define DEVICES_LEGACY_SERIAL_OPEN_H

#include <stdbool.h>
#include <sys/types.h>

#include "devices/legacy/serial_backend.h"

/* The descriptors behind one backend. For serial_backend.c only. */
struct serial_channel {
	int output_fd;   /* -1: none (or no client) */
	int input_fd;    /* -1: none */
	int listen_fd;   /* SOCKET, else -1 */
	int slave_fd;    /* PTY: kept open, so that a reader that leaves is no hang-up; else -1 */
	bool own_output; /* close it */
	bool own_input;
	bool output_is_socket;
	bool input_is_file; /* regular: not pollable, always readable */
	/* The output may block, and cannot be made not to: poll and write single bytes. */
	bool output_may_block;
	char pty_path[64];
	char socket_path[108]; /* sun_path */
	dev_t socket_device;   /* of the socket's file, to remove no other one */
	ino_t socket_inode;
};

/* Returns 0 or -errno with a message. On failure everything is closed. */
int serial_channel_open(struct serial_channel *channel,
			const struct serial_backend_options *options);

/* Closes what is ours. Allowed after a failed open. */
void serial_channel_close(struct serial_channel *channel);

#endif
