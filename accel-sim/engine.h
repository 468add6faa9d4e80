/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCEL_SIM_ENGINE_H
#define ACCEL_SIM_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>

#include "accel-sim/engine_ops.h"
#include "accel-sim/interrupts.h"

/*
 * The queues of the compute engine and the thread that runs them. The registers live in memory that
 * the client may have mapped, so a doorbell is a plain store that nobody announces: while a client
 * is there the thread looks at the registers, at most every 50 us after activity and, doubling, up
 * to every 1 ms when idle, or 10 ms while no queue is enabled. A register write that arrives as a
 * message wakes it at once.
 */

#define SIM_ENGINE_MAX_QUEUES 16u

struct sim_engine_queue {
	bool enabled; /* private copies: the registers can change under us */
	uint32_t state;
	uint64_t ring_address;
	uint8_t ring_space;
	uint32_t entries;
	uint32_t vector;
	uint32_t head;
	uint64_t completed;
	uint64_t failed;
	uint32_t interrupts;
};

struct sim_engine {
	uint8_t *registers; /* (1 + queue_count) pages */
	uint32_t queue_count;
	uint32_t vector_count;
	uint64_t dpa_size;
	uint32_t resets;
	struct sim_engine_memory memory;
	struct sim_irqs *irqs;
	struct sim_engine_queue queues[SIM_ENGINE_MAX_QUEUES];
	struct sim_engine_scratch *scratch;
	pthread_t thread;
	bool started;
	pthread_mutex_t running; /* held by the thread during one look at all queues */
	int kick;                /* eventfd */
	atomic_bool cancel;      /* somebody waits for the lock: end the job at the next chunk */
	atomic_bool stop;
	atomic_bool watching; /* a client is there */
	atomic_uint_fast64_t jobs;
	atomic_uint_fast64_t looks;
};

/*
 * sim_engine_start() - publish the registers and start the thread.
 * @registers, @memory's opaque and @irqs outlive the engine. Returns 0 or -errno.
 */
int sim_engine_start(struct sim_engine *engine, uint8_t *registers, uint32_t queue_count,
		     uint32_t vector_count, uint64_t dpa_size,
		     const struct sim_engine_memory *memory, struct sim_irqs *irqs);

/* sim_engine_stop() - end the thread and free; works on a half-started engine. */
void sim_engine_stop(struct sim_engine *engine);

/* sim_engine_kick() - look at the registers now. */
void sim_engine_kick(struct sim_engine *engine);

/* sim_engine_watch() - look at the registers regularly (a client may write them), or not any more.
 */
void sim_engine_watch(struct sim_engine *engine, bool watch);

/*
 * sim_engine_pause(), sim_engine_resume() - between them no job runs and no register is written. A
 * running job ends as aborted. Same thread for both.
 */
void sim_engine_pause(struct sim_engine *engine);
void sim_engine_resume(struct sim_engine *engine);

/* sim_engine_reset() - all queues disabled, registers as at the start. Call while paused. */
void sim_engine_reset(struct sim_engine *engine);

#endif
