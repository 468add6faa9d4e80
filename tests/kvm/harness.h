/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_KVM_HARNESS_H
#define TESTS_KVM_HARNESS_H

#include <cxvm/cxvm.h>
#include <pthread.h>
#include <semaphore.h>

/*
 * Runs a test guest (tests/kvm/guest/) through the public API on the real /dev/kvm. All
 * functions end the Criterion test when something that is not under test goes wrong.
 */
#define GUEST_PASS 0x600du
#define GUEST_FAIL 0xbad00000u

struct guest {
	/* Set by the test; zero is the default. */
	const char *name;    /* of guest/test_<name>.c */
	const char *cmdline; /* read by the guest */
	uint32_t vcpus;
	const char *features;      /* of the CPUs, as configured */
	uint64_t mib;              /* 64 */
	const char *disk;          /* raw image */
	unsigned int seconds;      /* time limit: 20 */
	const char *devices[8];    /* vfio-user sockets of accelerators */
	const char *serial_socket; /* the serial port listens there instead of being recorded */

	const char *held_line; /* whoever logs it waits for line_released */
	uint32_t power_off_grace_ms;

	/* Filled by guest_start(). */
	sem_t line_held;
	sem_t line_released;
	int held_thread;
	struct cxvm *vm;
	struct cxvm_exit exit;
	int result;                    /* of cxvm_run() */
	struct cxvm_counters counters; /* after the end */
	char serial[16384];            /* what the guest printed */
	char log[16384];               /* warnings and errors of the library */

	/* The harness's own. */
	pthread_t runner;
	pthread_t watchdog;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool has_ended;
	bool too_late;
	char serial_path[64];
};

/* Skips the test when there is no usable /dev/kvm. */
void guest_require_kvm(void);

/* Where the guest's file is: beside this program. */
void guest_path(const char *name, char *path, size_t size);

/* Start it in a thread of its own / wait for its end. */
void guest_start(struct guest *guest);
void guest_wait(struct guest *guest);

/* Both, and fails the test unless the guest said GUEST_PASS within the time. */
void guest_must_pass(struct guest *guest);

#endif
