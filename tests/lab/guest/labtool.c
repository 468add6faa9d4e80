/* SPDX-License-Identifier: Apache-2.0 */
/* The lab's helper program, linked statically, for guests (L2) and for the lab machine (L1); see
 * usage below. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/input.h>
#include <linux/mempolicy.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CHUNK          (1u << 20)
#define PATTERN_FACTOR 0x9e3779b97f4a7c15ull

static const char usage[] =
	"labtool report                      what the machine looks like: CPUs, memory, PCI, "
	"interrupts, clock\n"
	"labtool port80 CODE                 a boot-timing code to port 0x80\n"
	"labtool disk-write DEV BYTES SEED   writes a pattern that depends on offset and seed, "
	"then syncs\n"
	"labtool disk-read DEV BYTES SEED    reads it back and compares\n"
	"labtool memory BYTES                writes and verifies a pattern in anonymous memory\n"
	"labtool node-memory NODE BYTES      the same in memory of one NUMA node only\n"
	"labtool on-node NODE COMMAND ...    another command with all its memory from that node\n"
	"labtool tcp-send HOST PORT BYTES    sends a pattern, prints its CRC-32\n"
	"labtool tcp-receive PORT            accepts one connection, prints the bytes and their "
	"CRC-32\n"
	"labtool vsock-send CID PORT BYTES   the same two over AF_VSOCK\n"
	"labtool vsock-receive PORT\n"
	"labtool unix-send PATH BYTES [PORT] the same over a UNIX socket; with PORT after CONNECT "
	"PORT\n"
	"labtool unix-receive PATH\n"
	"labtool power-button                waits for the power key on any input device\n"
	"Prints \"labtool: COMMAND ok ...\" and returns 0, or \"labtool: COMMAND failed: ...\" and "
	"returns 1.\n";

static const char *command;

__attribute__((format(printf, 1, 2))) static int fail(const char *format, ...)
{
	va_list arguments;

	printf("labtool: %s failed: ", command);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
	return 1;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t pattern_word(uint64_t offset, uint64_t seed)
{
	return (offset + seed) * PATTERN_FACTOR;
}

static void pattern_fill(uint64_t *words, size_t bytes, uint64_t offset, uint64_t seed)
{
	for (size_t i = 0; i < bytes / 8; i++)
		words[i] = pattern_word(offset + i * 8, seed);
}

/* Returns the index of the first wrong word, or -1. */
static ssize_t pattern_check(const uint64_t *words, size_t bytes, uint64_t offset, uint64_t seed)
{
	for (size_t i = 0; i < bytes / 8; i++)
		if (words[i] != pattern_word(offset + i * 8, seed))
			return (ssize_t)i;
	return -1;
}

/* Slicing by four would be faster; 200 MiB a run is little enough for a table of 256. */
static uint32_t crc32_update(uint32_t crc, const uint8_t *data, size_t length)
{
	static uint32_t table[256];

	if (table[1] == 0) {
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t value = i;

			for (int bit = 0; bit < 8; bit++)
				value = (value >> 1) ^ ((value & 1) ? 0xedb88320u : 0);
			table[i] = value;
		}
	}
	crc = ~crc;
	for (size_t i = 0; i < length; i++)
		crc = table[(crc ^ data[i]) & 0xff] ^ (crc >> 8);
	return ~crc;
}

static void *chunk_new(void)
{
	void *chunk = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return chunk == MAP_FAILED ? NULL : chunk;
}

static int disk_run(const char *path, uint64_t bytes, uint64_t seed, bool writing)
{
	uint64_t *chunk = chunk_new();
	int fd = open(path, (writing ? O_WRONLY : O_RDONLY) | O_DIRECT | O_CLOEXEC);
	double start = now();

	if (!chunk || fd < 0)
		return fail("%s: %s", path, strerror(errno));
	if (bytes % CHUNK != 0)
		return fail("the size must be a multiple of %u", CHUNK);
	for (uint64_t offset = 0; offset < bytes; offset += CHUNK) {
		ssize_t done;

		if (writing)
			pattern_fill(chunk, CHUNK, offset, seed);
		else
			memset(chunk, 0xa5, 4096);
		done = writing ? pwrite(fd, chunk, CHUNK, (off_t)offset)
			       : pread(fd, chunk, CHUNK, (off_t)offset);
		if (done != CHUNK)
			return fail("%s at %" PRIu64 ": %s", path, offset,
				    done < 0 ? strerror(errno) : "short transfer");
		if (!writing) {
			ssize_t wrong = pattern_check(chunk, CHUNK, offset, seed);

			if (wrong >= 0)
				return fail("%s at %" PRIu64 ": %016" PRIx64
					    " instead of %016" PRIx64,
					    path, offset + (uint64_t)wrong * 8, chunk[wrong],
					    pattern_word(offset + (uint64_t)wrong * 8, seed));
		}
	}
	if (writing && fsync(fd) != 0)
		return fail("%s: fsync: %s", path, strerror(errno));
	close(fd);
	printf("labtool: %s ok bytes=%" PRIu64 " mb_per_s=%.1f\n", command, bytes,
	       (double)bytes / 1e6 / (now() - start));
	return 0;
}

/* Two patterns, each written all over the memory and then read back. */
static int patterns_hold(uint64_t *words, uint64_t bytes)
{
	for (unsigned int seed = 1; seed <= 2; seed++) {
		ssize_t wrong;

		pattern_fill(words, bytes, 0, seed);
		wrong = pattern_check(words, bytes, 0, seed);
		if (wrong >= 0)
			return fail("word %zd is %016" PRIx64, wrong, words[wrong]);
	}
	return 0;
}

static int memory_run(uint64_t bytes)
{
	double start = now();
	uint64_t *words = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (words == MAP_FAILED)
		return fail("%s", strerror(errno));
	if (patterns_hold(words, bytes))
		return 1;
	printf("labtool: %s ok bytes=%" PRIu64 " seconds=%.2f\n", command, bytes, now() - start);
	return 0;
}

/* Page by page, the kernel is asked where the memory came from. */
static int pages_outside(const uint8_t *memory, uint64_t bytes, int node, uint64_t *outside)
{
	*outside = 0;
	for (uint64_t at = 0; at < bytes; at += 4096) {
		int found = -1;

		if (syscall(SYS_get_mempolicy, &found, NULL, 0, memory + at,
			    MPOL_F_NODE | MPOL_F_ADDR))
			return fail("get_mempolicy: %s", strerror(errno));
		*outside += found != node;
	}
	return 0;
}

static int bind_to_node(int node)
{
	unsigned long nodes[16] = {0};

	if (node < 0 || node >= 1024)
		return fail("node %d", node);
	nodes[node / 64] = 1ul << node % 64;
	if (syscall(SYS_set_mempolicy, MPOL_BIND, nodes, 1024))
		return fail("set_mempolicy to node %d: %s", node, strerror(errno));
	return 0;
}

static int on_node(int node, char **arguments)
{
	if (bind_to_node(node))
		return 1;
	execvp(arguments[0], arguments);
	return fail("%s: %s", arguments[0], strerror(errno));
}

static int node_memory_run(int node, uint64_t bytes)
{
	uint64_t outside;
	uint64_t *words;

	if (bind_to_node(node))
		return 1;
	words = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (words == MAP_FAILED)
		return fail("%s", strerror(errno));
	if (patterns_hold(words, bytes))
		return 1;
	if (pages_outside((const uint8_t *)words, bytes, node, &outside))
		return 1;
	if (outside)
		return fail("%" PRIu64 " pages are not on node %d", outside, node);
	printf("labtool: %s ok node=%d bytes=%" PRIu64 "\n", command, node, bytes);
	return 0;
}

static int stream_send(int fd, uint64_t bytes)
{
	const struct timeval patience = {.tv_sec = 120};
	uint8_t *chunk = chunk_new();
	uint32_t crc = 0;
	uint64_t sent = 0;
	double start = now();

	if (!chunk)
		return fail("no memory");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (sent < bytes) {
		size_t part = bytes - sent < CHUNK ? (size_t)(bytes - sent) : CHUNK, at = 0;

		pattern_fill((uint64_t *)chunk, CHUNK, sent, 7);
		crc = crc32_update(crc, chunk, part);
		while (at < part) {
			ssize_t n = send(fd, chunk + at, part - at, MSG_NOSIGNAL);

			if (n <= 0)
				return fail("send after %" PRIu64 " bytes: %s", sent + at,
					    strerror(errno));
			at += (size_t)n;
		}
		sent += part;
	}
	shutdown(fd, SHUT_WR);
	/* What is still in this kernel's buffers is lost when a guest ends now: the receiver closes
	 * when it has it all. */
	if (recv(fd, chunk, 1, 0) != 0)
		return fail("the receiver did not take the end: %s", strerror(errno));
	printf("labtool: %s ok bytes=%" PRIu64 " crc=%08x seconds=%.2f\n", command, sent, crc,
	       now() - start);
	return 0;
}

static int stream_receive(int fd)
{
	uint8_t *chunk = chunk_new();
	uint32_t crc = 0;
	uint64_t received = 0;
	double start = now();

	if (!chunk)
		return fail("no memory");
	for (;;) {
		ssize_t n = recv(fd, chunk, CHUNK, 0);

		if (n < 0)
			return fail("receive after %" PRIu64 " bytes: %s", received,
				    strerror(errno));
		if (n == 0)
			break;
		crc = crc32_update(crc, chunk, (size_t)n);
		received += (uint64_t)n;
	}
	printf("labtool: %s ok bytes=%" PRIu64 " crc=%08x seconds=%.2f\n", command, received, crc,
	       now() - start);
	return 0;
}

static int accept_one(int listener)
{
	struct pollfd wait = {.fd = listener, .events = POLLIN};

	printf("labtool: %s listening\n", command);
	fflush(stdout);
	if (poll(&wait, 1, 240000) != 1) {
		errno = ETIMEDOUT;
		return -1;
	}
	return accept(listener, NULL, NULL);
}

static int tcp_send(const char *host, uint16_t port, uint64_t bytes)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
		return fail("%s is not an IPv4 address", host);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		return fail("%s:%u: %s", host, port, strerror(errno));
	return stream_send(fd, bytes);
}

static int tcp_receive(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(port),
				      .sin_addr.s_addr = htonl(INADDR_ANY)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, fd;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(listener, 4) != 0)
		return fail("port %u: %s", port, strerror(errno));
	fd = accept_one(listener);
	return fd < 0 ? fail("accept: %s", strerror(errno)) : stream_receive(fd);
}

static int vsock_send(unsigned int cid, unsigned int port, uint64_t bytes)
{
	struct sockaddr_vm address = {.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		return fail("cid %u port %u: %s", cid, port, strerror(errno));
	return stream_send(fd, bytes);
}

static int vsock_receive(unsigned int port)
{
	struct sockaddr_vm address = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = port};
	int listener = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(listener, 4) != 0)
		return fail("port %u: %s", port, strerror(errno));
	fd = accept_one(listener);
	return fd < 0 ? fail("accept: %s", strerror(errno)) : stream_receive(fd);
}

static int unix_address(const char *path, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address->sun_path))
		return fail("%s is too long for a socket", path);
	strcpy(address->sun_path, path);
	return 0;
}

/* With a port: the host's side of a vsock device as Firecracker and cloud-hypervisor have it,
 * "CONNECT port", "OK port". */
static int unix_send(const char *path, uint64_t bytes, const char *port)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char answer[64] = "";

	if (unix_address(path, &address) != 0)
		return 1;
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		return fail("%s: %s", path, strerror(errno));
	if (port) {
		dprintf(fd, "CONNECT %s\n", port);
		for (size_t i = 0; i + 1 < sizeof(answer); i++)
			if (recv(fd, answer + i, 1, 0) != 1 || answer[i] == '\n')
				break;
		if (strncmp(answer, "OK ", 3) != 0)
			return fail("answer to CONNECT %s: '%s'", port, answer);
	}
	return stream_send(fd, bytes);
}

static int unix_receive(const char *path)
{
	struct sockaddr_un address;
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

	if (unix_address(path, &address) != 0)
		return 1;
	unlink(path);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(listener, 4) != 0)
		return fail("%s: %s", path, strerror(errno));
	fd = accept_one(listener);
	return fd < 0 ? fail("accept: %s", strerror(errno)) : stream_receive(fd);
}

static int power_button(void)
{
	struct pollfd inputs[32];
	unsigned int count = 0;
	struct input_event event;

	for (unsigned int i = 0; i < 32; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/dev/input/event%u", i);
		inputs[count].fd = open(path, O_RDONLY | O_CLOEXEC);
		inputs[count].events = POLLIN;
		if (inputs[count].fd >= 0)
			count++;
	}
	if (count == 0)
		return fail("no input devices");
	printf("labtool: %s waiting\n", command);
	fflush(stdout);
	for (;;) {
		if (poll(inputs, count, 120000) <= 0)
			return fail("no key in 120 s");
		for (unsigned int i = 0; i < count; i++) {
			if (!(inputs[i].revents & POLLIN) ||
			    read(inputs[i].fd, &event, sizeof(event)) != sizeof(event))
				continue;
			if (event.type == EV_KEY && event.code == KEY_POWER && event.value == 1) {
				printf("labtool: %s ok\n", command);
				return 0;
			}
		}
	}
}

static sigjmp_buf port_refused;

static void port_fault(int signal_number)
{
	(void)signal_number;
	siglongjmp(port_refused, 1);
}

/*
 * Through /dev/port where the kernel has it (the newer cloud kernels have not), else with ioperm().
 * The latter faults in a guest of the lab although the kernel permits it: QEMU's emulation of
 * nested SVM refuses the task's I/O permission bitmap.
 */
static int port80(unsigned int code)
{
	uint8_t byte = (uint8_t)code;
	int fd = open("/dev/port", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		return pwrite(fd, &byte, 1, 0x80) == 1 ? 0 : fail("/dev/port: %s", strerror(errno));
	if (ioperm(0x80, 1, 1) != 0)
		return fail("ioperm: %s", strerror(errno));
	signal(SIGSEGV, port_fault);
	if (sigsetjmp(port_refused, 1) != 0)
		return fail("the port may not be used");
	outb(byte, 0x80);
	return 0;
}

static bool file_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	bool ok = file && fgets(line, (int)size, file);

	if (file)
		fclose(file);
	if (ok)
		line[strcspn(line, "\n")] = '\0';
	return ok;
}

static void report_matching(const char *path, const char *prefix, const char *label,
			    bool first_only)
{
	FILE *file = fopen(path, "re");
	char line[512];

	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, prefix, strlen(prefix)) != 0)
			continue;
		printf("report: %s %s", label, line);
		if (first_only)
			break;
	}
	if (file)
		fclose(file);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void report_pci(void)
{
	DIR *folder = opendir("/sys/bus/pci/devices");
	char *names[128], path[320], vendor[32], device[32], class[32], driver[256];
	size_t count = 0;

	for (struct dirent *entry; folder && (entry = readdir(folder)) && count < 128;)
		if (entry->d_name[0] != '.')
			names[count++] = strdup(entry->d_name);
	if (folder)
		closedir(folder);
	qsort(names, count, sizeof(names[0]), compare_names);
	printf("report: pci_functions %zu\n", count);
	for (size_t i = 0; i < count; i++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vendor", names[i]);
		file_line(path, vendor, sizeof(vendor));
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/device", names[i]);
		file_line(path, device, sizeof(device));
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/class", names[i]);
		file_line(path, class, sizeof(class));
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", names[i]);
		n = readlink(path, driver, sizeof(driver) - 1);
		driver[n > 0 ? n : 0] = '\0';
		printf("report: pci %s %s:%s class %s driver %s\n", names[i], vendor + 2,
		       device + 2, class + 2, n > 0 ? strrchr(driver, '/') + 1 : "-");
		free(names[i]);
	}
}

static int report(void)
{
	char line[512];

	if (file_line("/proc/version", line, sizeof(line)))
		printf("report: kernel %s\n", line);
	printf("report: cpus_online %ld\n", sysconf(_SC_NPROCESSORS_ONLN));
	report_matching("/proc/cpuinfo", "model name", "cpu", true);
	report_matching("/proc/meminfo", "MemTotal", "memory", true);
	report_matching("/proc/iomem", "", "iomem", false);
	report_pci();
	if (file_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", line,
		      sizeof(line)))
		printf("report: clocksource %s\n", line);
	if (file_line("/sys/devices/system/clockevents/clockevent0/current_device", line,
		      sizeof(line)))
		printf("report: clockevent %s\n", line);
	if (file_line("/proc/uptime", line, sizeof(line)))
		printf("report: uptime %s\n", line);
	report_matching("/proc/interrupts", "", "interrupt", false);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t bytes = 0;
	int result;

	command = argc > 1 ? argv[1] : "";
	if (argc > 3)
		bytes = strtoull(argv[argc > 4 ? 4 : 3], NULL, 0);
	if (strcmp(command, "report") == 0)
		result = report();
	else if (strcmp(command, "port80") == 0 && argc == 3)
		result = port80((unsigned int)strtoul(argv[2], NULL, 0));
	else if (strncmp(command, "disk-", 5) == 0 && argc == 5)
		result = disk_run(argv[2], strtoull(argv[3], NULL, 0), strtoull(argv[4], NULL, 0),
				  strcmp(command, "disk-write") == 0);
	else if (strcmp(command, "memory") == 0 && argc == 3)
		result = memory_run(strtoull(argv[2], NULL, 0));
	else if (strcmp(command, "on-node") == 0 && argc >= 4)
		result = on_node(atoi(argv[2]), argv + 3);
	else if (strcmp(command, "node-memory") == 0 && argc == 4)
		result = node_memory_run(atoi(argv[2]), bytes);
	else if (strcmp(command, "tcp-send") == 0 && argc == 5)
		result = tcp_send(argv[2], (uint16_t)strtoul(argv[3], NULL, 0), bytes);
	else if (strcmp(command, "tcp-receive") == 0 && argc == 3)
		result = tcp_receive((uint16_t)strtoul(argv[2], NULL, 0));
	else if (strcmp(command, "vsock-send") == 0 && argc == 5)
		result = vsock_send((unsigned int)strtoul(argv[2], NULL, 0),
				    (unsigned int)strtoul(argv[3], NULL, 0), bytes);
	else if (strcmp(command, "vsock-receive") == 0 && argc == 3)
		result = vsock_receive((unsigned int)strtoul(argv[2], NULL, 0));
	else if (strcmp(command, "unix-send") == 0 && (argc == 4 || argc == 5))
		result = unix_send(argv[2], strtoull(argv[3], NULL, 0), argc == 5 ? argv[4] : NULL);
	else if (strcmp(command, "unix-receive") == 0 && argc == 3)
		result = unix_receive(argv[2]);
	else if (strcmp(command, "power-button") == 0)
		result = power_button();
	else
		result = fail("unknown command or wrong number of arguments\n%s", usage);
	fflush(stdout);
	return result;
}
