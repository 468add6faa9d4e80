/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_PROTOCOL_CLIENT_H
#define TESTS_SIM_PROTOCOL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/vfio_user.h"

/*
 * A process under test and a plain client for it: sends any bytes, reads what comes. Failures of
 * the set-up itself abort the test; what the server answers is for the test to judge.
 */

struct sim_process {
	pid_t pid;
	char directory[64];
	char socket[96];
	char control[96];
};

struct sim_answer {
	int result; /* 0, the errno of an error reply, or -1: connection closed, -2: nothing in time
		     */
	struct vfio_user_header header;
	uint8_t data[70000];
	uint32_t size; /* of the payload */
	int fds[32];
	uint32_t fd_count;
};

/* sim_spawn() - start the server with further arguments (NULL-terminated list); waits until it
 * listens. */
void sim_spawn(struct sim_process *process, const char *const *arguments);

/* sim_finish() - SIGTERM; returns the exit status (or 1000 + signal) and removes the directory. */
int sim_finish(struct sim_process *process);

int sim_connect(const char *path);

/* sim_negotiate() - connect and exchange versions. */
int sim_negotiate(const struct sim_process *process);

/* sim_send_raw() - bytes and fds as they are; false when the connection is closed. */
bool sim_send_raw(int fd, const void *data, uint32_t size, const int *fds, uint32_t fd_count);

/* sim_receive() - one message of any type within 5 s. */
void sim_receive(int fd, struct sim_answer *answer);

/* sim_command() - send a command and receive its reply (checked: type, id and command match). */
struct sim_answer *sim_command(int fd, uint16_t command, const void *payload, uint32_t size,
			       const int *fds, uint32_t fd_count);

/* Shortcuts; each returns what sim_answer.result would be */
int sim_read(int fd, uint32_t region, uint64_t offset, void *data, uint32_t size);
int sim_write(int fd, uint32_t region, uint64_t offset, const void *data, uint32_t size);
int sim_map(int fd, uint64_t address, uint64_t size, int memory, uint64_t offset);
int sim_unmap(int fd, uint64_t address, uint64_t size);
int sim_set_irqs(int fd, uint32_t index, uint32_t flags, uint32_t start, uint32_t count,
		 const int *fds, uint32_t fd_count);

/* sim_region() - size and an fd (-1: none) of a region */
int sim_region(int fd, uint32_t region, uint64_t *size, int *memory);

/* sim_control() - one control command given as JSON text; the answer, to be decref'ed. */
json_t *sim_control(const struct sim_process *process, const char *text);

/* sim_stat() - one counter of the control command "stats". */
int64_t sim_stat(const struct sim_process *process, const char *name);

#endif
