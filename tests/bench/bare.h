/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_BENCH_BARE_H
#define TESTS_BENCH_BARE_H

#include <stdint.h>

/*
 * The least that can run a test guest on /dev/kvm: one vCPU, one memory slot, and a loop around
 * KVM_RUN that answers every MMIO read with 0 and ends at the debug-exit port. What a VMM can be
 * measured against; shares no code with the library.
 *
 * Returns 0 and the exit value in @code, or a negative errno.
 */
int bare_run(const char *guest, const char *cmdline, uint32_t *code);

#endif
