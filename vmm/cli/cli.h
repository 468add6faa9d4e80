/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_CLI_CLI_H
#define VMM_CLI_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include <cxvm/cxvm.h>

/* The exit status table of the cxvm command (docs/cli.md, cxvm(1)). */
enum cli_status {
	CLI_OK = 0,         /* the guest powered off; or the command did what it was asked */
	CLI_FAILED = 1,     /* could not start, for a reason that has no number of its own */
	CLI_USAGE = 2,      /* bad arguments */
	CLI_BAD_CONFIG = 3, /* the configuration is wrong or asks for what the host does not have */
	CLI_BAD_KERNEL = 4, /* kernel or initramfs refused */
	CLI_NO_KVM = 5,     /* KVM or a device refused */
	CLI_GUEST_REBOOT = 32, /* as crosvm */
	CLI_GUEST_CRASH = 33,
	CLI_GUEST_PANIC = 34,
	CLI_VMM_FAULT = 35,
	CLI_SIGNAL_BASE = 128, /* + the signal that ended it */
};

struct cli_log {
	FILE *stream;
	bool json;
};

/* A cxvm_log_callback; opaque is a struct cli_log. One write per line, so that lines of threads do
 * not mix. */
void cli_log_message(void *opaque, enum cxvm_log_level level, const char *object,
		     const char *message);

/* "error", "warn", "info", "debug" (also "warning"); returns 0 or -1. */
int cli_log_level(const char *text, enum cxvm_log_level *level);

/* Put the terminal of standard input into raw mode; it is restored at exit and by
 * cli_terminal_restore(). */
void cli_terminal_raw(void);
/* Async-signal-safe, may be called at any time. */
void cli_terminal_restore(void);

/* The subcommands; argv[0] is the subcommand's name. They return the exit status. */
int cli_run(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_inspect(int argc, char **argv);
int cli_host(int argc, char **argv);

/* The exit status that stands for an error of the library. */
int cli_status_of_error(int error);

#endif
