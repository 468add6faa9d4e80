/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_EVENT_LOOP_H
#define CORE_EVENT_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * One epoll loop, run by one thread (event_loop_run()). Devices register fds and timers; their
 * callbacks run in the loop's thread, one at a time. Registration and removal are allowed from any
 * thread. After event_source_remove() returns, the callback is not running and will not run again,
 * unless it is the callback itself that removes (then it will not run again after it returns).
 */
struct event_loop;
struct event_source;

typedef void (*event_callback)(void *opaque, uint32_t epoll_events);

/* Returns 0 or -errno of epoll_create1/eventfd, -ENOMEM. */
int event_loop_create(struct event_loop **loop);

/* The loop must not be running. Remaining sources are freed; fds stay the callers'. NULL is
 * allowed. */
void event_loop_destroy(struct event_loop *loop);

/* Runs until event_loop_stop(). Returns 0 or -errno of epoll_wait. A stop that came earlier makes
 * it return at once. */
int event_loop_run(struct event_loop *loop);

/*
 * event_loop_set_tick() - @tick(@opaque) every @interval_ms in the loop's thread, between two
 * batches. Before the loop runs.
 */
void event_loop_set_tick(struct event_loop *loop, uint32_t interval_ms, void (*tick)(void *opaque),
			 void *opaque);

/*
 * event_loop_busy_ms() - how long the loop has been working on one batch of events; 0 when it
 * waits. @fd: the descriptor of the source that it called last. Any thread.
 */
uint64_t event_loop_busy_ms(const struct event_loop *loop, int *fd);

/* Any thread, also from a callback; async-signal-safe. */
void event_loop_stop(struct event_loop *loop);

/*
 * event_loop_add() - watch @fd (owned by the caller, stays open until the removal) for
 * @epoll_events (EPOLLIN, ...; level-triggered unless EPOLLET is given). Returns 0, -ENOMEM or
 * -errno of epoll_ctl (-EPERM: not pollable).
 */
int event_loop_add(struct event_loop *loop, int fd, uint32_t epoll_events, event_callback callback,
		   void *opaque, struct event_source **source);

/* Change the watched events (0: keep the source but silence it). Returns 0 or -errno. */
int event_source_modify(struct event_source *source, uint32_t epoll_events);

/* NULL is allowed. */
void event_source_remove(struct event_source *source);

/*
 * event_loop_add_timer() - a timer on CLOCK_MONOTONIC, created disarmed. The callback's
 * epoll_events is EPOLLIN. event_timer_set(): first expiry in @delay_ns (0 disarms), then every
 * @interval_ns (0: once).
 */
int event_loop_add_timer(struct event_loop *loop, event_callback callback, void *opaque,
			 struct event_source **timer);
int event_timer_set(struct event_source *timer, uint64_t delay_ns, uint64_t interval_ns);

#endif
