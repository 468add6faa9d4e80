/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs jobs on every simulated accelerator of the machine (or the one named) and checks each
 * result. Linked statically, for guests and for the lab machine. Needs root and nothing but a stock
 * kernel: the register window is the BAR's sysfs file, CXL memory is /dev/mem at the address that
 * the device's DVSEC names, guest RAM is locked memory whose physical addresses come from
 * /proc/self/pagemap, the interrupt is a UIO device if there is one (MSI-X: module cxvm_accel_uio,
 * INTx: uio_pci_generic).
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cxvm/accel.h>

static const char usage[] =
	"accel-job [jobs=N] [device=BDF] [irq=auto|poll|uio] [ring=ram|dpa] [ram=on|off] "
	"[memory=on|off]\n"
	"          [seed=N] [queue=N] [expect=DEVICES]\n"
	"  irq=auto   use a UIO device when the accelerator has one, else poll\n"
	"  irq=uio    fail when it has none\n"
	"  ram=off    no jobs on RAM (where an IOMMU stands between device and RAM)\n"
	"  memory=off do not map CXL memory here; results in it are read back through the engine\n";

#define MAX_DEVICES  16
#define RING_ENTRIES 64u
#define RAM_SLOTS    6u
#define DPA_SLOTS    6u
#define SLOTS        (RAM_SLOTS + DPA_SLOTS)
#define BATCH        8u
#define HUGE_SIZE    (2u << 20)

struct slot {
	uint64_t address; /* as the engine sees it */
	uint8_t space;
	uint8_t *memory; /* as we see it; NULL: not at all */
	uint8_t *model;  /* what must be there */
};

struct accelerator {
	char name[16]; /* 0000:00:00.0 */
	int config;
	uint8_t *window;
	uint32_t window_size, scratch, queue;
	uint64_t dpa_size, dpa_base; /* base 0: no decoder */
	uint32_t slot_size;
	struct slot slots[SLOTS];
	struct cxvm_accel_descriptor *ring;
	uint32_t tail;
	int uio;
	bool intx;
	uint64_t interrupts, jobs, refused;
};

static struct accelerator devices[MAX_DEVICES];
static unsigned device_count;
static uint64_t random_state = 1;
static unsigned option_jobs = 1000, option_queue, option_expect;
static const char *option_device, *option_irq = "auto", *option_ring = "ram";
static bool option_ram = true, option_memory = true;

static __attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("accel-job: ", stdout);
	vprintf(format, arguments);
	putchar('\n');
	exit(1);
}

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint32_t crc32(uint32_t crc, const uint8_t *data, uint32_t size)
{
	static uint32_t table[256];

	for (uint32_t i = 0; table[255] == 0 && i < 256; i++) {
		table[i] = i;
		for (unsigned bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320u : 0);
	}
	crc = ~crc;
	for (uint32_t i = 0; i < size; i++)
		crc = crc >> 8 ^ table[(crc ^ data[i]) & 0xff];
	return ~crc;
}

/* --- configuration space, from sysfs --- */
static uint32_t config_get(const struct accelerator *a, uint32_t offset, uint32_t size)
{
	uint32_t value = 0;

	if (pread(a->config, &value, size, offset) != (ssize_t)size)
		die("%s: cannot read configuration space at %#x: %s", a->name, offset,
		    strerror(errno));
	return value;
}

static void config_put(const struct accelerator *a, uint32_t offset, uint32_t value, uint32_t size)
{
	if (pwrite(a->config, &value, size, offset) != (ssize_t)size)
		die("%s: cannot write configuration space at %#x: %s", a->name, offset,
		    strerror(errno));
}

static uint32_t find_capability(const struct accelerator *a, uint8_t id)
{
	uint32_t at = config_get(a, 0x34, 1);

	for (unsigned hops = 0; at >= 0x40 && hops < 48; hops++) {
		if (config_get(a, at, 1) == id)
			return at;
		at = config_get(a, at + 1, 1);
	}
	return 0;
}

static uint32_t find_dvsec(const struct accelerator *a, uint16_t id)
{
	uint32_t at = 0x100;

	for (unsigned hops = 0; at >= 0x100 && hops < 96; hops++) {
		uint32_t header = config_get(a, at, 4);

		if ((header & 0xffff) == 0x23 && (config_get(a, at + 4, 4) & 0xffff) == 0x1e98 &&
		    config_get(a, at + 8, 2) == id)
			return at;
		at = header >> 20;
	}
	return 0;
}

static void *map_file(const char *path, uint64_t offset, size_t size)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *memory;

	if (fd < 0)
		return NULL;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
	close(fd);
	return memory == MAP_FAILED ? NULL : memory;
}

/* --- memory --- */
static uint64_t physical_address(const void *memory)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (fd < 0 || pread(fd, &entry, 8, (off_t)((uintptr_t)memory / 4096 * 8)) != 8 ||
	    !(entry >> 63) || !(entry & ((UINT64_C(1) << 55) - 1)))
		die("no physical address from /proc/self/pagemap (root?)");
	close(fd);
	return (entry & ((UINT64_C(1) << 55) - 1)) * 4096 + (uintptr_t)memory % 4096;
}

/* A huge page when the kernel gives one, else pages that need not be neighbours. */
static uint8_t *get_ram(uint32_t *slot_size)
{
	FILE *count = fopen("/proc/sys/vm/nr_hugepages", "r+");
	unsigned pages = 0;
	uint8_t *memory;

	if (count) {
		if (fscanf(count, "%u", &pages) == 1) {
			rewind(count);
			fprintf(count, "%u", pages + 1);
		}
		fclose(count);
	}
	memory = mmap(NULL, HUGE_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
	*slot_size = 32 << 10;
	if (memory == MAP_FAILED) {
		memory = mmap(NULL, 4096 * (RAM_SLOTS + 1), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);
		*slot_size = 4096;
	}
	if (memory == MAP_FAILED)
		die("no memory");
	return memory;
}

static uint32_t read_register(const struct accelerator *a, uint32_t offset)
{
	return __atomic_load_n((const uint32_t *)(const void *)(a->window + offset),
			       __ATOMIC_ACQUIRE);
}

static void write_register(const struct accelerator *a, uint32_t reg, uint32_t value)
{
	uint32_t offset = CXVM_ACCEL_QUEUE_BASE(a->queue) + reg;

	__atomic_store_n((uint32_t *)(void *)(a->window + offset), value, __ATOMIC_RELEASE);
}

static uint32_t queue_register(const struct accelerator *a, uint32_t reg)
{
	return read_register(a, CXVM_ACCEL_QUEUE_BASE(a->queue) + reg);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool wait_register(const struct accelerator *a, uint32_t reg, uint32_t value,
			  unsigned seconds)
{
	uint64_t end = now_ns() + seconds * UINT64_C(1000000000);
	struct timespec pause = {.tv_nsec = 20000};

	while (queue_register(a, reg) != value) {
		if (now_ns() > end)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

/* --- set-up --- */
static void open_window(struct accelerator *a)
{
	uint32_t cap = find_capability(a, CXVM_ACCEL_CAP_ID), bar, offset;
	char path[128];

	if (!cap || config_get(a, cap + CXVM_ACCEL_CAP_SIGNATURE, 4) != CXVM_ACCEL_SIGNATURE)
		die("%s: no engine capability", a->name);
	config_put(a, 4, config_get(a, 4, 2) | 6, 2); /* memory space, bus master */
	bar = config_get(a, cap + CXVM_ACCEL_CAP_BAR, 4);
	offset = config_get(a, cap + CXVM_ACCEL_CAP_OFFSET, 4);
	a->window_size = config_get(a, cap + CXVM_ACCEL_CAP_SIZE, 4);
	a->scratch = config_get(a, cap + CXVM_ACCEL_CAP_SCRATCH, 4);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.15s/resource%u", a->name, bar);
	a->window = map_file(path, offset, a->window_size);
	if (!a->window)
		die("%s: cannot map the window in BAR %u: %s", a->name, bar, strerror(errno));
	if (read_register(a, CXVM_ACCEL_REG_SIGNATURE) != CXVM_ACCEL_SIGNATURE)
		die("%s: window reads %#x instead of the signature", a->name,
		    read_register(a, CXVM_ACCEL_REG_SIGNATURE));
	memcpy(&a->dpa_size, a->window + CXVM_ACCEL_REG_DPA_SIZE, 8);
	if (option_queue >= read_register(a, CXVM_ACCEL_REG_QUEUES))
		die("%s: it has %u queues", a->name, read_register(a, CXVM_ACCEL_REG_QUEUES));
	a->queue = option_queue;
}

static void open_memory(struct accelerator *a)
{
	uint32_t dvsec = find_dvsec(a, 0);
	uint64_t size, step;
	uint8_t *ram = get_ram(&a->slot_size);
	char where[32] = "not mapped";

	if (!dvsec)
		die("%s: no CXL device DVSEC", a->name);
	size = (uint64_t)config_get(a, dvsec + 0x18, 4) << 32 |
	       (config_get(a, dvsec + 0x1c, 4) & 0xf0000000u);
	a->dpa_base = (uint64_t)config_get(a, dvsec + 0x20, 4) << 32 |
		      (config_get(a, dvsec + 0x24, 4) & 0xf0000000u);
	if (!(config_get(a, dvsec + 0x0c, 2) & 4) || !option_memory)
		a->dpa_base = 0;
	if (size == 0 || size > a->dpa_size)
		die("%s: DVSEC range of %#" PRIx64 " bytes, device memory has %#" PRIx64, a->name,
		    size, a->dpa_size);
	step = (size - a->slot_size) / (DPA_SLOTS - 1) & ~UINT64_C(0xfff);
	for (unsigned i = 0; i < SLOTS; i++) {
		struct slot *slot = &a->slots[i];

		slot->model = malloc(a->slot_size);
		if (i < RAM_SLOTS) {
			slot->space = CXVM_ACCEL_SPACE_DMA;
			slot->memory = ram + i * a->slot_size;
			slot->address = physical_address(slot->memory);
		} else {
			/* the first and the last bytes, and some between */
			slot->space = CXVM_ACCEL_SPACE_DPA;
			slot->address =
				i == SLOTS - 1 ? size - a->slot_size : (i - RAM_SLOTS) * step;
			if (a->dpa_base)
				slot->memory = map_file("/dev/mem", a->dpa_base + slot->address,
							a->slot_size);
			if (a->dpa_base && !slot->memory)
				die("%s: cannot map CXL memory at %#" PRIx64 ": %s", a->name,
				    a->dpa_base + slot->address, strerror(errno));
		}
		for (uint32_t n = 0; n < a->slot_size; n++)
			slot->model[n] = (uint8_t)(next_random() >> 24);
	}
	if (a->dpa_base)
		snprintf(where, sizeof(where), "at %#" PRIx64, a->dpa_base);
	printf("accel-job: %s: %" PRIu64
	       " MiB of device memory %s, window of %u KiB, jobs of %u KiB\n",
	       a->name, a->dpa_size >> 20, where, a->window_size >> 10, a->slot_size >> 10);
	/* The ring lies behind the slots. */
	a->ring = (void *)(ram + RAM_SLOTS * a->slot_size);
}

static void open_interrupt(struct accelerator *a)
{
	char path[384];
	struct dirent *entry;
	DIR *directory;

	a->uio = -1;
	if (strcmp(option_irq, "poll") == 0)
		return;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.15s/uio", a->name);
	directory = opendir(path);
	while (directory && (entry = readdir(directory)) != NULL) {
		if (strncmp(entry->d_name, "uio", 3) != 0)
			continue;
		snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
		a->uio = open(path, O_RDWR | O_CLOEXEC);
	}
	if (directory)
		closedir(directory);
	if (a->uio < 0 && strcmp(option_irq, "uio") == 0)
		die("%s: no UIO device; load cxvm_accel_uio or bind uio_pci_generic", a->name);
	if (a->uio < 0)
		return;
	/* Under MSI-X the driver has set bit 15 of the MSI-X control register. */
	a->intx = !(config_get(a, find_capability(a, 0x11) + 2, 2) & 0x8000);
	printf("accel-job: %s: interrupts by %s\n", a->name, a->intx ? "INTx" : "MSI-X");
}

static void close_queue(struct accelerator *a)
{
	write_register(a, CXVM_ACCEL_QUEUE_ENABLE, 0);
	if (!wait_register(a, CXVM_ACCEL_QUEUE_STATE, CXVM_ACCEL_QUEUE_DISABLED, 5))
		die("%s: queue %u does not stop", a->name, a->queue);
}

static void open_queue(struct accelerator *a)
{
	uint64_t address = physical_address(a->ring);
	uint32_t space = CXVM_ACCEL_SPACE_DMA;

	if (strcmp(option_ring, "dpa") == 0) {
		space = CXVM_ACCEL_SPACE_DPA;
		address = a->slots[RAM_SLOTS].address + a->slot_size; /* behind the first slot */
		a->ring = a->dpa_base ? map_file("/dev/mem", a->dpa_base + address, 4096) : NULL;
		if (!a->ring)
			die("%s: ring=dpa needs CXL memory that can be mapped", a->name);
	}
	memset(a->ring, 0, RING_ENTRIES * sizeof(*a->ring));
	/* Whatever an earlier user left running */
	for (a->queue = 0; a->queue < read_register(a, CXVM_ACCEL_REG_QUEUES); a->queue++)
		close_queue(a);
	a->queue = option_queue;
	memcpy(a->window + CXVM_ACCEL_QUEUE_BASE(a->queue) + CXVM_ACCEL_QUEUE_RING_ADDRESS,
	       &address, 8);
	write_register(a, CXVM_ACCEL_QUEUE_RING_SPACE, space);
	write_register(a, CXVM_ACCEL_QUEUE_RING_ENTRIES, RING_ENTRIES);
	write_register(a, CXVM_ACCEL_QUEUE_VECTOR, 0);
	write_register(a, CXVM_ACCEL_QUEUE_TAIL, 0);
	write_register(a, CXVM_ACCEL_QUEUE_ACK, queue_register(a, CXVM_ACCEL_QUEUE_INTERRUPTS));
	write_register(a, CXVM_ACCEL_QUEUE_ENABLE, 1);
	if (!wait_register(a, CXVM_ACCEL_QUEUE_STATE, CXVM_ACCEL_QUEUE_RUNNING, 5))
		die("%s: the queue is in state %u after its set-up (ring at %#" PRIx64
		    ", space %u)",
		    a->name, queue_register(a, CXVM_ACCEL_QUEUE_STATE), address, space);
}

/* --- jobs --- */
static void wait_interrupt(struct accelerator *a)
{
	struct pollfd ready = {.fd = a->uio, .events = POLLIN};
	uint32_t count;

	if (poll(&ready, 1, 10000) != 1)
		die("%s: no interrupt within 10 s; HEAD %u of %u, device raised %u", a->name,
		    queue_register(a, CXVM_ACCEL_QUEUE_HEAD), a->tail,
		    queue_register(a, CXVM_ACCEL_QUEUE_INTERRUPTS));
	if (read(a->uio, &count, sizeof(count)) != sizeof(count))
		die("%s: UIO read: %s", a->name, strerror(errno));
	a->interrupts++;
	if (a->intx) {
		write_register(a, CXVM_ACCEL_QUEUE_ACK,
			       queue_register(a, CXVM_ACCEL_QUEUE_INTERRUPTS));
		/* The device lowers its line when it sees that; then open the line again. */
		for (unsigned i = 0; i < 10000 && (config_get(a, 6, 2) & 8); i++)
			usleep(100);
		config_put(a, 4, config_get(a, 4, 2) & ~0x400u, 2);
	}
}

/* Let the engine work off what was given; the last descriptor asked for an interrupt. */
static void ring_and_wait(struct accelerator *a, uint32_t tail)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	write_register(a, CXVM_ACCEL_QUEUE_TAIL, tail);
	if (a->uio >= 0)
		wait_interrupt(a);
	if (!wait_register(a, CXVM_ACCEL_QUEUE_HEAD, tail, 30))
		die("%s: HEAD stays at %u, TAIL is %u, state %u", a->name,
		    queue_register(a, CXVM_ACCEL_QUEUE_HEAD), tail,
		    queue_register(a, CXVM_ACCEL_QUEUE_STATE));
}

static struct cxvm_accel_descriptor *give(struct accelerator *a,
					  const struct cxvm_accel_descriptor *job)
{
	struct cxvm_accel_descriptor *slot = &a->ring[a->tail++ % RING_ENTRIES];

	memcpy(slot, job, sizeof(*slot));
	return slot;
}

static void copy_now(struct accelerator *a, const struct slot *from, const struct slot *to)
{
	const struct cxvm_accel_descriptor job = {.opcode = CXVM_ACCEL_OP_COPY,
						  .flags = CXVM_ACCEL_FLAG_INTERRUPT,
						  .source = from->address,
						  .source_space = from->space,
						  .destination = to->address,
						  .destination_space = to->space,
						  .length = a->slot_size};
	struct cxvm_accel_descriptor *done = give(a, &job);

	ring_and_wait(a, a->tail);
	if (done->status != CXVM_ACCEL_STATUS_DONE)
		die("%s: copy %u:%#" PRIx64 " to %u:%#" PRIx64 ": status %#x", a->name, from->space,
		    from->address, to->space, to->address, done->status);
}

static void check_slot(struct accelerator *a, unsigned index, const char *when)
{
	const struct slot *slot = &a->slots[index], *bounce = &a->slots[0];
	const uint8_t *memory = slot->memory;

	if (!memory) {
		copy_now(a, slot, bounce);
		memory = bounce->memory;
	}
	for (uint32_t i = 0; memcmp(memory, slot->model, a->slot_size) != 0 && i < a->slot_size;
	     i++) {
		if (memory[i] != slot->model[i])
			die("%s: %s: slot %u (space %u, %#" PRIx64 ") byte %u is %02x, not %02x",
			    a->name, when, index, slot->space, slot->address, i, memory[i],
			    slot->model[i]);
	}
	if (!slot->memory)
		memcpy(bounce->memory, bounce->model, a->slot_size);
}

static void fill_slots(struct accelerator *a)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		struct slot *slot = &a->slots[i];

		if (slot->memory) {
			memcpy(slot->memory, slot->model, a->slot_size);
		} else {
			memcpy(a->slots[0].memory, slot->model, a->slot_size);
			copy_now(a, &a->slots[0], slot);
			memcpy(a->slots[0].memory, a->slots[0].model, a->slot_size);
		}
	}
}

struct expectation {
	struct cxvm_accel_descriptor *descriptor;
	uint32_t status, result;
};

/* Make a random job, do it on the model, and say what has to come out. */
static struct expectation make_job(struct accelerator *a, bool last)
{
	unsigned low = option_ram ? 0 : RAM_SLOTS, range = SLOTS - low;
	struct slot *source = &a->slots[low + next_random() % range];
	struct slot *source2 = &a->slots[low + next_random() % range];
	struct slot *destination = &a->slots[low + next_random() % range];
	uint32_t length = (uint32_t)(4 + next_random() % (a->slot_size - 4)) & ~3u;
	struct cxvm_accel_descriptor job = {.opcode = CXVM_ACCEL_OP_COPY +
						      (uint32_t)(next_random() % 4),
					    .flags = last ? CXVM_ACCEL_FLAG_INTERRUPT : 0,
					    .source = source->address,
					    .source2 = source2->address,
					    .destination = destination->address,
					    .length = length,
					    .source_space = source->space,
					    .source2_space = source2->space,
					    .destination_space = destination->space,
					    .value = (uint32_t)next_random(),
					    .cookie = a->jobs};
	struct expectation expected = {.status = CXVM_ACCEL_STATUS_DONE};

	if (next_random() % 32 == 0) {
		/* One that must be refused and change nothing */
		job.destination_space = CXVM_ACCEL_SPACE_DPA;
		job.destination = a->dpa_size - 4;
		job.length = a->slot_size;
		job.opcode = CXVM_ACCEL_OP_FILL;
		expected.status = CXVM_ACCEL_STATUS_BAD_ADDRESS;
		a->refused++;
	} else if (job.opcode == CXVM_ACCEL_OP_COPY) {
		memmove(destination->model, source->model, length);
	} else if (job.opcode == CXVM_ACCEL_OP_CRC32) {
		expected.result = crc32(job.value, source->model, length);
	} else {
		for (uint32_t i = 0; i < length; i += 4) {
			uint32_t first, second, sum = job.value;

			if (job.opcode == CXVM_ACCEL_OP_ADD) {
				memcpy(&first, source->model + i, 4);
				memcpy(&second, source2->model + i, 4);
				sum = first + second;
			}
			memcpy(destination->model + i, &sum, 4);
		}
	}
	a->jobs++;
	expected.descriptor = give(a, &job);
	return expected;
}

/* The window behind the registers is plain memory of the device: every width, both ends. */
static void check_window(struct accelerator *a)
{
	uint8_t *first = a->window + a->scratch, *last = a->window + a->window_size - 8;

	for (unsigned i = 0; i < 1000; i++) {
		uint64_t value = next_random();

		*(volatile uint64_t *)(void *)first = value;
		*(volatile uint64_t *)(void *)last = ~value;
		*(volatile uint8_t *)(first + i % 8) = (uint8_t)i;
		((uint8_t *)&value)[i % 8] = (uint8_t)i;
		if (*(volatile uint32_t *)(void *)first != (uint32_t)value ||
		    *(volatile uint64_t *)(void *)first != value)
			die("%s: window memory does not keep what is written", a->name);
	}
}

static void run(struct accelerator *a)
{
	uint64_t begin = now_ns(), spent;

	check_window(a);
	fill_slots(a);
	while (a->jobs < option_jobs) {
		struct expectation expected[BATCH];
		unsigned batch = 1 + (unsigned)(next_random() % BATCH);

		for (unsigned i = 0; i < batch; i++)
			expected[i] = make_job(a, i == batch - 1);
		ring_and_wait(a, a->tail);
		for (unsigned i = 0; i < batch; i++) {
			const struct cxvm_accel_descriptor *done = expected[i].descriptor;

			if (done->status != expected[i].status ||
			    done->result != expected[i].result)
				die("%s: job %" PRIu64
				    " (opcode %u): status %#x result %#x, expected "
				    "%#x %#x",
				    a->name, done->cookie, done->opcode, done->status, done->result,
				    expected[i].status, expected[i].result);
		}
		for (unsigned i = 0; i < SLOTS; i++)
			check_slot(a, i, "after a batch");
	}
	spent = now_ns() - begin;
	printf("accel-job: %s: %" PRIu64 " jobs right (%" PRIu64
	       " refused as they must be), %" PRIu64 " interrupts, %" PRIu64 " ms\n",
	       a->name, a->jobs, a->refused, a->interrupts, spent / 1000000);
}

static void find_devices(void)
{
	DIR *directory = opendir("/sys/bus/pci/devices");
	struct dirent *entry;
	char path[384];

	while (directory && (entry = readdir(directory)) != NULL && device_count < MAX_DEVICES) {
		struct accelerator *a = &devices[device_count];

		if (entry->d_name[0] == '.' || strlen(entry->d_name) >= sizeof(a->name) ||
		    (option_device && strcmp(option_device, entry->d_name) != 0))
			continue;
		strcpy(a->name, entry->d_name);
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", a->name);
		a->config = open(path, O_RDWR | O_CLOEXEC);
		if (a->config < 0)
			continue;
		if (config_get(a, 0, 4) ==
		    (CXVM_ACCEL_PCI_VENDOR | (uint32_t)CXVM_ACCEL_PCI_DEVICE << 16))
			device_count++;
		else
			close(a->config);
	}
	if (directory)
		closedir(directory);
}

static bool parse_option(const char *word)
{
	const char *value = strchr(word, '=');
	size_t length = value ? (size_t)(value - word) : 0;

	if (length == 0)
		return false;
	value++;
	if (strncmp(word, "jobs", length) == 0)
		option_jobs = (unsigned)strtoul(value, NULL, 0);
	else if (strncmp(word, "device", length) == 0)
		option_device = value;
	else if (strncmp(word, "irq", length) == 0)
		option_irq = value;
	else if (strncmp(word, "ring", length) == 0)
		option_ring = value;
	else if (strncmp(word, "ram", length) == 0)
		option_ram = strcmp(value, "off") != 0;
	else if (strncmp(word, "memory", length) == 0)
		option_memory = strcmp(value, "off") != 0;
	else if (strncmp(word, "seed", length) == 0)
		random_state = strtoull(value, NULL, 0) | 1;
	else if (strncmp(word, "queue", length) == 0)
		option_queue = (unsigned)strtoul(value, NULL, 0);
	else if (strncmp(word, "expect", length) == 0)
		option_expect = (unsigned)strtoul(value, NULL, 0);
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc; i++) {
		if (!parse_option(argv[i])) {
			fputs(usage, stdout);
			return 2;
		}
	}
	find_devices();
	if (device_count == 0 || (option_expect && device_count != option_expect))
		die("%u accelerators found, expected %u", device_count,
		    option_expect ? option_expect : 1);
	for (unsigned i = 0; i < device_count; i++) {
		open_window(&devices[i]);
		open_memory(&devices[i]);
		open_interrupt(&devices[i]);
		open_queue(&devices[i]);
		run(&devices[i]);
	}
	/* Nothing that ran later on another device may have touched this one. */
	for (unsigned i = 0; i < device_count; i++) {
		for (unsigned slot = 0; slot < SLOTS; slot++)
			check_slot(&devices[i], slot, "at the end");
		close_queue(&devices[i]);
	}
	printf("accel-job: %u devices, %u jobs each, all right\n", device_count, option_jobs);
	return 0;
}
