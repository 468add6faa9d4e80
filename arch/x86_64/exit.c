/* SPDX-License-Identifier: Apache-2.0 */
/* What the exits of an x86 vCPU mean: ports, triple faults, instructions that KVM cannot emulate.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "arch/arch.h"

#define INSTRUCTION_BYTES_MAX 15u /* SDM vol. 2A, 2.3.11 */
#define EVENT_WORDS_MAX       4u
#define PORT_WIDTH_MAX        4u

static int vcpu_ioctl(const struct arch_vcpu *vcpu, unsigned long request, void *argument)
{
	return vcpu->vm->ops->ioctl(vcpu->vm->ops_opaque, vcpu->fd, request, argument);
}

static enum arch_exit __attribute__((format(printf, 3, 4)))
stop(struct arch_exit_report *report, enum arch_exit kind, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(report->detail, sizeof(report->detail), format, arguments);
	va_end(arguments);
	return kind;
}

static void serve_ports(const struct arch_vcpu *vcpu, struct arch_exit_report *report)
{
	struct kvm_run *run = vcpu->run;
	uint64_t offset = run->io.data_offset;
	uint8_t *data = (uint8_t *)run + offset;
	uint32_t size = run->io.size, times = run->io.count;

	report->unclaimed = 0;
	if (size > PORT_WIDTH_MAX || offset > vcpu->vm->vcpu_run_size ||
	    (uint64_t)size * times > vcpu->vm->vcpu_run_size - offset)
		return;
	for (uint32_t i = 0; i < times; i++, data += size) {
		bool claimed = run->io.direction == KVM_EXIT_IO_OUT
				       ? bus_write(vcpu->ports, run->io.port, data, size)
				       : bus_read(vcpu->ports, run->io.port, data, size);

		if (!claimed)
			report->unclaimed++;
	}
}

const char arch_instruction_pointer_name[] = "rip";

uint64_t arch_instruction_pointer(const struct arch_vcpu *vcpu)
{
	struct kvm_regs regs;

	return vcpu_ioctl(vcpu, KVM_GET_REGS, &regs) < 0 ? 0 : regs.rip;
}

static enum arch_exit internal_error(const struct arch_vcpu *vcpu, struct arch_exit_report *report)
{
	const struct kvm_run *run = vcpu->run;
	char bytes[3 * INSTRUCTION_BYTES_MAX + 1] = "", data[EVENT_WORDS_MAX * 20 + 1] = "";

	if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION &&
	    run->emulation_failure.ndata >= 1 &&
	    run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES)
		for (uint32_t i = 0;
		     i < run->emulation_failure.insn_size && i < INSTRUCTION_BYTES_MAX; i++)
			snprintf(bytes + 3 * i, sizeof(bytes) - 3 * i, " %02x",
				 run->emulation_failure.insn_bytes[i]);
	/* The event, the exit reason, and what the CPU says about it. */
	if (run->internal.suberror == KVM_INTERNAL_ERROR_DELIVERY_EV)
		for (uint32_t i = 0; i < run->internal.ndata && i < EVENT_WORDS_MAX; i++)
			snprintf(data + strlen(data), sizeof(data) - strlen(data), " 0x%" PRIx64,
				 (uint64_t)run->internal.data[i]);
	return stop(report, ARCH_EXIT_ERROR,
		    "KVM internal error %u%s%s%s at guest address 0x%" PRIx64,
		    run->internal.suberror,
		    run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION
			    ? " (cannot emulate an instruction)"
		    : run->internal.suberror == KVM_INTERNAL_ERROR_DELIVERY_EV
			    ? " (an interrupt or exception could not be delivered):"
			    : "",
		    bytes, data, arch_instruction_pointer(vcpu));
}

enum arch_exit arch_serve_exit(const struct arch_vcpu *vcpu, struct arch_exit_report *report)
{
	const struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		serve_ports(vcpu, report);
		return ARCH_EXIT_PORTS;
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return ARCH_EXIT_SERVED;
	case KVM_EXIT_SHUTDOWN:
		return stop(report, ARCH_EXIT_CRASHED, "triple fault on vCPU %u", vcpu->index);
	case KVM_EXIT_SYSTEM_EVENT:
		return stop(report, ARCH_EXIT_ERROR, "KVM system event %u", run->system_event.type);
	case KVM_EXIT_INTERNAL_ERROR:
		return internal_error(vcpu, report);
	default:
		return stop(report, ARCH_EXIT_ERROR, "KVM exit reason %u, which cxvm does not know",
			    run->exit_reason);
	}
}

void arch_vcpu_paused(const struct arch_vcpu *vcpu)
{
	/* Without kvmclock it says EINVAL. */
	vcpu_ioctl(vcpu, KVM_KVMCLOCK_CTRL, NULL);
}
