/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_LEGACY_SERIAL_BACKEND_H
#define DEVICES_LEGACY_SERIAL_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#include "core/event_loop.h"
#include "core/log.h"

/*
 * The host end of a serial line. Output never blocks: it is collected for about a millisecond (so
 * that the guest's single bytes become few write(2) calls), and a reader that is stuck or absent
 * costs the oldest bytes of a bounded buffer, never the guest's time. Input waits in a small buffer
 * until the device takes it; when that is full, the rest stays with the sender.
 */
enum serial_backend_kind {
	SERIAL_BACKEND_NULL,   /* drops output, no input */
	SERIAL_BACKEND_FDS,    /* two descriptors of the caller, such as stdin and stdout */
	SERIAL_BACKEND_FILE,   /* output to a file, which is created or truncated */
	SERIAL_BACKEND_PTY,    /* a new pseudo terminal; its path is logged */
	SERIAL_BACKEND_SOCKET, /* a listening UNIX socket; one client at a time, may come again */
};

struct serial_backend_options {
	enum serial_backend_kind kind;
	const char *name; /* for messages ("serial0"); must outlive the backend */
	const char *path; /* FILE, SOCKET */
	/*
	 * FDS: stay owned by the caller and open until serial_backend_destroy(); -1: no input, no
	 * output. Their flags (O_NONBLOCK) are not changed, because other processes share them.
	 */
	int input_fd;
	int output_fd;
	/* NULL (tests): output is written at once, there is no input. */
	struct event_loop *loop;
	const struct logger *logger;
};

struct serial_backend;

/*
 * serial_backend_create() - open the host end. Returns 0, -EINVAL (no path), -EADDRINUSE (a live
 * program listens on the socket's path), -ENAMETOOLONG, -ENOMEM or the errno of opening; the
 * message says what and why.
 *
 * A write to a pipe whose reader is gone raises SIGPIPE in the writing thread: the threads that run
 * the guest and the event loop must have it blocked or ignored.
 */
int serial_backend_create(struct serial_backend **backend,
			  const struct serial_backend_options *options);

/* Writes what can be written without waiting, closes, and removes the socket's file if it is still
 * ours. vCPUs and the event loop must be stopped. NULL is allowed. */
void serial_backend_destroy(struct serial_backend *backend);

/*
 * serial_backend_set_receiver() - call @ready in the event loop's thread whenever input has arrived
 * that can be taken by serial_backend_read(). Before the loop runs; NULL: nobody.
 */
void serial_backend_set_receiver(struct serial_backend *backend, void (*ready)(void *opaque),
				 void *opaque);

/* Take up to @count bytes of input. Returns how many; never blocks. Any thread. */
size_t serial_backend_read(struct serial_backend *backend, uint8_t *bytes, size_t count);

/* Queue output. Any thread; never blocks. */
void serial_backend_write(struct serial_backend *backend, const uint8_t *bytes, size_t count);

/* Write out what is queued, as far as that goes without waiting. Any thread. */
void serial_backend_flush(struct serial_backend *backend);

/*
 * serial_backend_finish() - the end: what is queued is written while there is somebody to read it,
 * waiting SERIAL_BACKEND_FINISH_MS at most from the first call on. The loop does not run any more.
 * The destruction does it too, and then logs how many bytes were lost in all.
 */
#define SERIAL_BACKEND_FINISH_MS 5000u
void serial_backend_finish(struct serial_backend *backend);

/* Bytes that were dropped because nobody took them. Any thread. */
uint64_t serial_backend_dropped(struct serial_backend *backend);

/* The path of the pseudo terminal, or "". Valid until the destruction. */
const char *serial_backend_pty_path(const struct serial_backend *backend);

#endif
