/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The round trip of one trapped MMIO read: the same guest under cxvm and under a bare KVM_RUN loop,
 * in turns. Prints one JSON object with numbers only: mmio_vs_bare is the ratio of the medians of
 * the rounds; each round is the guest's median of batches of 50 reads.
 *
 *   bench-mmio-bare [ROUNDS [BATCHES]]
 */
#include <cxvm/cxvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bare.h"
#include "tests/bench/bench.h"

#define ROUNDS_MAX  1001
#define BATCHES_MAX 1001 /* the guest's */
#define READS       50
#define RATIO_ONE   1000000.0

static char guest[4096];

static int cxvm_run_guest(const char *cmdline, uint32_t *code)
{
	struct cxvm_create_options options = {
		.size = sizeof(options), .log = bench_print_log, .log_level = CXVM_LOG_WARNING};
	struct cxvm_payload payload = {
		.size = sizeof(payload), .kernel = guest, .cmdline = cmdline};
	struct cxvm_memory memory = {.size = sizeof(memory), .bytes = 16u << 20};
	struct cxvm_platform platform = {.size = sizeof(platform), .debug_exit = CXVM_ON};
	struct cxvm_exit result = {.size = sizeof(result)};
	struct cxvm *vm;
	int error = cxvm_create(&vm, &options);

	if (error)
		return error;
	error = cxvm_set_payload(vm, &payload);
	if (!error)
		error = cxvm_set_memory(vm, &memory);
	if (!error)
		error = cxvm_set_platform(vm, &platform);
	if (!error)
		error = cxvm_run(vm, &result);
	cxvm_destroy(vm);
	if (!error && result.reason != CXVM_EXIT_DEBUG) {
		fprintf(stderr, "the guest ended otherwise: %s\n", result.message);
		error = -1;
	}
	*code = result.code;
	return error;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static double median(uint32_t *values, int count)
{
	qsort(values, (size_t)count, sizeof(*values), compare);
	return count % 2 ? values[count / 2]
			 : ((double)values[count / 2 - 1] + values[count / 2]) / 2;
}

int main(int argc, char **argv)
{
	static uint32_t bare[ROUNDS_MAX], ours[ROUNDS_MAX], ratios[ROUNDS_MAX];
	int rounds = argc > 1 ? atoi(argv[1]) : 15;
	int batches = argc > 2 ? atoi(argv[2]) : 101;
	char bare_cmdline[64], our_cmdline[64];
	double bare_median, our_median, ratio;

	if (rounds < 1 || rounds > ROUNDS_MAX || batches < 1 || batches > BATCHES_MAX) {
		fprintf(stderr, "usage: %s [ROUNDS [BATCHES]]\n", argv[0]);
		return 2;
	}
	if (bench_find_guest("guest-bench_mmio", guest, sizeof(guest)))
		return 1;
	snprintf(bare_cmdline, sizeof(bare_cmdline), "count=%d batches=%d address=0xd0000000",
		 READS, batches);
	snprintf(our_cmdline, sizeof(our_cmdline), "count=%d batches=%d", READS, batches);
	for (int i = 0; i < rounds; i++) {
		int error = bare_run(guest, bare_cmdline, &bare[i]);

		if (!error)
			error = cxvm_run_guest(our_cmdline, &ours[i]);
		if (error) {
			fprintf(stderr, "round %d: %s\n", i, strerror(-error));
			return 1;
		}
		ratios[i] = (uint32_t)((double)ours[i] / bare[i] * RATIO_ONE);
	}
	ratio = median(ratios, rounds) / RATIO_ONE;
	bare_median = median(bare, rounds) / READS;
	our_median = median(ours, rounds) / READS;
	printf("{\"mmio_vs_bare\": %.4f, \"mmio_bare_ticks\": %.1f, \"mmio_cxvm_ticks\": %.1f, "
	       "\"mmio_rounds\": %d, \"mmio_reads_per_round\": %d}\n",
	       ratio, bare_median, our_median, rounds, READS * batches);
	return 0;
}
