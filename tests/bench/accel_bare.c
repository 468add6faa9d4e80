/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an accelerator costs a running guest. The same guest (guest-accel_count) runs under cxvm
 * with different numbers of accesses; KVM's own counters of the vCPU, read when it has ended, are
 * compared. The round trip of a component register is compared with a bare KVM_RUN loop, in turns,
 * as in mmio_bare.c. Prints one JSON object with numbers only.
 *
 *   bench-accel SOCKET [ROUNDS [BATCHES]]    SOCKET: of a cxvm-accel-sim
 */
#include <cxvm/cxvm.h>
#include <dirent.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/bench/bare.h"
#include "tests/bench/bench.h"

#define ROUNDS_MAX 1001
#define READS      50
#define ACCESSES   1000000
#define GUEST_PASS 0x600du

static char accel_guest[4096], bare_guest[4096];

/* The file descriptor of the only vCPU of this process. */
static int find_vcpu(void)
{
	DIR *directory = opendir("/proc/self/fd");
	struct dirent *entry;
	int fd = -1;

	while (directory && fd < 0 && (entry = readdir(directory))) {
		char path[512], target[64] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
		if (readlink(path, target, sizeof(target) - 1) > 0 &&
		    !strcmp(target, "anon_inode:kvm-vcpu:0"))
			fd = atoi(entry->d_name);
	}
	if (directory)
		closedir(directory);
	return fd;
}

/* KVM's binary statistics (Documentation/virt/kvm/api.rst, 4.133): one value by its name. */
static int read_statistic(const char *name, uint64_t *value)
{
	struct kvm_stats_header header;
	int vcpu = find_vcpu(), fd = vcpu < 0 ? -1 : ioctl(vcpu, KVM_GET_STATS_FD, 0);
	int result = -ENOENT;

	if (fd < 0)
		return -errno;
	if (pread(fd, &header, sizeof(header), 0) != sizeof(header) || header.name_size > 256)
		result = -EIO;
	for (uint32_t i = 0; result == -ENOENT && i < header.num_desc; i++) {
		union {
			struct kvm_stats_desc desc;
			char bytes[sizeof(struct kvm_stats_desc) + 256];
		} one;
		size_t size = sizeof(one.desc) + header.name_size;

		if (pread(fd, &one, size, (off_t)(header.desc_offset + i * size)) != (ssize_t)size)
			result = -EIO;
		else if (!strcmp(one.bytes + sizeof(one.desc), name))
			result =
				pread(fd, value, sizeof(*value),
				      (off_t)header.data_offset + one.desc.offset) == sizeof(*value)
					? 0
					: -EIO;
	}
	close(fd);
	return result;
}

struct counted {
	uint64_t mmio_exits; /* KVM: exits to user space for memory accesses */
	uint64_t exits;      /* KVM: exits of any kind, the host's interrupts included */
	struct cxvm_counters counters;
	uint32_t code;
};

static int run_guest(const char *socket, const char *cmdline, struct counted *counted)
{
	struct cxvm_create_options options = {
		.size = sizeof(options), .log = bench_print_log, .log_level = CXVM_LOG_WARNING};
	struct cxvm_payload payload = {
		.size = sizeof(payload), .kernel = accel_guest, .cmdline = cmdline};
	struct cxvm_memory memory = {.size = sizeof(memory), .bytes = 64u << 20};
	struct cxvm_platform platform = {.size = sizeof(platform), .debug_exit = CXVM_ON};
	struct cxvm_device device = {.size = sizeof(device), .vfio_user = socket};
	struct cxvm_exit result = {.size = sizeof(result)};
	struct cxvm *vm;
	int error = cxvm_create(&vm, &options);

	if (error)
		return error;
	counted->counters.size = sizeof(counted->counters);
	error = cxvm_set_payload(vm, &payload);
	if (!error)
		error = cxvm_set_memory(vm, &memory);
	if (!error)
		error = cxvm_set_platform(vm, &platform);
	if (!error)
		error = cxvm_add_device(vm, &device);
	if (!error)
		error = cxvm_run(vm, &result);
	if (!error)
		error = cxvm_get_counters(vm, &counted->counters);
	if (!error)
		error = read_statistic("mmio_exits", &counted->mmio_exits);
	if (!error)
		error = read_statistic("exits", &counted->exits);
	cxvm_destroy(vm);
	if (!error && result.reason != CXVM_EXIT_DEBUG) {
		fprintf(stderr, "the guest ended otherwise: %s\n", result.message);
		error = -EIO;
	}
	counted->code = result.code;
	return error;
}

static int count_exits(const char *socket, const char *what, int accesses,
		       const struct counted *none, long *exits, long *all)
{
	struct counted counted;
	char cmdline[64];
	int error;

	snprintf(cmdline, sizeof(cmdline), "%s=%d", what, accesses);
	error = run_guest(socket, cmdline, &counted);
	if (!error && counted.code != GUEST_PASS) {
		fprintf(stderr, "the guest's check failed: %#x\n", counted.code);
		error = -EIO;
	}
	*exits = (long)(counted.mmio_exits - none->mmio_exits);
	*all = (long)(counted.exits - none->exits);
	return error;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, int count)
{
	qsort(values, (size_t)count, sizeof(*values), compare);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static int compare_with_bare(const char *socket, int rounds, int batches)
{
	static double bare[ROUNDS_MAX], ours[ROUNDS_MAX], ratios[ROUNDS_MAX];
	char bare_cmdline[64], our_cmdline[64];

	snprintf(bare_cmdline, sizeof(bare_cmdline), "count=%d batches=%d address=0xd0000000",
		 READS, batches);
	snprintf(our_cmdline, sizeof(our_cmdline), "count=%d batches=%d", READS, batches);
	for (int i = 0; i < rounds; i++) {
		struct counted counted;
		uint32_t code;
		int error = bare_run(bare_guest, bare_cmdline, &code);

		if (!error)
			error = run_guest(socket, our_cmdline, &counted);
		if (error)
			return error;
		bare[i] = (double)code / READS;
		ours[i] = (double)counted.code / READS;
		ratios[i] = ours[i] / bare[i];
	}
	printf("\"component_vs_bare\": %.4f, \"component_bare_ticks\": %.1f, "
	       "\"component_cxvm_ticks\": %.1f, \"component_rounds\": %d}\n",
	       median(ratios, rounds), median(bare, rounds), median(ours, rounds), rounds);
	return 0;
}

int main(int argc, char **argv)
{
	int rounds = argc > 2 ? atoi(argv[2]) : 15;
	int batches = argc > 3 ? atoi(argv[3]) : 21;
	long window, dpa, component, all_window, all_dpa, all_component;
	struct counted none;
	int error;

	if (argc < 2 || rounds < 1 || rounds > ROUNDS_MAX || batches < 1 || batches > 1001) {
		fprintf(stderr, "usage: %s SOCKET [ROUNDS [BATCHES]]\n", argv[0]);
		return 2;
	}
	error = bench_find_guest("guest-accel_count", accel_guest, sizeof(accel_guest));
	if (!error)
		error = bench_find_guest("guest-bench_mmio", bare_guest, sizeof(bare_guest));
	if (!error)
		error = run_guest(argv[1], "window=0", &none);
	if (!error)
		error = count_exits(argv[1], "window", ACCESSES, &none, &window, &all_window);
	if (!error)
		error = count_exits(argv[1], "dpa", ACCESSES, &none, &dpa, &all_dpa);
	if (!error)
		error = count_exits(argv[1], "component", 1000, &none, &component, &all_component);
	if (!error) {
		printf("{\"window_exits\": %ld, \"window_exits_of_any_kind\": %ld, "
		       "\"dpa_exits\": %ld, \"dpa_exits_of_any_kind\": %ld, "
		       "\"component_exits_of_1000\": %ld, ",
		       window, all_window, dpa, all_dpa, component);
		error = compare_with_bare(argv[1], rounds, batches);
	}
	if (error)
		fprintf(stderr, "%s: %s\n", argv[0], strerror(-error));
	return error ? 1 : 0;
}
