/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/legacy/serial_open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "core/fd.h"

/*
 * A descriptor of the caller is shared with whoever gave it to us: O_NONBLOCK on it would surprise
 * them. Opening it again through /proc gives a file description of our own.
 */
static void channel_open_output(struct serial_channel *channel, int fd)
{
	struct stat status;
	char path[32];
	int own;

	channel->output_fd = fd;
	if (fstat(fd, &status) < 0 || S_ISREG(status.st_mode))
		return;
	if (S_ISSOCK(status.st_mode)) {
		channel->output_is_socket = true;
		return;
	}
	if (fcntl(fd, F_GETFL) & O_NONBLOCK)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own < 0) {
		channel->output_may_block = true;
		return;
	}
	channel->output_fd = own;
	channel->own_output = true;
}

static int channel_open_file(struct serial_channel *channel,
			     const struct serial_backend_options *options)
{
	int result;

	/* O_NONBLOCK: a FIFO without a reader is refused instead of waited for. */
	channel->output_fd =
		open(options->path,
		     O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	if (channel->output_fd < 0) {
		result = -errno;
		log_error(options->logger, options->name, "cannot open %s for the output: %s",
			  options->path,
			  result == -ENXIO ? "a FIFO that nobody reads" : strerror(-result));
		return result;
	}
	channel->own_output = true;
	return 0;
}

static int channel_open_pty(struct serial_channel *channel,
			    const struct serial_backend_options *options)
{
	struct termios settings;
	int result;

	channel->output_fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	channel->own_output = true;
	if (channel->output_fd < 0 || grantpt(channel->output_fd) < 0 ||
	    unlockpt(channel->output_fd) < 0)
		goto fail;
	if (ptsname_r(channel->output_fd, channel->pty_path, sizeof(channel->pty_path)) != 0)
		goto fail;
	channel->slave_fd = open(channel->pty_path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (channel->slave_fd < 0 || tcgetattr(channel->slave_fd, &settings) < 0)
		goto fail;
	/* A line discipline in between would echo the guest's output back to it. */
	cfmakeraw(&settings);
	if (tcsetattr(channel->slave_fd, TCSANOW, &settings) < 0)
		goto fail;
	channel->input_fd = channel->output_fd;
	log_info(options->logger, options->name, "pseudo terminal: %s", channel->pty_path);
	return 0;
fail:
	result = errno ? -errno : -EIO;
	log_error(options->logger, options->name, "cannot open a pseudo terminal: %s",
		  strerror(-result));
	return result;
}

/* A socket file that nobody listens on any more is removed; a live one is not. */
static int socket_remove_stale(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat status;
	int result = -EADDRINUSE;

	if (fd < 0)
		return -errno;
	if (lstat(address->sun_path, &status) == 0 && S_ISSOCK(status.st_mode) &&
	    connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
	    errno == ECONNREFUSED)
		result = unlink(address->sun_path) < 0 ? -errno : 0;
	fd_close(&fd);
	return result;
}

static int channel_open_socket(struct serial_channel *channel,
			       const struct serial_backend_options *options)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat status;
	int result = 0;

	if (strlen(options->path) >= sizeof(address.sun_path)) {
		log_error(options->logger, options->name, "socket path %s is longer than %zu bytes",
			  options->path, sizeof(address.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	memcpy(address.sun_path, options->path, strlen(options->path));
	channel->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (channel->listen_fd < 0)
		result = -errno;
	if (result == 0 &&
	    bind(channel->listen_fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		result = -errno;
		if (result == -EADDRINUSE)
			result = socket_remove_stale(&address);
		if (result == 0 &&
		    bind(channel->listen_fd, (struct sockaddr *)&address, sizeof(address)) < 0)
			result = -errno;
	}
	if (result == 0 && lstat(address.sun_path, &status) < 0)
		result = -errno;
	if (result == 0) {
		memcpy(channel->socket_path, address.sun_path, sizeof(address.sun_path));
		channel->socket_device = status.st_dev;
		channel->socket_inode = status.st_ino;
		if (listen(channel->listen_fd, 4) < 0)
			result = -errno;
	}
	if (result < 0)
		log_error(options->logger, options->name, "cannot listen on %s: %s%s",
			  options->path, strerror(-result),
			  result == -EADDRINUSE ? "; another program owns it, choose another path"
						: "");
	return result;
}

int serial_channel_open(struct serial_channel *channel,
			const struct serial_backend_options *options)
{
	struct stat status;
	int result = 0;

	*channel = (struct serial_channel){
		.output_fd = -1,
		.input_fd = -1,
		.listen_fd = -1,
		.slave_fd = -1,
	};
	if ((options->kind == SERIAL_BACKEND_FILE || options->kind == SERIAL_BACKEND_SOCKET) &&
	    (!options->path || !options->path[0])) {
		log_error(options->logger, options->name, "needs a path");
		return -EINVAL;
	}
	switch (options->kind) {
	case SERIAL_BACKEND_NULL:
		break;
	case SERIAL_BACKEND_FDS:
		channel->input_fd = options->input_fd;
		channel->input_is_file = options->input_fd >= 0 &&
					 fstat(options->input_fd, &status) == 0 &&
					 S_ISREG(status.st_mode);
		if (options->output_fd >= 0)
			channel_open_output(channel, options->output_fd);
		break;
	case SERIAL_BACKEND_FILE:
		result = channel_open_file(channel, options);
		break;
	case SERIAL_BACKEND_PTY:
		result = channel_open_pty(channel, options);
		break;
	case SERIAL_BACKEND_SOCKET:
		result = channel_open_socket(channel, options);
		break;
	default:
		result = -EINVAL;
		break;
	}
	if (result < 0)
		serial_channel_close(channel);
	return result;
}

void serial_channel_close(struct serial_channel *channel)
{
	struct stat status;

	if (channel->socket_path[0] && lstat(channel->socket_path, &status) == 0 &&
	    status.st_dev == channel->socket_device && status.st_ino == channel->socket_inode)
		unlink(channel->socket_path);
	channel->socket_path[0] = '\0';
	/* The master of a PTY, and a socket's client, are both ends in one. */
	if (channel->own_input && channel->input_fd != channel->output_fd)
		fd_close(&channel->input_fd);
	if (channel->own_output)
		fd_close(&channel->output_fd);
	channel->input_fd = -1;
	channel->output_fd = -1;
	fd_close(&channel->slave_fd);
	fd_close(&channel->listen_fd);
}
