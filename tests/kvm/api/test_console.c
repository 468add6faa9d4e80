/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/kvm/api/machine_run.h"

#define GREETING "hello from hvc0\n"
#define LIMIT    .timeout = 60

static struct machine_run run;

static void read_until(int fd, const char *wanted)
{
	char text[512];
	size_t length = 0;

	while (!memmem(text, length, wanted, strlen(wanted))) {
		ssize_t got = read(fd, text + length, sizeof(text) - length);

		cr_assert_gt(got, 0, "no '%s' after %zu bytes; log:\n%s", wanted, length, run.log);
		length += (size_t)got;
	}
}

static void file_must_hold(const char *path, const char *wanted)
{
	char text[256] = "";
	FILE *file = fopen(path, "r");

	cr_assert_not_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	cr_assert_str_eq(text, wanted);
}

Test(console, file, LIMIT)
{
	char path[] = "/tmp/cxvm-console-XXXXXX", option[64];
	int fd = mkstemp(path);

	machine_run_require_kvm();
	close(fd);
	machine_run_create(&run, "virtio_console", NULL);
	snprintf(option, sizeof(option), "file=%s", path);
	machine_run_set(&run, "console", option);
	machine_run_start(&run);
	machine_run_join(&run);
	machine_run_must_pass(&run);
	/* All of it is there when cxvm_run() returns. */
	file_must_hold(path, GREETING);
	cxvm_destroy(run.vm);
	unlink(path);
}

Test(console, null_takes_and_drops, LIMIT)
{
	machine_run_require_kvm();
	machine_run_create(&run, "virtio_console", "flood=500");
	machine_run_set(&run, "console", "null");
	machine_run_start(&run);
	machine_run_join(&run);
	machine_run_must_pass(&run);
	cxvm_destroy(run.vm);
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = 20};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		usleep(1000); /* until it listens; the test's time limit ends this */
	return fd;
}

Test(console, socket_both_ways, LIMIT)
{
	char path[64], option[96];
	int fd;

	machine_run_require_kvm();
	snprintf(path, sizeof(path), "/tmp/cxvm-console-%d.sock", getpid());
	snprintf(option, sizeof(option), "socket=%s", path);
	machine_run_create(&run, "virtio_console", "echo=8");
	machine_run_set(&run, "console", option);
	machine_run_start(&run);
	fd = connect_to(path);
	read_until(fd, GREETING);
	cr_assert_eq(write(fd, "abc\n", 4), 4);
	read_until(fd, "ABC\n");
	/* Another client comes after the first has left. */
	close(fd);
	fd = connect_to(path);
	cr_assert_eq(write(fd, "xyz\n", 4), 4);
	read_until(fd, "XYZ\n");
	machine_run_join(&run);
	machine_run_must_pass(&run);
	close(fd);
	cxvm_destroy(run.vm);
	cr_assert_eq(access(path, F_OK), -1, "the socket's file is left behind");
}

/* hvc0 of Linux spins while a buffer is not taken: who does not read must not stop it. */
Test(console, nobody_reads_the_socket, LIMIT)
{
	char option[96];

	machine_run_require_kvm();
	snprintf(option, sizeof(option), "socket=/tmp/cxvm-console-%d.sock", getpid());
	machine_run_create(&run, "virtio_console", "flood=20000");
	machine_run_set(&run, "console", option);
	machine_run_start(&run);
	machine_run_join(&run);
	machine_run_must_pass(&run);
	cxvm_destroy(run.vm);
}

Test(console, pty_both_ways, LIMIT)
{
	char path[64] = "";
	const char *found;
	int fd;

	machine_run_require_kvm();
	machine_run_create(&run, "virtio_console", "echo=5");
	machine_run_set(&run, "console", "pty");
	machine_run_start(&run);
	machine_run_wait_running(&run);
	pthread_mutex_lock(&run.lock);
	found = strstr(run.log, "/dev/pts/");
	if (found)
		sscanf(found, "%63s", path);
	pthread_mutex_unlock(&run.lock);
	cr_assert(path[0], "the log does not name the terminal:\n%s", run.log);
	fd = open(path, O_RDWR | O_NOCTTY);
	cr_assert_geq(fd, 0);
	read_until(fd, GREETING);
	cr_assert_eq(write(fd, "ptys\n", 5), 5);
	read_until(fd, "PTYS\n");
	machine_run_join(&run);
	machine_run_must_pass(&run);
	close(fd);
	cxvm_destroy(run.vm);
}

static void refused(enum cxvm_console_mode mode, const char *path, const char *serial, int error,
		    const char *why)
{
	const struct cxvm_console console = {.size = sizeof(console), .mode = mode, .path = path};

	machine_run_create(&run, "virtio_console", NULL);
	cr_assert_eq(cxvm_set_console(run.vm, &console), 0);
	machine_run_set(&run, "serial", serial);
	cr_assert_eq(cxvm_run(run.vm, &run.exit), error, "%s", run.log);
	cr_assert(strstr(run.log, why), "log:\n%s", run.log);
	cxvm_destroy(run.vm);
}

Test(console, refused_with_a_reason, LIMIT)
{
	machine_run_require_kvm();
	refused(CXVM_CONSOLE_STDIO, NULL, "tty", -EINVAL, "on the terminal already");
	refused(CXVM_CONSOLE_FILE, NULL, "null", -EINVAL,
		"console: mode file or socket needs a path");
	refused(CXVM_CONSOLE_SOCKET, NULL, "null", -EINVAL,
		"console: mode file or socket needs a path");
	refused(CXVM_CONSOLE_FILE, "/nonexistent/x", "null", -ENOENT, "/nonexistent/x");
}

Test(console, standard_input_and_output, LIMIT)
{
	int input[2], output[2];

	machine_run_require_kvm();
	cr_assert_eq(pipe(input), 0);
	cr_assert_eq(pipe(output), 0);
	dup2(input[0], STDIN_FILENO);
	dup2(output[1], STDOUT_FILENO);
	machine_run_create(&run, "virtio_console", "echo=6");
	machine_run_set(&run, "console", "stdio");
	machine_run_start(&run);
	read_until(output[0], GREETING);
	cr_assert_eq(write(input[1], "stdio\n", 6), 6);
	read_until(output[0], "STDIO\n");
	machine_run_join(&run);
	machine_run_must_pass(&run);
	cxvm_destroy(run.vm);
}
