/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/kvm/api/machine_run.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void machine_run_require_kvm(void)
{
	if (access("/dev/kvm", R_OK | W_OK) != 0)
		cr_skip_test("no usable /dev/kvm");
}

static void collect_log(void *opaque, enum cxvm_log_level level, const char *object,
			const char *message)
{
	struct machine_run *run = opaque;
	size_t used;

	pthread_mutex_lock(&run->lock);
	used = strlen(run->log);
	snprintf(run->log + used, sizeof(run->log) - used, "%d %s: %s\n", (int)level, object,
		 message);
	run->messages++;
	pthread_mutex_unlock(&run->lock);
}

void machine_run_create(struct machine_run *run, const char *name, const char *cmdline)
{
	const struct cxvm_create_options options = {
		.size = sizeof(options),
		.log = collect_log,
		.log_opaque = run,
		.log_level = CXVM_LOG_INFO,
	};
	const struct cxvm_memory memory = {.size = sizeof(memory), .bytes = 64 << 20};
	const struct cxvm_platform platform = {.size = sizeof(platform), .debug_exit = CXVM_ON};
	struct cxvm_payload payload = {.size = sizeof(payload), .cmdline = cmdline};
	char kernel[512];

	memset(run, 0, sizeof(*run));
	run->exit.size = sizeof(run->exit);
	pthread_mutex_init(&run->lock, NULL);
	cr_assert_eq(cxvm_create(&run->vm, &options), 0);
	snprintf(kernel, sizeof(kernel), "%s/guest-%s", GUEST_DIR, name);
	payload.kernel = kernel;
	cr_assert_eq(cxvm_set_memory(run->vm, &memory), 0);
	cr_assert_eq(cxvm_set_payload(run->vm, &payload), 0);
	cr_assert_eq(cxvm_set_platform(run->vm, &platform), 0);
}

void machine_run_set(struct machine_run *run, const char *section, const char *text)
{
	cr_assert_eq(cxvm_set_option(run->vm, section, text), 0, "%s %s: %s", section, text,
		     run->log);
}

static void *runner(void *opaque)
{
	struct machine_run *run = opaque;

	run->result = cxvm_run(run->vm, &run->exit);
	return NULL;
}

void machine_run_start(struct machine_run *run)
{
	cr_assert_eq(pthread_create(&run->thread, NULL, runner, run), 0);
}

void machine_run_wait_running(struct machine_run *run)
{
	while (cxvm_get_state(run->vm) == CXVM_STATE_CREATED)
		usleep(500); /* the test's time limit ends this */
}

void machine_run_join(struct machine_run *run)
{
	pthread_join(run->thread, NULL);
}

void machine_run_must_pass(struct machine_run *run)
{
	cr_assert_eq(run->result, 0, "%s", run->log);
	cr_assert(run->exit.reason == CXVM_EXIT_DEBUG && run->exit.code == GUEST_PASS,
		  "reason %d, code 0x%x: %s; log:\n%s", run->exit.reason, run->exit.code,
		  run->exit.message, run->log);
}
