/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tests/kvm/harness.h"

#define LIMIT .timeout = 60

static void must_pass(const char *name, const char *cmdline)
{
	static struct guest guest;

	guest = (struct guest){.name = name, .cmdline = cmdline};
	guest_must_pass(&guest);
}

Test(access, ports_of_each_width, LIMIT)
{
	static struct guest guest = {.name = "pio"};

	guest_must_pass(&guest);
	cr_assert_str_eq(guest.serial, "string output\n");
}

Test(access, memory_of_each_width, LIMIT)
{
	must_pass("mmio", NULL);
}

Test(access, unmapped_reads_all_ones, LIMIT)
{
	static struct guest guest = {.name = "unmapped"};

	guest_must_pass(&guest);
}

Test(access, random_accesses_are_survived, LIMIT)
{
	must_pass("chaos", "seed=1 rounds=600");
	must_pass("chaos", "seed=20261122 rounds=600");
}

Test(pci, enumeration_by_ecam_and_ports, LIMIT)
{
	must_pass("pci_scan", NULL);
}

Test(pci, bars_are_sized_and_moved, LIMIT)
{
	must_pass("bar", NULL);
}

Test(pci, msix_delivery_and_masking, LIMIT)
{
	must_pass("msix", NULL);
}

Test(pci, intx_level_interrupts, LIMIT)
{
	must_pass("intx", NULL);
}

Test(legacy, serial_output_loopback_and_interrupts, LIMIT)
{
	static struct guest guest = {.name = "serial"};

	guest_must_pass(&guest);
	cr_assert_str_eq(guest.serial, "polled\nfrom the interrupt handler\n");
}

static void read_until(const struct guest *guest, int fd, const char *wanted)
{
	struct timeval patience = {.tv_sec = 15};
	char text[256];
	size_t length = 0;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (!memmem(text, length, wanted, strlen(wanted))) {
		ssize_t got = read(fd, text + length, sizeof(text) - length);

		cr_assert_gt(got, 0, "no '%s' after %zu bytes; log:\n%s", wanted, length,
			     guest->log);
		length += (size_t)got;
	}
}

Test(legacy, serial_input_from_a_socket, LIMIT)
{
	static struct guest guest = {.name = "serial", .cmdline = "echo=6"};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/tmp/cxvm-kvm-%d.sock", getpid());
	strcpy(address.sun_path, path);
	guest.serial_socket = path;
	guest_start(&guest);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	while (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		usleep(1000); /* until it listens; the test's time limit ends this */
	/* Typed when the guest is ready: its reset of the FIFO would take what came before. */
	read_until(&guest, fd, "handler\n");
	cr_assert_eq(write(fd, "hello\n", 6), 6);
	guest_wait(&guest);
	read_until(&guest, fd, "HELLO\n");
	cr_assert_eq(guest.exit.code, GUEST_PASS);
	close(fd);
}

Test(legacy, clock, LIMIT)
{
	char cmdline[64], today[16], tomorrow[16];
	time_t now = time(NULL), later = now + 24 * 3600;
	struct tm tm;

	strftime(today, sizeof(today), "%Y%m%d", gmtime_r(&now, &tm));
	strftime(tomorrow, sizeof(tomorrow), "%Y%m%d", gmtime_r(&later, &tm));
	snprintf(cmdline, sizeof(cmdline), "date=%s tomorrow=%s", today, tomorrow);
	must_pass("rtc", cmdline);
}

/* Guests that do not take kvmclock, memtest86+ for example, have nothing else that is told of. */
Test(legacy, the_pm_timer_is_for_guests_without_kvmclock, LIMIT)
{
	static struct guest without = {.name = "pm_timer", .cmdline = "there=0"};
	static struct guest with = {
		.name = "pm_timer", .cmdline = "there=1", .features = "-hypervisor"};

	guest_must_pass(&without);
	guest_must_pass(&with);
}

Test(cpu, local_apic_timer, LIMIT)
{
	must_pass("timer", NULL);
}

static void smp(uint32_t vcpus)
{
	static struct guest guest;
	char cmdline[32];

	snprintf(cmdline, sizeof(cmdline), "cpus=%u", vcpus);
	guest = (struct guest){.name = "smp", .cmdline = cmdline, .vcpus = vcpus};
	guest_must_pass(&guest);
}

Test(cpu, two_processors, LIMIT)
{
	smp(2);
}

Test(cpu, four_processors, LIMIT)
{
	smp(4);
}

Test(cpu, init_before_the_apic_is_enabled, LIMIT)
{
	static struct guest guest = {.name = "early_init", .cmdline = "cpus=2", .vcpus = 2};
	static struct guest three = {.name = "early_init", .cmdline = "cpus=3", .vcpus = 3};

	guest_must_pass(&guest);
	guest_must_pass(&three);
}

static void memory(uint64_t mib)
{
	static struct guest guest;
	char cmdline[32];

	snprintf(cmdline, sizeof(cmdline), "mib=%llu", (unsigned long long)mib);
	guest = (struct guest){.name = "high_memory", .cmdline = cmdline, .mib = mib};
	guest_must_pass(&guest);
}

Test(memory, below_the_hole, LIMIT)
{
	memory(64);
	memory(3072);
}

Test(memory, above_the_hole, LIMIT)
{
	memory(3074);
	memory(4096);
	memory(8192);
}

Test(virtio, malformed_queues_need_reset, LIMIT)
{
	static struct guest guest = {.name = "virtio_abuse", .seconds = 50};

	guest_must_pass(&guest);
}

Test(virtio, disk, LIMIT)
{
	static struct guest guest = {.name = "virtio_blk", .cmdline = "sectors=2048"};
	char path[] = "/tmp/cxvm-disk-XXXXXX";
	int fd = mkstemp(path);
	uint8_t sector[512];

	for (uint64_t i = 0; i < 2048; i++) {
		memset(sector, 0, sizeof(sector));
		memcpy(sector, &i, sizeof(i));
		cr_assert_eq(write(fd, sector, sizeof(sector)), sizeof(sector));
	}
	guest.disk = path;
	guest_must_pass(&guest);
	cr_assert_eq(pread(fd, sector, sizeof(sector), 5 * 512), sizeof(sector));
	for (unsigned int i = 0; i < sizeof(sector); i++)
		cr_assert_eq(sector[i], (uint8_t)(i * 3));
	close(fd);
	unlink(path);
}

/* System calls before the first KVM_RUN of any vCPU, apart from KVM_RUN after it, and the KVM_RUNs.
 */
static void count_system_calls(const char *name, const char *options, long *before, long *others,
			       long *runs)
{
	char command[2048], kernel[512], line[256];
	FILE *pipe;

	guest_path(name, kernel, sizeof(kernel));
	snprintf(command, sizeof(command),
		 "%s %s run --kernel %s %s --memory size=64M "
		 "--debug-exit --log-level error 2>&1 >/dev/null | tail -n 1",
		 SYSCALL_COUNTER, CXVM_COMMAND, kernel, options);
	pipe = popen(command, "r");
	cr_assert_not_null(pipe);
	cr_assert_not_null(fgets(line, sizeof(line), pipe));
	pclose(pipe);
	cr_assert_eq(sscanf(line,
			    "{\"syscalls_before_run\": %ld, \"kvm_runs\": %ld, "
			    "\"syscalls_after_run\": %ld",
			    before, runs, others),
		     3, "%s", line);
}

Test(access, a_trapped_read_makes_no_system_call_but_kvm_run, LIMIT)
{
	long before, few, many, few_runs, many_runs;

	guest_require_kvm();
	if (access(SYSCALL_COUNTER, X_OK) != 0 || access(CXVM_COMMAND, X_OK) != 0)
		cr_skip_test("it needs the build folder: cxvm and syscall-counter");
	count_system_calls("bench_mmio", "--cmdline count=500", &before, &few, &few_runs);
	count_system_calls("bench_mmio", "--cmdline count=2500", &before, &many, &many_runs);
	/* One for each read; tracing itself interrupts some, which then come again. */
	cr_assert_geq(few_runs, 500);
	cr_assert_geq(many_runs, 2500);
	/* 2000 more reads: even one more call for every fourth would show. What a busy host adds
	 * (futex calls at the ends of the runs) does not. */
	cr_assert_lt(many - few, 500, "%ld and %ld", few, many);
}

Test(access, system_calls_before_the_first_kvm_run, LIMIT)
{
	long one, five = LONG_MAX, others, runs;

	guest_require_kvm();
#ifdef __SANITIZE_THREAD__
	cr_skip_test("ThreadSanitizer makes calls of its own");
#endif
	if (access(SYSCALL_COUNTER, X_OK) != 0 || access(CXVM_COMMAND, X_OK) != 0)
		cr_skip_test("it needs the build folder: cxvm and syscall-counter");
	count_system_calls("end", "--cmdline how=4 --cpus 1", &one, &others, &runs);
	for (int round = 0; round < 3; round++) {
		long count;

		count_system_calls("end", "--cmdline how=4 --cpus 5", &count, &others, &runs);
		five = count < five ? count : five;
	}
	cr_log_info("%ld system calls before KVM_RUN with one vCPU, %ld with five", one, five);
	cr_assert_leq(one, 200);
	/* 5 of a vCPU's 14 calls come before the boot vCPU's thread exists; how many of the others
	 * come before its first KVM_RUN is a race, so the least of three runs counts. */
	cr_assert_leq(five - one, 4 * 12, "%ld with one vCPU, %ld with five", one, five);
}

static void ends(const char *name, const char *cmdline, enum cxvm_exit_reason reason, uint32_t code)
{
	static struct guest guest;

	guest = (struct guest){.name = name, .cmdline = cmdline};
	guest_start(&guest);
	guest_wait(&guest);
	cr_assert_eq(guest.result, 0, "%s", guest.log);
	cr_assert(guest.exit.reason == reason && guest.exit.code == code,
		  "%s %s: reason %d, code 0x%x (%s); it printed:\n%s", name, cmdline,
		  guest.exit.reason, guest.exit.code, guest.exit.message, guest.serial);
}

Test(end, debug_exit_codes, LIMIT)
{
	ends("exit_code", "width=1 code=0x2a", CXVM_EXIT_DEBUG, 0x2a);
	ends("exit_code", "width=1 code=0x0", CXVM_EXIT_DEBUG, 0);
	ends("exit_code", "width=2 code=0xbeef", CXVM_EXIT_DEBUG, 0xbeef);
	ends("exit_code", "width=4 code=0x12345678", CXVM_EXIT_DEBUG, 0x12345678);
}

Test(end, triple_fault, LIMIT)
{
	ends("end", "how=1", CXVM_EXIT_CRASH, 0);
}

Test(end, reset_by_the_keyboard_controller, LIMIT)
{
	ends("end", "how=2", CXVM_EXIT_REBOOT, 0);
}

Test(end, reset_by_the_acpi_register, LIMIT)
{
	ends("end", "how=3", CXVM_EXIT_REBOOT, 0);
}

Test(end, acpi_power_off, LIMIT)
{
	ends("end", "how=4", CXVM_EXIT_POWEROFF, 0);
}

Test(end, panic, LIMIT)
{
	ends("end", "how=5", CXVM_EXIT_PANIC, 0);
}

/* A crash kernel takes over, says the guest, as often as it likes. */
Test(end, panics_do_not_flood_the_log, LIMIT)
{
	static struct guest guest = {.name = "end", .cmdline = "how=6"};
	unsigned int lines = 0;

	guest_start(&guest);
	guest_wait(&guest);
	cr_assert_eq(guest.exit.reason, CXVM_EXIT_PANIC, "%s", guest.exit.message);
	for (const char *at = guest.log; (at = strstr(at, "crash kernel")); at++)
		lines++;
	cr_expect_geq(lines, 1u);
	cr_expect_leq(lines, 10u, "%u lines", lines);
}

Test(end, power_button, LIMIT)
{
	static struct guest guest = {.name = "power_button"};
	char text[256];
	size_t length;
	FILE *file;

	guest_start(&guest);
	do {
		usleep(1000); /* until the guest listens; the test's time limit ends this */
		file = fopen(guest.serial_path, "r");
		cr_assert_not_null(file, "ended early: %s", guest.exit.message);
		length = fread(text, 1, sizeof(text) - 1, file);
		fclose(file);
	} while (!memmem(text, length, "ready\n", 6));
	cr_assert_eq(cxvm_power_button(guest.vm), 0);
	guest_wait(&guest);
	cr_assert_eq(guest.result, 0, "%s", guest.log);
	cr_assert_eq(guest.exit.reason, CXVM_EXIT_POWEROFF, "%s; it printed:\n%s",
		     guest.exit.message, guest.serial);
}

static uint64_t pio_exits(const struct guest *guest)
{
	struct cxvm_counters counters = {.size = sizeof(counters)};

	cr_assert_eq(cxvm_get_counters(guest->vm, &counters), 0);
	return counters.pio_exits;
}

static void wait_for_exits(const struct guest *guest, uint64_t count)
{
	while (pio_exits(guest) < count)
		usleep(1000); /* the test's time limit ends this */
}

Test(life_cycle, pause_and_resume_while_running, LIMIT)
{
	static struct guest guest = {.name = "spin", .vcpus = 2};

	guest_start(&guest);
	while (cxvm_get_state(guest.vm) != CXVM_STATE_RUNNING)
		usleep(1000);
	wait_for_exits(&guest, 100);
	for (int i = 0; i < 20; i++) {
		uint64_t before;

		cr_assert_eq(cxvm_pause(guest.vm), 0);
		cr_assert_eq(cxvm_get_state(guest.vm), CXVM_STATE_PAUSED);
		before = pio_exits(&guest);
		usleep(3000); /* a guest that still ran would make hundreds of exits */
		cr_assert_eq(pio_exits(&guest), before, "it runs while it is paused");
		cr_assert_lt(cxvm_pause(guest.vm), 0, "it is paused already");
		cr_assert_eq(cxvm_resume(guest.vm), 0);
		cr_assert_eq(cxvm_get_state(guest.vm), CXVM_STATE_RUNNING);
		wait_for_exits(&guest, before + 20);
	}
	cr_assert_lt(cxvm_resume(guest.vm), 0, "it runs already");
	cr_assert_eq(cxvm_stop(guest.vm), 0);
	guest_wait(&guest);
	cr_assert_eq(guest.exit.reason, CXVM_EXIT_STOPPED);
	cr_assert_str_eq(guest.serial, "spinning\n");
}

Test(life_cycle, stop_while_paused, LIMIT)
{
	static struct guest guest = {.name = "spin"};

	guest_start(&guest);
	while (cxvm_get_state(guest.vm) != CXVM_STATE_RUNNING)
		usleep(1000);
	cr_assert_eq(cxvm_pause(guest.vm), 0);
	cr_assert_eq(cxvm_stop(guest.vm), 0);
	guest_wait(&guest);
	cr_assert_eq(guest.exit.reason, CXVM_EXIT_STOPPED);
}

Test(life_cycle, two_machines_in_one_process, LIMIT)
{
	static struct guest first = {.name = "spin"},
			    second = {.name = "smp", .cmdline = "cpus=2", .vcpus = 2};

	guest_start(&first);
	guest_must_pass(&second);
	cr_assert_eq(cxvm_stop(first.vm), 0);
	guest_wait(&first);
	cr_assert_eq(first.exit.reason, CXVM_EXIT_STOPPED);
}
