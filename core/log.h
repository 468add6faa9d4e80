/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR = 0,
	LOG_LEVEL_WARNING = 1,
	LOG_LEVEL_INFO = 2,
	LOG_LEVEL_DEBUG = 3,
};

/* @object: what the message is about; @message: one line without a newline. Any thread. */
typedef void (*log_callback)(void *opaque, enum log_level level, const char *object,
			     const char *message);

/*
 * Where a machine's messages go. The logger is owned by the machine, outlives every device and may
 * be used from any thread; so the callback must be thread-safe. A NULL logger, or one without a
 * callback, is allowed and silent.
 */
struct logger {
	log_callback callback;
	void *opaque;
	/* Messages less severe than this are dropped before they are formatted. */
	enum log_level level;
};

/*
 * At most `burst` messages in `interval_ms`; for everything that a guest or a peer can cause at
 * will. One instance per message site and object, zero-initialised apart from the two limits. Any
 * number of threads at once: what they count is atomic, and none of them waits for another.
 */
struct log_ratelimit {
	uint32_t burst;
	uint32_t interval_ms;
	atomic_uint used;
	atomic_uint suppressed;
	_Atomic(uint64_t) window_start_ms;
};

#define LOG_RATELIMIT_DEFAULT                                                                      \
	{                                                                                          \
		.burst = 5, .interval_ms = 5000                                                    \
	}

/* log_one_line() - what a document, a guest or a server smuggled in becomes '?': control
 * characters, the newline among them. Every message goes through it. */
void log_one_line(char *text);

/*
 * log_message() - format one message and hand it to the callback.
 * @object: the thing it is about ("gpu0", "vcpu1", "disk /a/b.img"); one line.
 * errno is preserved. Any thread, any state.
 */
void log_message(const struct logger *logger, enum log_level level, const char *object,
		 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* log_limited() - as log_message(), and counts instead of printing when the limit is used up. */
void log_limited(const struct logger *logger, struct log_ratelimit *limit, enum log_level level,
		 const char *object, const char *format, ...) __attribute__((format(printf, 5, 6)));

#define log_error(logger, object, ...)   log_message(logger, LOG_LEVEL_ERROR, object, __VA_ARGS__)
#define log_warning(logger, object, ...) log_message(logger, LOG_LEVEL_WARNING, object, __VA_ARGS__)
#define log_info(logger, object, ...)    log_message(logger, LOG_LEVEL_INFO, object, __VA_ARGS__)
#define log_debug(logger, object, ...)   log_message(logger, LOG_LEVEL_DEBUG, object, __VA_ARGS__)

#endif
