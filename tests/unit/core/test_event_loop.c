/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/event_loop.h"

static void signal_fd(int fd)
{
	uint64_t one = 1;

	cr_assert_eq(write(fd, &one, sizeof(one)), sizeof(one));
}

static uint64_t drain_fd(int fd)
{
	uint64_t count = 0;

	if (read(fd, &count, sizeof(count)) != sizeof(count))
		return 0;
	return count;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

struct fixture {
	struct event_loop *loop;
	struct event_source *source;
	struct event_source *other;
	int fd;
	int other_fd;
	_Atomic unsigned int calls;
	_Atomic unsigned int other_calls;
	_Atomic bool inside;
	_Atomic bool go_on;
	uint32_t last_events;
	unsigned int stop_after;
};

static void create(struct fixture *f)
{
	*f = (struct fixture){.stop_after = 1};
	cr_assert_eq(event_loop_create(&f->loop), 0);
	f->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	f->other_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static void destroy(struct fixture *f)
{
	event_loop_destroy(f->loop);
	close(f->fd);
	close(f->other_fd);
}

static void count_and_stop(void *opaque, uint32_t epoll_events)
{
	struct fixture *f = opaque;

	f->last_events = epoll_events;
	drain_fd(f->fd);
	if (atomic_fetch_add(&f->calls, 1) + 1 >= f->stop_after)
		event_loop_stop(f->loop);
}

static void count_other(void *opaque, uint32_t epoll_events)
{
	struct fixture *f = opaque;

	(void)epoll_events;
	drain_fd(f->other_fd);
	atomic_fetch_add(&f->other_calls, 1);
}

Test(event_loop, calls_back, .timeout = 20)
{
	struct fixture f;

	create(&f);
	cr_assert_eq(event_loop_add(f.loop, f.fd, EPOLLIN, count_and_stop, &f, &f.source), 0);
	signal_fd(f.fd);
	cr_assert_eq(event_loop_run(f.loop), 0);
	cr_assert_eq(f.calls, 1);
	cr_assert_eq(f.last_events, EPOLLIN);
	/* The loop can be run again, and keeps its sources. */
	signal_fd(f.fd);
	cr_assert_eq(event_loop_run(f.loop), 0);
	cr_assert_eq(f.calls, 2);
	event_source_remove(f.source);
	event_source_remove(NULL);
	destroy(&f);
}

Test(event_loop, an_early_stop_is_not_lost, .timeout = 20)
{
	struct fixture f;

	create(&f);
	event_loop_stop(f.loop);
	event_loop_stop(f.loop);
	cr_assert_eq(event_loop_run(f.loop), 0);
	destroy(&f);
}

Test(event_loop, bad_descriptors_are_refused)
{
	struct fixture f;
	int file = open("/proc/self/exe", O_RDONLY);

	create(&f);
	cr_assert_eq(event_loop_add(f.loop, -1, EPOLLIN, count_other, &f, &f.source), -EBADF);
	cr_assert_null(f.source);
	cr_assert_eq(event_loop_add(f.loop, file, EPOLLIN, count_other, &f, &f.source), -EPERM);
	cr_assert_eq(event_loop_add(f.loop, file, 0, count_other, &f, &f.source), -EPERM);
	cr_assert_eq(event_loop_add(f.loop, f.fd, EPOLLIN, count_other, &f, &f.source), 0);
	cr_assert_eq(event_loop_add(f.loop, f.fd, EPOLLIN, count_other, &f, &f.other), -EEXIST);
	close(file);
	event_source_remove(f.source);
	destroy(&f);
}

Test(event_loop, destroy_frees_what_is_left)
{
	struct fixture f;
	struct event_source *timer;

	create(&f);
	cr_assert_eq(event_loop_add(f.loop, f.fd, EPOLLIN, count_other, &f, &f.source), 0);
	cr_assert_eq(event_loop_add_timer(f.loop, count_other, &f, &timer), 0);
	destroy(&f); /* LeakSanitizer looks */
	event_loop_destroy(NULL);
}

static void remove_other(void *opaque, uint32_t epoll_events)
{
	struct fixture *f = opaque;

	(void)epoll_events;
	drain_fd(f->fd);
	drain_fd(f->other_fd);
	/* Whichever comes first in the batch removes both. */
	if (atomic_fetch_add(&f->calls, 1) == 0) {
		event_source_remove(f->other);
		event_source_remove(f->source);
	}
	event_loop_stop(f->loop);
}

Test(event_loop, a_callback_removes_itself_and_one_of_the_same_batch, .timeout = 20)
{
	for (int i = 0; i < 50; i++) {
		struct fixture f;

		create(&f);
		event_loop_add(f.loop, f.fd, EPOLLIN, remove_other, &f, &f.source);
		event_loop_add(f.loop, f.other_fd, EPOLLIN, remove_other, &f, &f.other);
		signal_fd(f.fd);
		signal_fd(f.other_fd);
		cr_assert_eq(event_loop_run(f.loop), 0);
		cr_assert_eq(f.calls, 1, "the removed one was called");
		destroy(&f);
	}
}

static void *run(void *opaque)
{
	struct fixture *f = opaque;

	return (void *)(intptr_t)event_loop_run(f->loop);
}

static void linger(void *opaque, uint32_t epoll_events)
{
	struct fixture *f = opaque;

	(void)epoll_events;
	atomic_store(&f->inside, true);
	while (!atomic_load(&f->go_on))
		sched_yield();
	drain_fd(f->fd);
	atomic_store(&f->inside, false);
	atomic_fetch_add(&f->calls, 1);
}

static void *let_go(void *opaque)
{
	struct fixture *f = opaque;
	struct timespec pause = {.tv_nsec = 20000000};

	/* Gives the remover time to go wrong; the outcome does not depend on it. */
	nanosleep(&pause, NULL);
	atomic_store(&f->go_on, true);
	return NULL;
}

Test(event_loop, removal_waits_for_the_running_callback, .timeout = 30)
{
	struct fixture f;
	pthread_t loop, helper;
	void *result;

	create(&f);
	event_loop_add(f.loop, f.fd, EPOLLIN, linger, &f, &f.source);
	pthread_create(&loop, NULL, run, &f);
	signal_fd(f.fd);
	while (!atomic_load(&f.inside))
		sched_yield();
	pthread_create(&helper, NULL, let_go, &f);
	event_source_remove(f.source);
	cr_assert_not(atomic_load(&f.inside), "still running after the removal returned");
	cr_assert_eq(atomic_load(&f.calls), 1);
	event_loop_stop(f.loop);
	pthread_join(loop, &result);
	pthread_join(helper, NULL);
	cr_assert_eq((intptr_t)result, 0);
	destroy(&f);
}

/* Each source's memory is poisoned right after its removal: a late callback shows. */
struct short_lived {
	struct fixture *f;
	int fd;
	_Atomic unsigned int alive; /* 1, or 0xdead */
};

static void check_alive(void *opaque, uint32_t epoll_events)
{
	struct short_lived *s = opaque;

	(void)epoll_events;
	drain_fd(s->fd);
	if (atomic_load(&s->alive) != 1)
		atomic_fetch_add(&s->f->other_calls, 1);
	atomic_fetch_add(&s->f->calls, 1);
}

struct churn {
	struct fixture *f;
	unsigned int rounds;
};

static void *churn(void *opaque)
{
	struct churn *c = opaque;

	for (unsigned int i = 0; i < c->rounds; i++) {
		struct short_lived s = {.f = c->f, .alive = 1};
		struct event_source *source;

		s.fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
		cr_assert_eq(event_loop_add(c->f->loop, s.fd, EPOLLIN, check_alive, &s, &source),
			     0);
		if (i % 3 == 0)
			event_source_modify(source, 0);
		if (i % 2 == 0)
			sched_yield();
		event_source_remove(source);
		atomic_store(&s.alive, 0xdead);
		close(s.fd);
	}
	return NULL;
}

Test(event_loop, sources_come_and_go_from_several_threads, .timeout = 120)
{
	struct fixture f;
	pthread_t loop, threads[3];
	struct churn c = {.f = &f, .rounds = 4000};

	create(&f);
	pthread_create(&loop, NULL, run, &f);
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, churn, &c);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	event_loop_stop(f.loop);
	pthread_join(loop, NULL);
	cr_assert_eq(atomic_load(&f.other_calls), 0, "a callback after its removal");
	cr_assert_gt(atomic_load(&f.calls), 0, "no event was ever seen");
	destroy(&f);
}

static void hang_up_seen(void *opaque, uint32_t epoll_events)
{
	struct fixture *f = opaque;

	f->last_events = epoll_events;
	atomic_fetch_add(&f->calls, 1);
	event_loop_stop(f->loop);
}

Test(event_loop, a_silenced_source_stays_silent_even_on_hang_up, .timeout = 20)
{
	struct fixture f;
	int pair[2];

	create(&f);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	cr_assert_eq(event_loop_add(f.loop, pair[0], EPOLLIN, hang_up_seen, &f, &f.source), 0);
	cr_assert_eq(event_source_modify(f.source, 0), 0);
	cr_assert_eq(event_source_modify(f.source, 0), 0);
	close(pair[1]);
	event_loop_add(f.loop, f.fd, EPOLLIN, count_and_stop, &f, &f.other);
	signal_fd(f.fd);
	f.stop_after = 1;
	cr_assert_eq(event_loop_run(f.loop), 0);
	cr_assert_eq(f.calls, 1, "only the other one");
	cr_assert_eq(event_source_modify(f.source, EPOLLIN), 0);
	cr_assert_eq(event_loop_run(f.loop), 0);
	cr_assert_geq(f.calls, 2);
	cr_assert(f.last_events & EPOLLHUP);
	cr_assert_eq(event_source_modify(f.source, 0), 0);
	event_source_remove(f.source);
	close(pair[0]);
	destroy(&f);
}

static void tick(void *opaque, uint32_t epoll_events)
{
	struct fixture *f = opaque;

	cr_assert_eq(epoll_events, EPOLLIN);
	if (atomic_fetch_add(&f->calls, 1) + 1 >= f->stop_after)
		event_loop_stop(f->loop);
}

Test(event_loop, timers, .timeout = 20)
{
	struct fixture f;
	uint64_t start;

	create(&f);
	cr_assert_eq(event_loop_add_timer(f.loop, tick, &f, &f.source), 0);
	f.stop_after = 1;
	start = now_ns();
	cr_assert_eq(event_timer_set(f.source, 20000000, 0), 0);
	cr_assert_eq(event_loop_run(f.loop), 0);
	cr_assert_geq(now_ns() - start, 20000000);
	cr_assert_eq(f.calls, 1);

	f.calls = 0;
	f.stop_after = 5;
	start = now_ns();
	cr_assert_eq(event_timer_set(f.source, 1000000, 5000000), 0);
	cr_assert_eq(event_loop_run(f.loop), 0);
	cr_assert_eq(f.calls, 5);
	cr_assert_geq(now_ns() - start, 21000000);

	/* A disarmed timer does not fire: another one stops the loop later. */
	f.calls = 0;
	cr_assert_eq(event_timer_set(f.source, 1000000, 0), 0);
	cr_assert_eq(event_timer_set(f.source, 0, 0), 0);
	f.stop_after = 1;
	cr_assert_eq(event_loop_add_timer(f.loop, tick, &f, &f.other), 0);
	cr_assert_eq(event_timer_set(f.other, 30000000, 0), 0);
	cr_assert_eq(event_loop_run(f.loop), 0);
	cr_assert_eq(f.calls, 1);
	event_source_remove(f.source);
	event_source_remove(f.other);
	destroy(&f);
}

static void remove_own_timer(void *opaque, uint32_t epoll_events)
{
	struct fixture *f = opaque;

	(void)epoll_events;
	atomic_fetch_add(&f->calls, 1);
	event_source_remove(f->source);
	event_loop_stop(f->loop);
}

Test(event_loop, a_timer_removes_itself, .timeout = 20)
{
	struct fixture f;

	create(&f);
	event_loop_add_timer(f.loop, remove_own_timer, &f, &f.source);
	event_timer_set(f.source, 1000000, 1000000);
	cr_assert_eq(event_loop_run(f.loop), 0);
	cr_assert_eq(f.calls, 1);
	destroy(&f);
}

struct ticking {
	struct event_loop *loop;
	unsigned int ticks;
};

static void on_tick(void *opaque)
{
	struct ticking *ticking = opaque;

	if (++ticking->ticks == 3)
		event_loop_stop(ticking->loop);
}

/* With nothing to do, and without a descriptor. */
Test(event_loop, ticks, .timeout = 20)
{
	struct ticking ticking = {0};
	int fd;

	cr_assert_eq(event_loop_create(&ticking.loop), 0);
	event_loop_set_tick(ticking.loop, 5, on_tick, &ticking);
	cr_assert_eq(event_loop_run(ticking.loop), 0);
	cr_expect_eq(ticking.ticks, 3u);
	cr_expect_eq(event_loop_busy_ms(ticking.loop, &fd), 0u);
	event_loop_destroy(ticking.loop);
}
