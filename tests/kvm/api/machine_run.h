/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_KVM_API_MACHINE_RUN_H
#define TESTS_KVM_API_MACHINE_RUN_H

#include <cxvm/cxvm.h>
#include <pthread.h>

/*
 * A machine with a tiny guest of tests/kvm/guest, run by a thread, for tests that look at
 * the library's side: every setting is made by the test through the public API.
 */
struct machine_run {
	struct cxvm *vm;
	struct cxvm_exit exit;
	int result;
	pthread_t thread;
	pthread_mutex_t lock; /* of the log */
	char log[16384];
	unsigned int messages;
};

#define GUEST_PASS 0x600du

/* Ends the test as skipped without a usable /dev/kvm. */
void machine_run_require_kvm(void);

/* A machine of 64 MiB that boots guest-@name with @cmdline; debug exit on. Not started. */
void machine_run_create(struct machine_run *run, const char *name, const char *cmdline);

/* Set a section as text; the test fails when it is refused. */
void machine_run_set(struct machine_run *run, const char *section, const char *text);

/* cxvm_run() in a thread / until the state is RUNNING or it has ended / until it ends. */
void machine_run_start(struct machine_run *run);
void machine_run_wait_running(struct machine_run *run);
void machine_run_join(struct machine_run *run);

/* Fails the test unless the guest ended with GUEST_PASS. */
void machine_run_must_pass(struct machine_run *run);

#endif
