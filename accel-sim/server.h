/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCEL_SIM_SERVER_H
#define ACCEL_SIM_SERVER_H

#include <sys/types.h>

#include "accel-sim/faults.h"
#include "accel-sim/remote.h"
#include "accel-sim/session.h"

/* The process's main loop: sockets, signals, one client, control connections. One thread. */

#define SIM_MAX_CONTROLS     4u
#define SIM_MAX_CONTROL_LINE 4096u

/* A listening socket that unlinks its path only while the path is still its own */
struct sim_listener {
	int fd;
	const char *path;
	dev_t device;
	ino_t inode;
};

struct sim_control {
	int fd; /* -1: free */
	uint32_t filled;
	char line[SIM_MAX_CONTROL_LINE];
};

struct sim_server {
	struct sim_device device;
	struct sim_session session;
	struct sim_peer peer;
	struct sim_remote remote;
	struct sim_faults faults;
	struct sim_listener listener;
	struct sim_listener control_listener;
	struct sim_control controls[SIM_MAX_CONTROLS];
	int signals; /* signalfd */
	uint8_t *reply;
	uint8_t *held; /* the reply that a stall holds back, sent first afterwards */
	uint32_t held_size;
	int held_fd;
	uint64_t stalled_until_ms; /* 0: not stalled; UINT64_MAX: until told otherwise */
	bool quit;
	uint64_t connections;
	uint64_t refused; /* second clients */
	uint64_t protocol_errors;
};

/*
 * sim_server_create() - device, sockets and signal handling. Returns 0 or -errno; `message` says
 * why.
 */
int sim_server_create(struct sim_server *server, const struct sim_options *options, char *message,
		      size_t message_size);

/* sim_server_run() - serve until SIGTERM, SIGINT or the control command "quit". 0 or -errno. */
int sim_server_run(struct sim_server *server);

/* sim_server_destroy() - close, unlink what is ours, free; works on a half-made server. */
void sim_server_destroy(struct sim_server *server);

/* sim_server_drop() - end the client's connection. */
void sim_server_drop(struct sim_server *server);

/* sim_log() - one line on stderr; `important` ones also without --verbose. */
void sim_log(const struct sim_server *server, bool important, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
