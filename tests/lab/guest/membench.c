/* SPDX-License-Identifier: Apache-2.0 */
/*
 * membench: how fast this guest reads and writes ordinary RAM, the CXL memory of an accelerator and
 * its register window, the same loop over each in turn. Prints "membench WHAT BYTES-PER-SECOND"
 * (the median of nine). The window is write-back for the CPU in a virtual machine whose device
 * memory is RAM; a real device's BAR would be uncached. All three are mapped with 4 KiB pages in
 * this guest (/dev/mem and a BAR's file know no others), so that what differs is the way below it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define BYTES  (8u << 20)
#define ROUNDS 9

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double pass(volatile uint64_t *words)
{
	double start = now();
	uint64_t sum = 0;

	for (unsigned int repeat = 0; repeat < 4; repeat++)
		for (size_t i = 0; i < BYTES / sizeof(*words); i += 8) {
			words[i] = sum + i;
			sum += words[i + 4];
		}
	return 4.0 * BYTES / (now() - start);
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

/* Interleaved: all kinds of memory meet the same noise. */
static void measure(const char *const *names, uint8_t *const *places, size_t count)
{
	double results[3][ROUNDS];

	/* The first pass makes pages, in this guest and in its host, and is not counted. */
	for (int round = -1; round < ROUNDS; round++) {
		for (size_t i = 0; i < count; i++) {
			double result =
				places[i] ? pass((volatile uint64_t *)(void *)places[i]) : 0;

			if (round >= 0)
				results[i][round] = result;
		}
	}
	for (size_t i = 0; i < count; i++) {
		if (!places[i])
			continue;
		qsort(results[i], ROUNDS, sizeof(double), compare);
		printf("membench %s %.0f\n", names[i], results[i][ROUNDS / 2]);
	}
}

static uint8_t *map_file(const char *path, uint64_t offset)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *place = MAP_FAILED;

	if (fd >= 0)
		place = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
	if (place == MAP_FAILED)
		printf("membench: %s at 0x%llx cannot be mapped\n", path,
		       (unsigned long long)offset);
	if (fd >= 0)
		close(fd);
	return place == MAP_FAILED ? NULL : place;
}

/* membench WINDOW-RESOURCE-FILE WINDOW-OFFSET CXL-ADDRESS ("-" skips one) */
int main(int argc, char **argv)
{
	static const char *const names[] = {"ram", "dpa", "window"};
	uint8_t *places[3] = {NULL};

	if (argc != 4) {
		printf("usage: membench RESOURCE-FILE OFFSET CXL-ADDRESS\n");
		return 2;
	}
	places[0] = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (places[0] == MAP_FAILED)
		return 1;
	/* EINVAL: a kernel without large pages. */
	if (madvise(places[0], BYTES, MADV_NOHUGEPAGE) && errno != EINVAL)
		return 1;
	if (strcmp(argv[3], "-"))
		places[1] = map_file("/dev/mem", strtoull(argv[3], NULL, 0));
	if (strcmp(argv[1], "-"))
		places[2] = map_file(argv[1], strtoull(argv[2], NULL, 0));
	measure(names, places, 3);
	return !places[1] || !places[2];
}
