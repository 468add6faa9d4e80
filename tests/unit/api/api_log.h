/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_API_API_LOG_H
#define TESTS_UNIT_API_API_LOG_H

#include <cxvm/cxvm.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* A machine whose log lines ("object: message\n") are collected. */
struct api_log {
	struct cxvm *vm;
	unsigned int lines;
	size_t used;
	char text[32768];
};

static inline void api_log_line(void *opaque, enum cxvm_log_level level, const char *object,
				const char *message)
{
	struct api_log *log = opaque;

	(void)level;
	log->lines++;
	if (log->used < sizeof(log->text))
		log->used += (size_t)snprintf(log->text + log->used, sizeof(log->text) - log->used,
					      "%s: %s\n", object, message);
}

static inline void api_log_create(struct api_log *log)
{
	const struct cxvm_create_options options = {
		.size = sizeof(options), .log = api_log_line, .log_opaque = log};

	memset(log, 0, sizeof(*log));
	cr_assert_eq(cxvm_create(&log->vm, &options), 0);
}

#endif
