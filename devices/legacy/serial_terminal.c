/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/legacy/serial_backend.h"

#include <errno.h>

int serial_terminal_raw(int fd, struct termios *saved)
{
	struct termios raw;

	if (tcgetattr(fd, saved) < 0)
		return -errno;
	raw = *saved;
	cfmakeraw(&raw);
	raw.c_oflag |= OPOST;
	if (tcsetattr(fd, TCSANOW, &raw) < 0)
		return -errno;
	return 0;
}

int serial_terminal_restore(int fd, const struct termios *saved)
{
	if (tcsetattr(fd, TCSANOW, saved) < 0)
		return -errno;
	return 0;
}
