/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"

static atomic_uint messages;
static atomic_uint told_suppressed;

static void on_message(void *opaque, enum log_level level, const char *object, const char *message)
{
	unsigned int suppressed;

	(void)opaque;
	(void)level;
	(void)object;
	if (sscanf(message, "%u similar messages were suppressed", &suppressed) == 1)
		atomic_fetch_add(&told_suppressed, suppressed);
	else
		atomic_fetch_add(&messages, 1);
}

static const struct logger logger = {.callback = on_message, .level = LOG_LEVEL_INFO};

#define THREADS 4
#define EACH    5000

static void *flood(void *opaque)
{
	for (int i = 0; i < EACH; i++)
		log_limited(&logger, opaque, LOG_LEVEL_WARNING, "guest", "message %d", i);
	return NULL;
}

/* What several threads log at once is counted to the last message, printed or suppressed. */
Test(log, a_limit_shared_by_threads_loses_no_count)
{
	struct log_ratelimit limit = {.burst = 10, .interval_ms = 60000};
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, flood, &limit);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(atomic_load(&messages), 10);
	cr_assert_eq(atomic_load(&limit.suppressed) + atomic_load(&told_suppressed),
		     THREADS * EACH - 10);
}

Test(log, the_next_interval_says_how_many_were_suppressed)
{
	struct log_ratelimit limit = {.burst = 1, .interval_ms = 0};

	log_limited(&logger, &limit, LOG_LEVEL_WARNING, "guest", "one");
	atomic_store(&limit.suppressed, 7);
	log_limited(&logger, &limit, LOG_LEVEL_WARNING, "guest", "two");
	cr_assert_eq(atomic_load(&messages), 2);
	cr_assert_eq(atomic_load(&told_suppressed), 7);
}

Test(log, levels_above_the_wanted_one_are_dropped)
{
	log_debug(&logger, "guest", "too much");
	log_info(NULL, "guest", "nobody listens");
	cr_assert_eq(atomic_load(&messages), 0);
	log_info(&logger, "guest", "just right");
	cr_assert_eq(atomic_load(&messages), 1);
}

Test(log, what_a_guest_smuggles_in_stays_one_line)
{
	char text[] = "a\nb\tc\x7f";

	log_one_line(text);
	cr_assert_str_eq(text, "a?b?c?");
}
