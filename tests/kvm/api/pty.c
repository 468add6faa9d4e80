/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pty SIGNAL COMMAND... - run a command on a terminal of its own and see that it gives the terminal
 * back as it was. SIGNAL 0: it ends by itself; else it is sent when the terminal is raw. Prints the
 * command's output; the last line is "raw=0|1 restored=0|1 status=N" (128 + N when killed). Exits
 * with 0 when the terminal was restored.
 */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_SECONDS 40

static bool same(const struct termios *left, const struct termios *right)
{
	return left->c_iflag == right->c_iflag && left->c_oflag == right->c_oflag &&
	       left->c_cflag == right->c_cflag && left->c_lflag == right->c_lflag &&
	       !memcmp(left->c_cc, right->c_cc, sizeof(left->c_cc));
}

static pid_t start(int slave, char **command)
{
	const struct rlimit no_core = {0, 0};
	pid_t child = fork();

	if (child)
		return child;
	setrlimit(RLIMIT_CORE, &no_core);
	/* Not the controlling terminal: only what is sent ends it. */
	setsid();
	dup2(slave, 0);
	dup2(slave, 1);
	dup2(slave, 2);
	execv(command[0], command);
	_exit(127);
}

int main(int argc, char **argv)
{
	struct termios before, now;
	bool raw = false, sent = false;
	int master, slave, status = 0, number;
	time_t start_time = time(NULL);
	pid_t child, ended = 0;

	if (argc < 3 || openpty(&master, &slave, NULL, NULL, NULL) || tcgetattr(slave, &before))
		return 2;
	number = atoi(argv[1]);
	child = start(slave, argv + 2);
	while (!ended) {
		struct pollfd output = {.fd = master, .events = POLLIN};
		char text[512];

		if (poll(&output, 1, 2) > 0) {
			ssize_t got = read(master, text, sizeof(text));

			if (got > 0)
				fwrite(text, 1, (size_t)got, stdout);
		}
		if (!tcgetattr(slave, &now) && !(now.c_lflag & ECHO))
			raw = true;
		if (raw && number && !sent) {
			kill(child, number);
			sent = true;
		}
		if (time(NULL) - start_time > LIMIT_SECONDS)
			kill(child, SIGKILL);
		ended = waitpid(child, &status, WNOHANG);
	}
	tcgetattr(slave, &now);
	printf("\nraw=%d restored=%d status=%d\n", raw, same(&before, &now),
	       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return same(&before, &now) ? 0 : 1;
}
