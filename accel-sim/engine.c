/* SPDX-License-Identifier: Apache-2.0 */
#include "accel-sim/engine.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "accel-sim/fd.h"

#define SIM_ENGINE_BATCH       64u      /* descriptors of one queue before the others get a turn */
#define SIM_ENGINE_SPINS       20u      /* looks without sleeping after the last activity */
#define SIM_ENGINE_IDLE_MIN_NS 50000    /* 50 us */
#define SIM_ENGINE_ASLEEP_NS   10000000 /* 10 ms while no queue is enabled */
#define SIM_ENGINE_IDLE_MAX_NS 1000000  /* 1 ms */
#define SIM_ENGINE_SLACK_NS    1000ul

static uint32_t sim_engine_load(const struct sim_engine *engine, uint32_t queue, uint32_t reg)
{
	const uint8_t *at = engine->registers + CXVM_ACCEL_QUEUE_BASE(queue) + reg;

	return __atomic_load_n((const uint32_t *)(const void *)at, __ATOMIC_ACQUIRE);
}

static void sim_engine_store32(struct sim_engine *engine, uint32_t offset, uint32_t value)
{
	__atomic_store_n((uint32_t *)(void *)(engine->registers + offset), value, __ATOMIC_RELEASE);
}

static void sim_engine_store64(struct sim_engine *engine, uint32_t offset, uint64_t value)
{
	__atomic_store_n((uint64_t *)(void *)(engine->registers + offset), value, __ATOMIC_RELEASE);
}

static void sim_engine_publish(struct sim_engine *engine, uint32_t n)
{
	const struct sim_engine_queue *queue = &engine->queues[n];
	uint32_t base = CXVM_ACCEL_QUEUE_BASE(n);

	sim_engine_store64(engine, base + CXVM_ACCEL_QUEUE_COMPLETED, queue->completed);
	sim_engine_store64(engine, base + CXVM_ACCEL_QUEUE_FAILED, queue->failed);
	sim_engine_store32(engine, base + CXVM_ACCEL_QUEUE_INTERRUPTS, queue->interrupts);
	sim_engine_store32(engine, base + CXVM_ACCEL_QUEUE_STATE, queue->state);
	sim_engine_store32(engine, base + CXVM_ACCEL_QUEUE_HEAD, queue->head);
}

void sim_engine_reset(struct sim_engine *engine)
{
	memset(engine->queues, 0, sizeof(engine->queues));
	memset(engine->registers, 0, CXVM_ACCEL_QUEUE_BASE(engine->queue_count));
	sim_engine_store32(engine, CXVM_ACCEL_REG_VERSION, 1);
	sim_engine_store32(engine, CXVM_ACCEL_REG_OPCODES, SIM_ENGINE_OPCODES);
	sim_engine_store32(engine, CXVM_ACCEL_REG_QUEUES, engine->queue_count);
	sim_engine_store64(engine, CXVM_ACCEL_REG_DPA_SIZE, engine->dpa_size);
	sim_engine_store64(engine, CXVM_ACCEL_REG_MAX_LENGTH, CXVM_ACCEL_MAX_LENGTH);
	sim_engine_store32(engine, CXVM_ACCEL_REG_RESETS, engine->resets++);
	sim_engine_store32(engine, CXVM_ACCEL_REG_VECTORS, engine->vector_count);
	sim_engine_store32(engine, CXVM_ACCEL_REG_SIGNATURE, CXVM_ACCEL_SIGNATURE);
}

/* ENABLE went from 0 to 1: take the set-up over, or refuse it. */
static void sim_engine_enable(struct sim_engine *engine, uint32_t n)
{
	struct sim_engine_queue *queue = &engine->queues[n];
	const uint8_t *base = engine->registers + CXVM_ACCEL_QUEUE_BASE(n);
	uint32_t space = sim_engine_load(engine, n, CXVM_ACCEL_QUEUE_RING_SPACE);
	int result;

	queue->enabled = true;
	queue->head = 0;
	queue->ring_address =
		__atomic_load_n((const uint64_t *)(const void *)base, __ATOMIC_ACQUIRE);
	queue->entries = sim_engine_load(engine, n, CXVM_ACCEL_QUEUE_RING_ENTRIES);
	queue->vector = sim_engine_load(engine, n, CXVM_ACCEL_QUEUE_VECTOR);
	queue->state = CXVM_ACCEL_QUEUE_BAD_SETUP;
	if (space > CXVM_ACCEL_SPACE_DPA || queue->ring_address % CXVM_ACCEL_DESCRIPTOR_SIZE != 0 ||
	    queue->entries < CXVM_ACCEL_MIN_ENTRIES || queue->entries > CXVM_ACCEL_MAX_ENTRIES ||
	    (queue->entries & (queue->entries - 1)) != 0 ||
	    (queue->vector >= engine->vector_count && queue->vector != CXVM_ACCEL_NO_VECTOR))
		return;
	queue->ring_space = (uint8_t)space;
	result = engine->memory.check(engine->memory.opaque, queue->ring_space, queue->ring_address,
				      (uint64_t)queue->entries * CXVM_ACCEL_DESCRIPTOR_SIZE, true);
	if (result == 0)
		queue->state = CXVM_ACCEL_QUEUE_RUNNING;
}

/* One descriptor; false when the ring itself cannot be reached. */
static bool sim_engine_run_one(struct sim_engine *engine, struct sim_engine_queue *queue,
			       uint32_t n)
{
	const struct sim_engine_memory *memory = &engine->memory;
	struct cxvm_accel_descriptor descriptor;
	uint64_t address = queue->ring_address +
			   (uint64_t)(queue->head & (queue->entries - 1)) * sizeof(descriptor);
	uint32_t status, result;

	if (memory->access(memory->opaque, queue->ring_space, address, &descriptor,
			   sizeof(descriptor), false) != 0)
		return false;
	status = sim_engine_execute(&descriptor, memory, engine->scratch, &result);
	if (memory->access(memory->opaque, queue->ring_space,
			   address + CXVM_ACCEL_DESCRIPTOR_RESULT, &result, sizeof(result),
			   true) != 0)
		return false;
	/* The status last: an atomic read-modify-write keeps the stores on either side apart. */
	atomic_fetch_add(&engine->jobs, 1);
	if (memory->access(memory->opaque, queue->ring_space,
			   address + CXVM_ACCEL_DESCRIPTOR_STATUS, &status, sizeof(status),
			   true) != 0)
		return false;
	queue->head++;
	queue->completed++;
	queue->failed += status != CXVM_ACCEL_STATUS_DONE;
	if ((descriptor.flags & CXVM_ACCEL_FLAG_INTERRUPT) &&
	    queue->vector != CXVM_ACCEL_NO_VECTOR) {
		queue->interrupts++;
		sim_engine_publish(engine, n);
		sim_irqs_raise(engine->irqs, queue->vector);
	} else {
		sim_engine_publish(engine, n);
	}
	return true;
}

/* Returns true when there was something to do. */
static bool sim_engine_look_at(struct sim_engine *engine, uint32_t n)
{
	struct sim_engine_queue *queue = &engine->queues[n];
	bool enable = sim_engine_load(engine, n, CXVM_ACCEL_QUEUE_ENABLE) != 0;
	uint32_t waiting;

	if (enable != queue->enabled) {
		if (enable) {
			sim_engine_enable(engine, n);
		} else {
			queue->enabled = false;
			queue->head = 0;
			queue->state = CXVM_ACCEL_QUEUE_DISABLED;
		}
		sim_engine_publish(engine, n);
		return true;
	}
	if (queue->state != CXVM_ACCEL_QUEUE_RUNNING)
		return false;
	waiting = sim_engine_load(engine, n, CXVM_ACCEL_QUEUE_TAIL) - queue->head;
	if (waiting == 0)
		return false;
	if (waiting > queue->entries) {
		queue->state = CXVM_ACCEL_QUEUE_BAD_TAIL;
		sim_engine_publish(engine, n);
		return true;
	}
	for (uint32_t i = 0; i < waiting && i < SIM_ENGINE_BATCH && !atomic_load(&engine->cancel);
	     i++) {
		if (!sim_engine_run_one(engine, queue, n)) {
			queue->state = CXVM_ACCEL_QUEUE_RING_FAULT;
			sim_engine_publish(engine, n);
			break;
		}
	}
	return true;
}

static bool sim_engine_look(struct sim_engine *engine)
{
	bool busy = false, level = false;

	for (uint32_t n = 0; n < engine->queue_count; n++) {
		busy |= sim_engine_look_at(engine, n);
		level |= engine->queues[n].enabled &&
			 engine->queues[n].interrupts !=
				 sim_engine_load(engine, n, CXVM_ACCEL_QUEUE_ACK);
	}
	/* INTx is a level: high while an enabled queue has interrupts that the driver did not
	 * acknowledge.
	 */
	sim_irqs_set_level(engine->irqs, level);
	atomic_fetch_add(&engine->looks, 1);
	return busy;
}

static void *sim_engine_main(void *argument)
{
	struct sim_engine *engine = argument;
	struct pollfd poll_fd = {.fd = engine->kick, .events = POLLIN};
	long idle_ns = SIM_ENGINE_IDLE_MAX_NS, idle_max_ns;
	unsigned int spins = SIM_ENGINE_SPINS;

	prctl(PR_SET_NAME, "engine");
	prctl(PR_SET_TIMERSLACK, SIM_ENGINE_SLACK_NS);
	while (!atomic_load(&engine->stop)) {
		bool watching = atomic_load(&engine->watching);
		bool enabled = false;
		struct timespec timeout = {.tv_nsec = idle_ns};
		uint64_t count;
		bool busy = false;

		if (atomic_load(&engine->cancel)) {
			/* somebody is about to pause us: let them have the lock first */
			sched_yield();
		} else {
			pthread_mutex_lock(&engine->running);
			if (watching)
				busy = sim_engine_look(engine);
			for (uint32_t n = 0; n < engine->queue_count; n++)
				enabled |= engine->queues[n].enabled;
			pthread_mutex_unlock(&engine->running);
		}
		if (busy) {
			spins = 0;
			idle_ns = SIM_ENGINE_IDLE_MIN_NS;
			continue;
		}
		if (spins < SIM_ENGINE_SPINS) {
			spins++;
			sched_yield();
			continue;
		}
		if (ppoll(&poll_fd, 1, watching ? &timeout : NULL, NULL) > 0) {
			if (read(engine->kick, &count, sizeof(count)) < 0 && errno != EAGAIN)
				break;
			idle_ns = SIM_ENGINE_IDLE_MIN_NS;
			continue;
		}
		idle_max_ns = enabled ? SIM_ENGINE_IDLE_MAX_NS : SIM_ENGINE_ASLEEP_NS;
		idle_ns = idle_ns * 2 < idle_max_ns ? idle_ns * 2 : idle_max_ns;
	}
	return NULL;
}

int sim_engine_start(struct sim_engine *engine, uint8_t *registers, uint32_t queue_count,
		     uint32_t vector_count, uint64_t dpa_size,
		     const struct sim_engine_memory *memory, struct sim_irqs *irqs)
{
	int result;

	memset(engine, 0, sizeof(*engine));
	engine->kick = -1;
	if (queue_count > SIM_ENGINE_MAX_QUEUES)
		return -EINVAL;
	engine->registers = registers;
	engine->queue_count = queue_count;
	engine->vector_count = vector_count;
	engine->dpa_size = dpa_size;
	engine->memory = *memory;
	engine->irqs = irqs;
	engine->scratch = malloc(sizeof(*engine->scratch));
	engine->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!engine->scratch || engine->kick < 0) {
		result = engine->scratch ? -errno : -ENOMEM;
		sim_engine_stop(engine);
		return result;
	}
	pthread_mutex_init(&engine->running, NULL);
	sim_engine_reset(engine);
	result = pthread_create(&engine->thread, NULL, sim_engine_main, engine);
	if (result != 0) {
		pthread_mutex_destroy(&engine->running);
		sim_engine_stop(engine);
		return -result;
	}
	engine->started = true;
	return 0;
}

void sim_engine_stop(struct sim_engine *engine)
{
	if (engine->started) {
		atomic_store(&engine->cancel, true);
		atomic_store(&engine->stop, true);
		sim_engine_kick(engine);
		pthread_join(engine->thread, NULL);
		pthread_mutex_destroy(&engine->running);
		engine->started = false;
	}
	sim_fd_close(&engine->kick);
	free(engine->scratch);
	engine->scratch = NULL;
}

void sim_engine_kick(struct sim_engine *engine)
{
	const uint64_t one = 1;

	/* Full counter: the thread has been woken already. */
	if (write(engine->kick, &one, sizeof(one)) < 0)
		return;
}

void sim_engine_watch(struct sim_engine *engine, bool watch)
{
	atomic_store(&engine->watching, watch);
	sim_engine_kick(engine);
}

void sim_engine_pause(struct sim_engine *engine)
{
	atomic_store(&engine->cancel, true);
	pthread_mutex_lock(&engine->running);
	atomic_store(&engine->cancel, false);
}

void sim_engine_resume(struct sim_engine *engine)
{
	pthread_mutex_unlock(&engine->running);
	sim_engine_kick(engine);
}
