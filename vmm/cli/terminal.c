/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

/* Process state of the command, not of the library: one terminal per process. */
static struct termios saved;
static volatile sig_atomic_t is_raw;

void cli_terminal_restore(void)
{
	int saved_errno = errno;

	if (is_raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	is_raw = 0;
	errno = saved_errno;
}

/* A crash must not leave the user's shell without echo: restore, then die as without a handler. */
static void fatal_signal(int number)
{
	cli_terminal_restore();
	signal(number, SIG_DFL);
	raise(number);
}

void cli_terminal_raw(void)
{
	static const int fatal[] = {SIGSEGV, SIGBUS,    SIGABRT, SIGILL,  SIGFPE,  SIGQUIT,
				    SIGHUP,  SIGSYS,    SIGTRAP, SIGUSR1, SIGUSR2, SIGALRM,
				    SIGXCPU, SIGVTALRM, SIGPROF, SIGPOLL, SIGPWR,  SIGSTKFLT};
	struct termios raw;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &saved))
		return;
	raw = saved;
	cfmakeraw(&raw);
	raw.c_oflag |= OPOST; /* our own log lines end with a newline only */
	/* Before the terminal changes: a signal may come right behind the change. */
	is_raw = 1;
	atexit(cli_terminal_restore);
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		signal(fatal[i], fatal_signal);
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw))
		is_raw = 0;
}
