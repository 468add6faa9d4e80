/* SPDX-License-Identifier: Apache-2.0 */
#include <cxvm/cxvm.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/fd.h"
#include "vmm/api/vm.h"
#include "vmm/config/options.h"

const char *cxvm_version(void)
{
	return CXVM_VERSION;
}

/* The ground has a log of its own, so that it does not know the public header. */
_Static_assert((int)CXVM_LOG_ERROR == (int)LOG_LEVEL_ERROR &&
		       (int)CXVM_LOG_WARNING == (int)LOG_LEVEL_WARNING &&
		       (int)CXVM_LOG_INFO == (int)LOG_LEVEL_INFO &&
		       (int)CXVM_LOG_DEBUG == (int)LOG_LEVEL_DEBUG,
	       "public and internal levels are the same numbers");

static void hand_out_message(void *opaque, enum log_level level, const char *object,
			     const char *message)
{
	const struct cxvm *vm = opaque;

	vm->log(vm->log_opaque, (enum cxvm_log_level)level, object, message);
}

int cxvm_create(struct cxvm **result, const struct cxvm_create_options *given)
{
	struct cxvm_create_options options;
	struct cxvm *vm;
	int error;

	if (!result)
		return -EINVAL;
	error = options_adopt(&options, sizeof(options), given);
	if (error)
		return error;
	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return -ENOMEM;
	vm->log = options.log;
	vm->log_opaque = options.log_opaque;
	vm->logger.callback = options.log ? hand_out_message : NULL;
	vm->logger.opaque = vm;
	vm->logger.level = (enum log_level)options.log_level;
	vm->kvm_fd = options.use_kvm_fd ? options.kvm_fd : -1;
	vm->event_fd = -1;
	atomic_init(&vm->state, CXVM_STATE_CREATED);
	atomic_init(&vm->machine, NULL);
	*result = vm;
	return 0;
}

/* The descriptors that came with options; several devices may name the same one. */
static void close_given_fds(const struct machine_config *config)
{
	int fds[MACHINE_MAX_NETS + 3 * MACHINE_MAX_DEVICES];
	size_t count = 0;

	for (size_t i = 0; i < config->net_count; i++)
		if (config->nets[i].use_fd)
			fds[count++] = config->nets[i].fd;
	for (size_t i = 0; i < config->device_count; i++) {
		if (config->devices[i].use_fd)
			fds[count++] = config->devices[i].fd;
		if (config->devices[i].use_iommufd)
			fds[count++] = config->devices[i].iommufd;
		if (config->devices[i].use_group_fd)
			fds[count++] = config->devices[i].group_fd;
	}
	for (size_t i = 0; i < count; i++) {
		bool closed = fds[i] < 0;

		for (size_t j = 0; j < i && !closed; j++)
			closed = fds[j] == fds[i];
		if (!closed)
			close(fds[i]);
	}
}

void cxvm_destroy(struct cxvm *vm)
{
	if (!vm)
		return;
	machine_destroy(atomic_load(&vm->machine));
	fd_close(&vm->kvm_fd);
	fd_close(&vm->event_fd);
	close_given_fds(&vm->config);
	config_free(&vm->config);
	free(vm);
}

static void tell_state(struct cxvm *vm)
{
	const uint64_t one = 1;
	ssize_t written;

	if (vm->event_fd >= 0) {
		written = write(vm->event_fd, &one, sizeof(one));
		(void)written; /* refuses only when it is readable already */
	}
}

static void set_state(struct cxvm *vm, enum cxvm_state state)
{
	atomic_store(&vm->state, state);
	tell_state(vm);
}

/* Nothing when it is in another state by now: a machine that has stopped stays stopped. */
static void change_state(struct cxvm *vm, enum cxvm_state from, enum cxvm_state to)
{
	if (atomic_compare_exchange_strong(&vm->state, &from, to))
		tell_state(vm);
}

static void machine_started(void *opaque)
{
	change_state(opaque, CXVM_STATE_CREATED, CXVM_STATE_RUNNING);
}

int cxvm_set_confine(struct cxvm *vm,
		     int (*confine)(void *opaque, const char *const *folders, size_t count),
		     void *opaque)
{
	if (!vm)
		return -EINVAL;
	if (atomic_load(&vm->machine))
		return -EBUSY;
	vm->confine = confine;
	vm->confine_opaque = opaque;
	return 0;
}

/* The folder of the socket at @path, to be freed; NULL when there is no memory. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return strndup(path, slash > path ? (size_t)(slash - path) : 1);
}

/* The machine has its descriptors; what it does by name later is with sockets only. */
static int confine(const struct cxvm *vm)
{
	const struct machine_specification *specification = &vm->specification;
	const char *paths[3];
	char *folders[3] = {NULL};
	size_t count = 0, i;
	int result = 0;

	if (!vm->confine)
		return 0;
	if (specification->has_vsock && !specification->vsock.vhost)
		paths[count++] = specification->vsock.socket;
	if (specification->serial.mode == CXVM_CONSOLE_SOCKET)
		paths[count++] = specification->serial.path;
	if (specification->console.mode == CXVM_CONSOLE_SOCKET)
		paths[count++] = specification->console.path;
	for (i = 0; i < count && !result; i++) {
		folders[i] = folder_of(paths[i]);
		if (!folders[i])
			result = -ENOMEM;
	}
	if (!result)
		result = vm->confine(vm->confine_opaque, (const char *const *)folders, count);
	for (i = 0; i < count; i++)
		free(folders[i]);
	return result;
}

int cxvm_run(struct cxvm *vm, struct cxvm_exit *result)
{
	struct cxvm_exit ended = {.size = sizeof(ended)};
	struct machine_options options = {
		.start_ns = clock_now_ns(),
		.started = machine_started,
		.started_opaque = vm,
	};
	struct machine *machine;
	int error;

	if (!vm || (result && result->size < sizeof(*result)))
		return -EINVAL;
	if (atomic_load(&vm->state) != CXVM_STATE_CREATED || atomic_load(&vm->machine))
		return -EBUSY;
	error = vm_specify(vm, &vm->specification);
	if (error)
		return error;
	options.specification = &vm->specification;
	options.logger = &vm->logger;
	options.kvm_fd = vm->kvm_fd;
	vm->kvm_fd = -1;
	error = machine_create(&machine, &options);
	if (error)
		return error;
	atomic_store(&vm->machine, machine);
	error = confine(vm);
	if (error)
		return error;
	if (atomic_load(&vm->stop_requested))
		machine_stop(machine);
	error = machine_run(machine, &ended);
	set_state(vm, CXVM_STATE_STOPPED);
	if (!error && result) {
		ended.size = result->size;
		*result = ended;
	}
	return error;
}

int cxvm_pause(struct cxvm *vm)
{
	struct machine *machine = vm ? atomic_load(&vm->machine) : NULL;
	int result = machine ? machine_pause(machine) : -EINVAL;

	if (!result)
		change_state(vm, CXVM_STATE_RUNNING, CXVM_STATE_PAUSED);
	return result;
}

int cxvm_resume(struct cxvm *vm)
{
	struct machine *machine = vm ? atomic_load(&vm->machine) : NULL;
	int result = machine ? machine_resume(machine) : -EINVAL;

	if (!result)
		change_state(vm, CXVM_STATE_PAUSED, CXVM_STATE_RUNNING);
	return result;
}

int cxvm_power_button(struct cxvm *vm)
{
	struct machine *machine = vm ? atomic_load(&vm->machine) : NULL;

	if (!machine || atomic_load(&vm->state) == CXVM_STATE_STOPPED)
		return -EINVAL;
	machine_power_button(machine);
	return 0;
}

int cxvm_stop(struct cxvm *vm)
{
	struct machine *machine;

	if (!vm)
		return -EINVAL;
	atomic_store(&vm->stop_requested, true);
	machine = atomic_load(&vm->machine);
	if (machine)
		machine_stop(machine);
	return 0;
}

enum cxvm_state cxvm_get_state(const struct cxvm *vm)
{
	return atomic_load(&((struct cxvm *)(uintptr_t)vm)->state);
}

int cxvm_event_fd(struct cxvm *vm)
{
	if (!vm)
		return -EINVAL;
	if (vm->event_fd < 0)
		vm->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return vm->event_fd < 0 ? -errno : vm->event_fd;
}

int cxvm_get_counters(const struct cxvm *vm, struct cxvm_counters *counters)
{
	struct cxvm_counters all = {.size = sizeof(all)};
	struct machine *machine;

	if (!vm || !counters || counters->size < sizeof(size_t))
		return -EINVAL;
	machine = atomic_load(&((struct cxvm *)(uintptr_t)vm)->machine);
	if (machine)
		machine_get_counters(machine, &all);
	all.size = counters->size;
	memcpy(counters, &all, counters->size < sizeof(all) ? counters->size : sizeof(all));
	return 0;
}
