/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blkbench DEVICE MODE SECONDS: reads of a disk with O_DIRECT through Linux AIO. MODE rand: 4 KiB
 * at random places, depth 32; seq: 256 KiB one after the other, depth 4. Prints "blkbench MODE
 * REQUESTS SECONDS BYTES-PER-SECOND".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define DEPTH_MAX 32

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static int fail(const char *what)
{
	printf("blkbench: %s: %s\n", what, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	struct iocb requests[DEPTH_MAX] = {0}, *list[DEPTH_MAX];
	struct io_event events[DEPTH_MAX];
	aio_context_t context = 0;
	uint64_t size, place = 0, state = 88172645463325252u, done = 0;
	unsigned int depth, block;
	bool sequential;
	uint8_t *buffer;
	double start, end;
	int fd;

	if (argc != 4) {
		printf("usage: blkbench DEVICE rand|seq SECONDS\n");
		return 2;
	}
	sequential = !strcmp(argv[2], "seq");
	depth = sequential ? 4 : DEPTH_MAX;
	block = sequential ? 256 * 1024 : 4096;
	fd = open(argv[1], O_RDONLY | O_DIRECT);
	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size))
		return fail(argv[1]);
	if (syscall(SYS_io_setup, depth, &context))
		return fail("io_setup");
	buffer = mmap(NULL, (size_t)depth * block, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (buffer == MAP_FAILED)
		return fail("mmap");
	for (unsigned int i = 0; i < depth; i++) {
		requests[i].aio_lio_opcode = IOCB_CMD_PREAD;
		requests[i].aio_fildes = (uint32_t)fd;
		requests[i].aio_buf = (uint64_t)(uintptr_t)(buffer + (size_t)i * block);
		requests[i].aio_nbytes = block;
		requests[i].aio_data = i;
		requests[i].aio_offset =
			(int64_t)(sequential ? place
					     : next_random(&state) % (size / block) * block);
		place = (place + block) % (size / block * block);
		list[i] = &requests[i];
	}
	start = now();
	end = start + atof(argv[3]);
	if (syscall(SYS_io_submit, context, depth, list) != (long)depth)
		return fail("io_submit");
	while (now() < end) {
		long count = syscall(SYS_io_getevents, context, 1, depth, events, NULL);

		if (count < 0)
			return fail("io_getevents");
		for (long i = 0; i < count; i++) {
			struct iocb *request = &requests[events[i].data];

			if (events[i].res != (int64_t)block) {
				printf("blkbench: a read returned %lld\n",
				       (long long)events[i].res);
				return 1;
			}
			request->aio_offset =
				(int64_t)(sequential
						  ? place
						  : next_random(&state) % (size / block) * block);
			place = (place + block) % (size / block * block);
			list[i] = request;
		}
		done += (uint64_t)count;
		if (syscall(SYS_io_submit, context, count, list) != count)
			return fail("io_submit");
	}
	end = now();
	printf("blkbench %s %llu %.3f %.0f\n", argv[2], (unsigned long long)done, end - start,
	       (double)done * block / (end - start));
	return 0;
}
