/* SPDX-License-Identifier: Apache-2.0 */
#include "core/log.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

void log_one_line(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
}

static void log_vmessage(const struct logger *logger, enum cxvm_log_level level, const char *object,
			 const char *format, va_list arguments)
{
	char text[1024];
	int saved_errno = errno;

	vsnprintf(text, sizeof(text), format, arguments);
	log_one_line(text);
	logger->callback(logger->opaque, level, object ? object : "cxvm", text);
	errno = saved_errno;
}

static bool log_wanted(const struct logger *logger, enum cxvm_log_level level)
{
	return logger && logger->callback && level <= logger->level;
}

void log_message(const struct logger *logger, enum cxvm_log_level level, const char *object,
		 const char *format, ...)
{
	va_list arguments;

	if (!log_wanted(logger, level))
		return;
	va_start(arguments, format);
	log_vmessage(logger, level, object, format, arguments);
	va_end(arguments);
}

void log_limited(const struct logger *logger, struct log_ratelimit *limit,
		 enum cxvm_log_level level, const char *object, const char *format, ...)
{
	struct timespec now;
	uint64_t now_ms;
	va_list arguments;

	if (!log_wanted(logger, level))
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	if (now_ms - limit->window_start_ms >= limit->interval_ms) {
		uint32_t suppressed = limit->suppressed;

		limit->window_start_ms = now_ms;
		limit->used = 0;
		limit->suppressed = 0;
		if (suppressed)
			log_message(logger, level, object, "%u similar messages were suppressed",
				    suppressed);
	}
	if (limit->used >= limit->burst) {
		limit->suppressed++;
		return;
	}
	limit->used++;
	va_start(arguments, format);
	log_vmessage(logger, level, object, format, arguments);
	va_end(arguments);
}
