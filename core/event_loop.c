/* SPDX-License-Identifier: Apache-2.0 */
#include "core/event_loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/fd.h"

#define EVENT_BATCH            16
#define NANOSECONDS_PER_SECOND 1000000000ull

struct event_source {
	struct event_loop *loop;
	int fd;
	uint32_t epoll_events; /* 0: silenced, not in the epoll set */
	bool is_timer;         /* fd is ours */
	bool removed;
	event_callback callback;
	void *opaque;
	struct event_source *previous; /* in loop->sources, or only next in loop->removed */
	struct event_source *next;
};

struct event_loop {
	int epoll_fd;
	int stop_fd;
	pthread_mutex_t lock;
	pthread_cond_t callback_done;
	struct event_source *sources;
	/*
	 * epoll_wait may have handed out a pointer to a source that is removed before its turn.
	 * Such sources are freed between two batches.
	 */
	struct event_source *removed;
	struct event_source *current; /* its callback runs now */
	bool running;
	pthread_t thread; /* valid while running */

	/* What others look at: when the batch began that is worked on, 0: none is. */
	_Atomic(uint64_t) batch_ms;
	atomic_int batch_fd; /* of the source whose callback came last */

	/* The loop's own timer, which costs no descriptor and no system call. */
	uint32_t tick_ms; /* 0: none */
	void (*tick)(void *opaque);
	void *tick_opaque;
	uint64_t next_tick_ms;
};

int event_loop_create(struct event_loop **loop)
{
	struct event_loop *created = calloc(1, sizeof(*created));
	struct epoll_event event = {.events = EPOLLIN};
	int result;

	if (!created)
		return -ENOMEM;
	created->stop_fd = -1;
	created->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (created->epoll_fd < 0) {
		result = -errno;
		goto fail;
	}
	created->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (created->stop_fd < 0) {
		result = -errno;
		goto fail;
	}
	if (epoll_ctl(created->epoll_fd, EPOLL_CTL_ADD, created->stop_fd, &event) < 0) {
		result = -errno;
		goto fail;
	}
	if (pthread_mutex_init(&created->lock, NULL) != 0) {
		result = -ENOMEM;
		goto fail;
	}
	if (pthread_cond_init(&created->callback_done, NULL) != 0) {
		pthread_mutex_destroy(&created->lock);
		result = -ENOMEM;
		goto fail;
	}
	*loop = created;
	return 0;

fail:
	fd_close(&created->stop_fd);
	fd_close(&created->epoll_fd);
	free(created);
	return result;
}

/* Caller holds the lock, or nobody else uses the loop any more. */
static void loop_free_removed(struct event_loop *loop)
{
	while (loop->removed) {
		struct event_source *source = loop->removed;

		loop->removed = source->next;
		free(source);
	}
}

void event_loop_destroy(struct event_loop *loop)
{
	if (!loop)
		return;
	loop_free_removed(loop);
	while (loop->sources) {
		struct event_source *source = loop->sources;

		loop->sources = source->next;
		if (source->is_timer)
			fd_close(&source->fd);
		free(source);
	}
	pthread_cond_destroy(&loop->callback_done);
	pthread_mutex_destroy(&loop->lock);
	fd_close(&loop->stop_fd);
	fd_close(&loop->epoll_fd);
	free(loop);
}

/* Runs the callback of one event. Caller holds the lock, which is released for the callback. */
static void loop_dispatch(struct event_loop *loop, struct event_source *source,
			  uint32_t epoll_events)
{
	bool due = true;

	/* Removed or silenced since epoll_wait returned. */
	if (source->removed || source->epoll_events == 0)
		return;
	loop->current = source;
	atomic_store_explicit(&loop->batch_fd, source->fd, memory_order_relaxed);
	pthread_mutex_unlock(&loop->lock);
	if (source->is_timer) {
		uint64_t expirations;

		/* Nothing to read: it was set anew in the meantime. */
		due = read(source->fd, &expirations, sizeof(expirations)) == sizeof(expirations);
	}
	if (due)
		source->callback(source->opaque, epoll_events);
	pthread_mutex_lock(&loop->lock);
	loop->current = NULL;
	pthread_cond_broadcast(&loop->callback_done);
}

void event_loop_set_tick(struct event_loop *loop, uint32_t interval_ms, void (*tick)(void *opaque),
			 void *opaque)
{
	loop->tick_ms = interval_ms;
	loop->tick = tick;
	loop->tick_opaque = opaque;
	loop->next_tick_ms = clock_now_ms() + interval_ms;
}

uint64_t event_loop_busy_ms(const struct event_loop *loop, int *fd)
{
	uint64_t since = atomic_load(&loop->batch_ms), now = clock_now_ms();

	*fd = atomic_load(&loop->batch_fd);
	return since && now > since ? now - since : 0;
}

static void loop_tick(struct event_loop *loop)
{
	uint64_t now = clock_now_ms();

	if (now < loop->next_tick_ms)
		return;
	loop->next_tick_ms = now + loop->tick_ms;
	loop->tick(loop->tick_opaque);
}

/* One batch. Returns 1 to go on, 0 when asked to stop, or -errno. */
static int loop_turn(struct event_loop *loop)
{
	struct epoll_event events[EVENT_BATCH];
	int result = 1;
	int count;

	count = epoll_wait(loop->epoll_fd, events, EVENT_BATCH,
			   loop->tick_ms ? (int)loop->tick_ms : -1);
	if (count < 0)
		return errno == EINTR ? 1 : -errno;

	atomic_store_explicit(&loop->batch_ms, clock_now_ms(), memory_order_relaxed);
	pthread_mutex_lock(&loop->lock);
	for (int i = 0; i < count; i++) {
		if (events[i].data.ptr)
			loop_dispatch(loop, events[i].data.ptr, events[i].events);
		else
			result = 0;
	}
	loop_free_removed(loop);
	pthread_mutex_unlock(&loop->lock);
	if (loop->tick_ms)
		loop_tick(loop);
	atomic_store_explicit(&loop->batch_ms, 0, memory_order_relaxed);
	return result;
}

int event_loop_run(struct event_loop *loop)
{
	uint64_t count;
	int result;

	pthread_mutex_lock(&loop->lock);
	loop->running = true;
	loop->thread = pthread_self();
	pthread_mutex_unlock(&loop->lock);

	do {
		result = loop_turn(loop);
	} while (result > 0);

	pthread_mutex_lock(&loop->lock);
	loop->running = false;
	pthread_mutex_unlock(&loop->lock);
	/* Consume the request, so that the loop can be run again. */
	if (result == 0 && read(loop->stop_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return -errno;
	return result;
}

void event_loop_stop(struct event_loop *loop)
{
	int saved_errno = errno;
	uint64_t one = 1;

	/* Fails only when 2^64 - 2 stops are pending: one is enough. */
	if (write(loop->stop_fd, &one, sizeof(one)) < 0)
		errno = saved_errno;
}

/* Puts @source into the loop. Takes over @source on success only. */
static int loop_insert(struct event_loop *loop, struct event_source *source)
{
	struct epoll_event event = {
		.events = source->epoll_events,
		.data.ptr = source,
	};
	int result = 0;

	source->loop = loop;
	pthread_mutex_lock(&loop->lock);
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) < 0) {
		result = -errno;
		goto unlock;
	}
	/* epoll reports errors and hang-ups even with an empty mask: silence means not being in
	 * the set. It was added above all the same, so that a bad fd is refused now. */
	if (source->epoll_events == 0)
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	source->next = loop->sources;
	if (source->next)
		source->next->previous = source;
	loop->sources = source;
unlock:
	pthread_mutex_unlock(&loop->lock);
	return result;
}

int event_loop_add(struct event_loop *loop, int fd, uint32_t epoll_events, event_callback callback,
		   void *opaque, struct event_source **source)
{
	struct event_source *created = calloc(1, sizeof(*created));
	int result;

	if (!created)
		return -ENOMEM;
	created->fd = fd;
	created->epoll_events = epoll_events;
	created->callback = callback;
	created->opaque = opaque;
	/* Set before the loop can call back, so that the callback may use it. */
	*source = created;
	result = loop_insert(loop, created);
	if (result < 0) {
		*source = NULL;
		free(created);
	}
	return result;
}

int event_source_modify(struct event_source *source, uint32_t epoll_events)
{
	struct event_loop *loop = source->loop;
	struct epoll_event event = {
		.events = epoll_events,
		.data.ptr = source,
	};
	int operation = EPOLL_CTL_MOD;
	int result = 0;

	pthread_mutex_lock(&loop->lock);
	if (source->epoll_events == 0 && epoll_events == 0)
		goto unlock;
	if (epoll_events == 0)
		operation = EPOLL_CTL_DEL;
	else if (source->epoll_events == 0)
		operation = EPOLL_CTL_ADD;
	if (epoll_ctl(loop->epoll_fd, operation, source->fd, &event) < 0)
		result = -errno;
	else
		source->epoll_events = epoll_events;
unlock:
	pthread_mutex_unlock(&loop->lock);
	return result;
}

void event_source_remove(struct event_source *source)
{
	struct event_loop *loop;
	bool own_thread;

	if (!source)
		return;
	loop = source->loop;
	pthread_mutex_lock(&loop->lock);
	if (source->epoll_events != 0)
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	source->removed = true;
	own_thread = loop->running && pthread_equal(loop->thread, pthread_self());
	while (loop->current == source && !own_thread)
		pthread_cond_wait(&loop->callback_done, &loop->lock);
	if (source->is_timer)
		fd_close(&source->fd);
	if (source->previous)
		source->previous->next = source->next;
	else
		loop->sources = source->next;
	if (source->next)
		source->next->previous = source->previous;
	if (loop->running) {
		source->next = loop->removed;
		loop->removed = source;
	} else {
		free(source);
	}
	pthread_mutex_unlock(&loop->lock);
}

int event_loop_add_timer(struct event_loop *loop, event_callback callback, void *opaque,
			 struct event_source **timer)
{
	struct event_source *created = calloc(1, sizeof(*created));
	int result;

	if (!created)
		return -ENOMEM;
	created->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (created->fd < 0) {
		result = -errno;
		free(created);
		return result;
	}
	created->is_timer = true;
	created->epoll_events = EPOLLIN;
	created->callback = callback;
	created->opaque = opaque;
	*timer = created;
	result = loop_insert(loop, created);
	if (result < 0) {
		*timer = NULL;
		fd_close(&created->fd);
		free(created);
	}
	return result;
}

static struct timespec timespec_from_ns(uint64_t nanoseconds)
{
	return (struct timespec){
		.tv_sec = (time_t)(nanoseconds / NANOSECONDS_PER_SECOND),
		.tv_nsec = (long)(nanoseconds % NANOSECONDS_PER_SECOND),
	};
}

int event_timer_set(struct event_source *timer, uint64_t delay_ns, uint64_t interval_ns)
{
	struct itimerspec setting = {
		.it_value = timespec_from_ns(delay_ns),
		.it_interval = timespec_from_ns(interval_ns),
	};

	if (timerfd_settime(timer->fd, 0, &setting, NULL) < 0)
		return -errno;
	return 0;
}
