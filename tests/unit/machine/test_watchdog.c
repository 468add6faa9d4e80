/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/machine/thread.h"
#include "vmm/machine/watchdog.h"

struct messages {
	pthread_mutex_t lock;
	char text[2048];
	unsigned int count;
};

static void on_message(void *opaque, enum log_level level, const char *object, const char *message)
{
	struct messages *messages = opaque;
	size_t used;

	(void)level;
	pthread_mutex_lock(&messages->lock);
	used = strlen(messages->text);
	snprintf(messages->text + used, sizeof(messages->text) - used, "%s: %s\n", object, message);
	messages->count++;
	pthread_mutex_unlock(&messages->lock);
}

static unsigned int count(struct messages *messages)
{
	unsigned int result;

	pthread_mutex_lock(&messages->lock);
	result = messages->count;
	pthread_mutex_unlock(&messages->lock);
	return result;
}

struct stalled {
	int fd;
	sem_t entered, go_on;
};

static void stall(void *opaque, uint32_t events)
{
	struct stalled *stalled = opaque;
	eventfd_t value;

	(void)events;
	eventfd_read(stalled->fd, &value);
	sem_post(&stalled->entered);
	sem_wait(&stalled->go_on);
}

static void *run_loop(void *opaque)
{
	event_loop_run(opaque);
	return NULL;
}

Test(watchdog, a_stalled_thread_is_named_once, .timeout = 30)
{
	struct messages messages = {.lock = PTHREAD_MUTEX_INITIALIZER};
	const struct logger logger = {on_message, &messages, LOG_LEVEL_DEBUG};
	struct stalled stalled = {.fd = eventfd(0, EFD_CLOEXEC)};
	struct event_source *source;
	struct watchdog watchdog;
	struct event_loop *loop;
	char wanted[64];
	pthread_t thread;

	sem_init(&stalled.entered, 0, 0);
	sem_init(&stalled.go_on, 0, 0);
	cr_assert_eq(event_loop_create(&loop), 0);
	cr_assert_eq(event_loop_add(loop, stalled.fd, EPOLLIN, stall, &stalled, &source), 0);
	watchdog_init(&watchdog, loop, "cxvm-io");
	cr_expect_eq(watchdog.patience_ms, 2000u);
	watchdog.patience_ms = 50;
	cr_assert_eq(pthread_create(&thread, NULL, run_loop, loop), 0);

	/* A loop that waits for events is not stalled, however long. */
	usleep(100000);
	watchdog_look(&watchdog, &logger);
	cr_expect_eq(count(&messages), 0u, "%s", messages.text);

	eventfd_write(stalled.fd, 1);
	sem_wait(&stalled.entered);
	while (count(&messages) == 0) /* the time limit ends this */
		watchdog_look(&watchdog, &logger);
	for (int i = 0; i < 1000; i++)
		watchdog_look(&watchdog, &logger);
	cr_expect_eq(count(&messages), 1u, "%s", messages.text);
	cr_expect_not_null(strstr(messages.text, "cxvm-io: stalled"), "%s", messages.text);
	snprintf(wanted, sizeof(wanted), "descriptor %d)", stalled.fd);
	cr_expect_not_null(strstr(messages.text, wanted), "%s", messages.text);

	sem_post(&stalled.go_on);
	while (count(&messages) == 1)
		watchdog_look(&watchdog, &logger);
	cr_expect_not_null(strstr(messages.text, "cxvm-io: goes on"), "%s", messages.text);

	event_loop_stop(loop);
	pthread_join(thread, NULL);
	event_source_remove(source);
	event_loop_destroy(loop);
	close(stalled.fd);
}

struct waiting {
	pthread_t thread;
	struct messages messages;
	struct logger logger;
	sem_t go_on;
	atomic_bool joined;
};

static void *wait_to_go_on(void *opaque)
{
	struct waiting *waiting = opaque;

	sem_wait(&waiting->go_on);
	return NULL;
}

static void *join_it(void *opaque)
{
	struct waiting *waiting = opaque;

	machine_thread_join(waiting->thread, "vcpu1", 20, &waiting->logger);
	atomic_store(&waiting->joined, true);
	return NULL;
}

Test(thread, one_that_does_not_end_is_named, .timeout = 30)
{
	static struct waiting waiting = {.messages = {.lock = PTHREAD_MUTEX_INITIALIZER}};
	pthread_t joiner;

	waiting.logger = (struct logger){on_message, &waiting.messages, LOG_LEVEL_ERROR};
	sem_init(&waiting.go_on, 0, 0);
	cr_assert_eq(pthread_create(&waiting.thread, NULL, wait_to_go_on, &waiting), 0);
	cr_assert_eq(pthread_create(&joiner, NULL, join_it, &waiting), 0);
	while (count(&waiting.messages) < 2)
		usleep(1000); /* the time limit ends this */
	cr_expect_not(atomic_load(&waiting.joined), "it is not over");
	sem_post(&waiting.go_on);
	pthread_join(joiner, NULL);
	cr_expect(atomic_load(&waiting.joined));
	cr_expect_not_null(strstr(waiting.messages.text, "vcpu1: does not end: waited"), "%s",
			   waiting.messages.text);
	/* Waits twice as long each time: no flood. */
	cr_expect_lt(waiting.messages.count, 20u);
}
