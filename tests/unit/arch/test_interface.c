/* SPDX-License-Identifier: Apache-2.0 */
/* What arch/arch.h promises, as far as it needs no guest. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/core/fake_kvm.h"
#include "arch/arch.h"

Test(interface, nothing_is_missing_here)
{
	size_t count = 1;

	arch_gaps(&count);
	cr_assert_eq(count, 0);
}

Test(interface, the_fixed_points_do_not_overlap)
{
	const struct arch_map *map = arch_map();

	cr_assert_lt(map->low_ram_start, map->low_ram_end);
	cr_assert_leq(map->low_ram_end, map->pci_32_start);
	cr_assert_leq(map->pci_32_end, map->ecam_start);
	cr_assert_leq(map->ecam_start + ((uint64_t)ARCH_ECAM_BUSES << 20), map->chbs_end);
	cr_assert_leq(map->chbs_end, map->high_ram_start);
	cr_assert_lt(map->pci_io_start, map->pci_io_end);
	for (size_t i = 0; i < map->place_count; i++) {
		const struct arch_place *place = &map->places[i];

		cr_assert(place->name && place->size);
		if (place->in_ram)
			cr_expect_leq(place->base + place->size, map->low_ram_end, "%s",
				      place->name);
		else
			cr_expect(place->base >= map->chbs_end &&
					  place->base + place->size <= map->high_ram_start,
				  "%s", place->name);
	}
	cr_assert_lt(map->intx_gsi, arch_irq_lines()->count);
}

Test(interface, feature_names)
{
	char bad[ARCH_FEATURE_NAME];
	char longer[200];

	cr_assert_eq(arch_check_features(NULL, bad), 0);
	cr_assert_eq(arch_check_features("+cx16,-hypervisor", bad), 0);
	cr_assert_eq(arch_check_features("-cx16,+nonesuch", bad), -EINVAL);
	cr_assert_str_eq(bad, "nonesuch");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	cr_assert_eq(arch_check_features(longer, bad), -EINVAL);
	cr_assert_eq(strlen(bad), sizeof(bad) - 1, "cut, not overrun");
}

Test(interface, heads_that_are_no_kernel)
{
	struct arch_kernel_needs needs;
	const char *why = NULL;
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	cr_assert_eq(ftruncate(fd, 1 << 20), 0);
	cr_assert_eq(arch_check_kernel(fd, 1 << 20, &needs, &why), -ENOEXEC);
	cr_assert_not_null(why);
	cr_assert_eq(pwrite(fd, "\177ELF", 4, 0), 4);
	for (size_t length = 0; length < 64; length++) {
		why = NULL;
		cr_expect_eq(arch_check_kernel(fd, length, &needs, &why), -ENOEXEC);
		cr_expect_not_null(why);
	}
	/* It became shorter meanwhile. */
	cr_assert_eq(ftruncate(fd, 16), 0);
	cr_expect_eq(arch_check_kernel(fd, 1 << 20, &needs, &why), -ENODATA);
	close(fd);
}

/* The port buffer of an exit lies inside the shared page: KVM is believed, but not blindly. */
struct exit_fixture {
	struct fake_kvm kvm;
	struct bus ports;
	struct bus_region region;
	uint64_t written;
	unsigned int writes;
	uint8_t page[2 * 4096] __attribute__((aligned(4096)));
	struct arch_vcpu vcpu;
};

static void record(void *opaque, uint64_t offset, uint64_t value, unsigned int size)
{
	struct exit_fixture *f = opaque;

	(void)offset;
	(void)size;
	f->written = value;
	f->writes++;
}

static uint64_t answer(void *opaque, uint64_t offset, unsigned int size)
{
	(void)opaque;
	(void)offset;
	(void)size;
	return 0xa5;
}

static const struct bus_ops recorder = {.read = answer, .write = record};

static struct exit_fixture *exit_fixture(void)
{
	struct exit_fixture *f = aligned_alloc(4096, (sizeof(*f) + 4095) / 4096 * 4096);

	memset(f, 0, sizeof(*f));
	fake_kvm_init(&f->kvm);
	f->kvm.vm.vcpu_run_size = sizeof(f->page);
	cr_assert_eq(bus_init(&f->ports, 0x10000), 0);
	f->region = (struct bus_region){
		.name = "recorder", .base = 0x80, .size = 4, .ops = &recorder, .opaque = f};
	cr_assert_eq(bus_add(&f->ports, &f->region), 0);
	f->vcpu = (struct arch_vcpu){
		.vm = &f->kvm.vm, .fd = 3, .run = (struct kvm_run *)f->page, .ports = &f->ports};
	return f;
}

static void destroy(struct exit_fixture *f)
{
	bus_remove(&f->ports, &f->region);
	bus_destroy(&f->ports);
	fake_kvm_destroy(&f->kvm);
	free(f);
}

static enum arch_exit port_access(struct exit_fixture *f, struct arch_exit_report *report,
				  uint8_t direction, uint16_t port, uint8_t size, uint32_t count,
				  uint64_t offset)
{
	f->vcpu.run->exit_reason = KVM_EXIT_IO;
	f->vcpu.run->io.direction = direction;
	f->vcpu.run->io.port = port;
	f->vcpu.run->io.size = size;
	f->vcpu.run->io.count = count;
	f->vcpu.run->io.data_offset = offset;
	return arch_serve_exit(&f->vcpu, report);
}

Test(exit, ports_are_answered_from_the_bus)
{
	struct exit_fixture *f = exit_fixture();
	struct arch_exit_report report;

	f->page[4096] = 0x42;
	cr_assert_eq(port_access(f, &report, KVM_EXIT_IO_OUT, 0x80, 1, 1, 4096), ARCH_EXIT_PORTS);
	cr_assert_eq(report.unclaimed, 0);
	cr_assert_eq(f->written, 0x42);
	cr_assert_eq(port_access(f, &report, KVM_EXIT_IO_IN, 0x81, 1, 2, 4096), ARCH_EXIT_PORTS);
	cr_assert_eq(f->page[4096], 0xa5);
	cr_assert_eq(f->page[4097], 0xa5);
	cr_assert_eq(port_access(f, &report, KVM_EXIT_IO_IN, 0x90, 1, 3, 4096), ARCH_EXIT_PORTS);
	cr_assert_eq(report.unclaimed, 3, "nobody is there");
	cr_assert_eq(f->page[4098], 0xff);
	destroy(f);
}

Test(exit, a_port_buffer_outside_the_shared_page_is_not_touched)
{
	struct exit_fixture *f = exit_fixture();
	struct arch_exit_report report;

	port_access(f, &report, KVM_EXIT_IO_OUT, 0x80, 4, 1, sizeof(f->page) - 3);
	port_access(f, &report, KVM_EXIT_IO_OUT, 0x80, 4, 1, UINT64_MAX);
	port_access(f, &report, KVM_EXIT_IO_OUT, 0x80, 8, 1, 4096);
	port_access(f, &report, KVM_EXIT_IO_OUT, 0x80, 1, UINT32_MAX, 4096);
	cr_assert_eq(f->writes, 0);
	cr_assert_eq(report.unclaimed, 0);
	port_access(f, &report, KVM_EXIT_IO_OUT, 0x80, 4, 1, sizeof(f->page) - 4);
	cr_assert_eq(f->writes, 1, "the last bytes of it are inside");
	destroy(f);
}

Test(exit, what_ends_a_guest_is_said)
{
	struct exit_fixture *f = exit_fixture();
	struct arch_exit_report report;

	f->vcpu.index = 5;
	f->vcpu.run->exit_reason = KVM_EXIT_SHUTDOWN;
	cr_assert_eq(arch_serve_exit(&f->vcpu, &report), ARCH_EXIT_CRASHED);
	cr_assert_str_eq(report.detail, "triple fault on vCPU 5");
	f->vcpu.run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
	cr_assert_eq(arch_serve_exit(&f->vcpu, &report), ARCH_EXIT_SERVED);
	f->vcpu.run->exit_reason = 4711;
	cr_assert_eq(arch_serve_exit(&f->vcpu, &report), ARCH_EXIT_ERROR);
	cr_assert(strstr(report.detail, "4711"), "%s", report.detail);
	f->vcpu.run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	f->vcpu.run->internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
	f->vcpu.run->emulation_failure.ndata = 4;
	f->vcpu.run->emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	f->vcpu.run->emulation_failure.insn_size = 255;
	memset(f->vcpu.run->emulation_failure.insn_bytes, 0x0f, 15);
	cr_assert_eq(arch_serve_exit(&f->vcpu, &report), ARCH_EXIT_ERROR);
	cr_assert(strstr(report.detail, "cannot emulate an instruction) 0f 0f"), "%s",
		  report.detail);
	destroy(f);
}
