/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_CLI_SANDBOX_H
#define VMM_CLI_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * What the process keeps of the host while the guest runs: nothing but what is open. A mount
 * namespace with an empty root that cannot be written, another user, no capabilities, Landlock
 * where the kernel has it, no core dumps.
 */
struct sandbox {
	bool on;
	bool has_user;
	uid_t user;
	gid_t group;
};

/* "1000", "1000:100", "name" or "name:group". Returns 0 or -1: there is no such user or group. */
int sandbox_parse_user(const char *text, struct sandbox *sandbox);

/*
 * sandbox_enter() - a cxvm_confine_callback; @opaque is a struct sandbox. The calling thread is the
 * only one. @folders stay reachable under their names, for sockets to be made, removed and
 * connected to. Returns 0 or -errno after a line on standard error that says what is missing;
 * nothing of what was asked for is left out.
 */
int sandbox_enter(void *opaque, const char *const *folders, size_t count);

#endif
