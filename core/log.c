/* SPDX-License-Identifier: Apache-2.0 */
#include "core/log.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/clock.h"

void log_one_line(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
}

static void log_vmessage(const struct logger *logger, enum log_level level, const char *object,
			 const char *format, va_list arguments)
{
	char text[1024];
	int saved_errno = errno;

	vsnprintf(text, sizeof(text), format, arguments);
	log_one_line(text);
	logger->callback(logger->opaque, level, object ? object : "cxvm", text);
	errno = saved_errno;
}

static bool log_wanted(const struct logger *logger, enum log_level level)
{
	return logger && logger->callback && level <= logger->level;
}

void log_message(const struct logger *logger, enum log_level level, const char *object,
		 const char *format, ...)
{
	va_list arguments;

	if (!log_wanted(logger, level))
		return;
	va_start(arguments, format);
	log_vmessage(logger, level, object, format, arguments);
	va_end(arguments);
}

void log_limited(const struct logger *logger, struct log_ratelimit *limit, enum log_level level,
		 const char *object, const char *format, ...)
{
	uint64_t now_ms, start_ms;
	va_list arguments;

	if (!log_wanted(logger, level))
		return;
	now_ms = clock_now_ms();
	start_ms = atomic_load(&limit->window_start_ms);
	/* Of those who see that the interval is over, one starts the next. */
	if (now_ms - start_ms >= limit->interval_ms &&
	    atomic_compare_exchange_strong(&limit->window_start_ms, &start_ms, now_ms)) {
		uint32_t suppressed = atomic_exchange(&limit->suppressed, 0);

		atomic_store(&limit->used, 0);
		if (suppressed)
			log_message(logger, level, object, "%u similar messages were suppressed",
				    suppressed);
	}
	if (atomic_fetch_add(&limit->used, 1) >= limit->burst) {
		atomic_fetch_add(&limit->suppressed, 1);
		return;
	}
	va_start(arguments, format);
	log_vmessage(logger, level, object, format, arguments);
	va_end(arguments);
}
