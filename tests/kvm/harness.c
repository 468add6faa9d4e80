/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/kvm/harness.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void guest_require_kvm(void)
{
	if (access("/dev/kvm", F_OK) != 0)
		cr_skip_test("this machine has no /dev/kvm");
	if (access("/dev/kvm", R_OK | W_OK) != 0)
		cr_skip_test("no permission for /dev/kvm: join the group kvm");
}

void guest_path(const char *name, char *path, size_t size)
{
	ssize_t length = readlink("/proc/self/exe", path, size - 1);

	cr_assert_gt(length, 0);
	path[length] = '\0';
	length = strrchr(path, '/') + 1 - path;
	snprintf(path + length, size - (size_t)length, "guest-%s", name);
}

static void collect_log(void *opaque, enum cxvm_log_level level, const char *object,
			const char *message)
{
	struct guest *guest = opaque;
	size_t used;

	if (level > CXVM_LOG_WARNING)
		return;
	pthread_mutex_lock(&guest->lock);
	used = strlen(guest->log);
	snprintf(guest->log + used, sizeof(guest->log) - used, "%s: %s\n", object, message);
	pthread_mutex_unlock(&guest->lock);
	if (guest->held_line && strstr(message, guest->held_line)) {
		guest->held_thread = gettid();
		sem_post(&guest->line_held);
		while (sem_wait(&guest->line_released))
			;
	}
}

static void *run(void *opaque)
{
	struct guest *guest = opaque;

	guest->result = cxvm_run(guest->vm, &guest->exit);
	pthread_mutex_lock(&guest->lock);
	guest->has_ended = true;
	pthread_cond_broadcast(&guest->ended);
	pthread_mutex_unlock(&guest->lock);
	return NULL;
}

static void *watch(void *opaque)
{
	struct guest *guest = opaque;
	struct timespec deadline;
	int result = 0;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += guest->seconds ? guest->seconds : 20;
	pthread_mutex_lock(&guest->lock);
	while (!guest->has_ended && result == 0)
		result = pthread_cond_timedwait(&guest->ended, &guest->lock, &deadline);
	guest->too_late = !guest->has_ended;
	pthread_mutex_unlock(&guest->lock);
	if (guest->too_late)
		cxvm_stop(guest->vm);
	return NULL;
}

static void configure(struct guest *guest)
{
	struct cxvm_cpus cpus = {
		.size = sizeof(cpus), .boot_vcpus = guest->vcpus, .features = guest->features};
	struct cxvm_memory memory = {.size = sizeof(memory)};
	struct cxvm_payload payload = {.size = sizeof(payload), .cmdline = guest->cmdline};
	struct cxvm_console serial = {.size = sizeof(serial), .mode = CXVM_CONSOLE_FILE};
	struct cxvm_platform platform = {.size = sizeof(platform),
					 .debug_exit = CXVM_ON,
					 .power_off_grace_ms = guest->power_off_grace_ms};
	char kernel[512];

	guest_path(guest->name, kernel, sizeof(kernel));
	payload.kernel = kernel;
	memory.bytes = (guest->mib ? guest->mib : 64) << 20;
	serial.path = guest->serial_path;
	if (guest->serial_socket) {
		serial.mode = CXVM_CONSOLE_SOCKET;
		serial.path = guest->serial_socket;
	}
	cr_assert_eq(cxvm_set_cpus(guest->vm, &cpus), 0, "%s", guest->log);
	cr_assert_eq(cxvm_set_memory(guest->vm, &memory), 0, "%s", guest->log);
	cr_assert_eq(cxvm_set_payload(guest->vm, &payload), 0, "%s", guest->log);
	cr_assert_eq(cxvm_set_serial(guest->vm, &serial), 0, "%s", guest->log);
	cr_assert_eq(cxvm_set_platform(guest->vm, &platform), 0, "%s", guest->log);
	for (unsigned int i = 0; i < 8 && guest->devices[i]; i++) {
		struct cxvm_device device = {.size = sizeof(device),
					     .vfio_user = guest->devices[i]};

		cr_assert_eq(cxvm_add_device(guest->vm, &device), 0, "%s", guest->log);
	}
	if (guest->disk) {
		struct cxvm_disk disk = {.size = sizeof(disk), .path = guest->disk};

		cr_assert_eq(cxvm_add_disk(guest->vm, &disk), 0, "%s", guest->log);
	}
}

void guest_start(struct guest *guest)
{
	struct cxvm_create_options options = {
		.size = sizeof(options),
		.log = collect_log,
		.log_opaque = guest,
		.log_level = CXVM_LOG_WARNING,
	};
	int fd;

	guest_require_kvm();
	pthread_mutex_init(&guest->lock, NULL);
	pthread_cond_init(&guest->ended, NULL);
	sem_init(&guest->line_held, 0, 0);
	sem_init(&guest->line_released, 0, 0);
	guest->exit.size = sizeof(guest->exit);
	snprintf(guest->serial_path, sizeof(guest->serial_path), "/tmp/cxvm-guest-XXXXXX");
	fd = mkstemp(guest->serial_path);
	cr_assert_geq(fd, 0);
	close(fd);
	cr_assert_eq(cxvm_create(&guest->vm, &options), 0);
	configure(guest);
	cr_assert_eq(pthread_create(&guest->runner, NULL, run, guest), 0);
	cr_assert_eq(pthread_create(&guest->watchdog, NULL, watch, guest), 0);
}

void guest_wait(struct guest *guest)
{
	FILE *file;

	pthread_join(guest->runner, NULL);
	pthread_join(guest->watchdog, NULL);
	guest->counters.size = sizeof(guest->counters);
	cr_assert_eq(cxvm_get_counters(guest->vm, &guest->counters), 0);
	cxvm_destroy(guest->vm);
	guest->vm = NULL;
	file = fopen(guest->serial_path, "r");
	if (file) {
		size_t length = fread(guest->serial, 1, sizeof(guest->serial) - 1, file);

		guest->serial[length] = '\0';
		fclose(file);
	}
	unlink(guest->serial_path);
	cr_assert_not(guest->too_late, "%s: not finished in time; it printed:\n%s\nlog:\n%s",
		      guest->name, guest->serial, guest->log);
}

void guest_must_pass(struct guest *guest)
{
	guest_start(guest);
	guest_wait(guest);
	cr_assert_eq(guest->result, 0, "%s: cxvm_run: %s\n%s", guest->name,
		     strerror(-guest->result), guest->log);
	cr_assert(guest->exit.reason == CXVM_EXIT_DEBUG && guest->exit.code == GUEST_PASS,
		  "%s: reason %d, code 0x%x: %s; it printed:\n%s\nlog:\n%s", guest->name,
		  guest->exit.reason, guest->exit.code, guest->exit.message, guest->serial,
		  guest->log);
}
