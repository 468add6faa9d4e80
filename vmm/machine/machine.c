/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/machine/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/units.h"
#include "core/clock.h"
#include "passthrough/iommu/spaces.h"
#include "vmm/machine/build.h"
#include "vmm/machine/functions.h"
#include "vmm/machine/internal.h"
#include "vmm/machine/platform.h"
#include "vmm/machine/virtio.h"

/* For requests that a disk with direct=on cannot hand to the host as they are: of all disks. */
#define COPIES (64 * MIB)

static int create_cpus(struct machine *machine)
{
	uint32_t nodes[MACHINE_MAX_VCPUS] = {0};
	const struct arch_cpus_options options = {
		.topology = machine->cpus.topology,
		.nodes = nodes,
		.features = machine->specification->cpus.features,
		.max_phys_bits = machine->specification->cpus.max_phys_bits,
	};

	for (uint32_t i = 0; i < machine->cpus.topology.vcpus && i < MACHINE_MAX_VCPUS; i++)
		nodes[i] = specification_node_of(machine->specification, i);
	return arch_cpus_create(&machine->cpus.model, &machine->platform.vm, &options,
				machine->logger);
}

static int plan_layout(struct machine *machine)
{
	struct layout_accelerator accelerators[MACHINE_MAX_DEVICES];
	struct layout_input input = {
		.map = arch_map(),
		.ram_bytes = machine->specification->memory.bytes,
		.phys_bits = arch_cpus_phys_bits(machine->cpus.model),
		.accelerators = accelerators,
		.accelerator_count = machine_layout_accelerators(machine, accelerators),
	};
	char reason[LAYOUT_REASON];
	int result;

	input.dma_limit = machine_dma_limit(machine, &input.dma_limit_of);
	result = layout_plan(&input, &machine->map.layout, reason);

	if (result)
		log_error(machine->logger, "memory", "%s", reason);
	return result;
}

static void thread_stopped(void *opaque, uint32_t index, enum vcpu_stop reason, const char *detail)
{
	struct machine *machine = opaque;

	(void)index;
	machine_exit(machine,
		     reason == VCPU_STOP_TRIPLE_FAULT ? CXVM_EXIT_CRASH : CXVM_EXIT_VMM_FAULT, 0,
		     "%s", detail);
}

static int thread_started(void *opaque, uint32_t index)
{
	struct machine *machine = opaque;
	int result;

	result = machine_set_affinity(machine, index);
	if (!result)
		result = seccomp_filters_arm(&machine->life.filters, THREAD_VCPU);
	if (!index)
		sem_post(&machine->life.boot_begins);
	return result;
}

static bool thread_memory_fault(void *opaque, uint32_t index, uint64_t gpa)
{
	(void)index;
	return machine_memory_fault(opaque, gpa);
}

static int create_vcpus(struct machine *machine)
{
	const struct vcpu_callbacks callbacks = {
		.opaque = machine,
		.thread_started = thread_started,
		.stopped = thread_stopped,
		.memory_fault = thread_memory_fault,
	};
	int result;

	result = arch_irqchip_create(&machine->cpus.irqchip, &machine->platform.vm,
				     machine->cpus.topology.vcpus, machine->logger);
	if (result)
		return result;
	result = vcpu_set_create(&machine->cpus.vcpus, &machine->platform.vm,
				 machine->cpus.topology.vcpus, &machine->platform.mmio,
				 &machine->platform.pio, &callbacks, machine->logger);
	if (!result)
		result = vcpu_set_configure(machine->cpus.vcpus, machine->cpus.model);
	return result ? result : arch_irqchip_finish(machine->cpus.irqchip);
}

static int create_pci(struct machine *machine)
{
	unsigned int buses = machine_accelerator_bus(machine, machine->pci.cxl_count);
	const struct pci_root_options options = {
		.mmio = &machine->platform.mmio,
		.pio = &machine->platform.pio,
		.irq = machine->platform.irq,
		.memory = machine->platform.memory,
		.logger = machine->logger,
		.ecam_base = arch_map()->ecam_start,
		.bus_count = buses,
		.intx_gsi_base = arch_map()->intx_gsi,
		.config_ports = arch_map()->config_ports,
	};
	int result = pci_root_create(&machine->pci.root, &options);

	machine->pci.bus_count = buses;
	if (result)
		return result;
	return pci_root_add_host_bridge(machine->pci.root, 0, (uint8_t)machine->pci.plain_last_bus,
					&machine->pci.root_bus);
}

static int assign_pci(struct machine *machine, struct pci_bus **buses)
{
	struct pci_host_windows required[LAYOUT_MAX_BRIDGES];
	char reason[LAYOUT_REASON];
	int result;

	for (size_t i = 0; i < machine->map.bridge_count; i++)
		pci_bus_required(buses[i], &required[i]);
	result = layout_place_pci(&machine->map.layout, required, machine->map.bridge_count,
				  machine->map.windows, reason);
	if (result) {
		log_error(machine->logger, "pci", "%s", reason);
		return result;
	}
	for (size_t i = 0; i < machine->map.bridge_count; i++) {
		result = pci_assign_resources(buses[i], &machine->map.windows[i]);
		if (result)
			return result;
	}
	return 0;
}

/* An architecture that is not finished says what it lacks. */
static int check_architecture(const struct logger *logger)
{
	size_t count;
	const struct arch_gap *gaps = arch_gaps(&count);

	for (size_t i = 0; i < count; i++)
		log_error(logger, "arch", "%s() is missing on this architecture: %s",
			  gaps[i].function, gaps[i].reason);
	return count ? -ENOSYS : 0;
}

static int build_base(struct machine *machine)
{
	int result = check_architecture(machine->logger);

	if (result)
		return result;
	result = kvm_vm_open(&machine->platform.vm, machine->platform.vm.kvm_fd, machine->logger);
	if (result)
		return result == -ENOENT ? -ENODEV : result;
	if (machine->cpus.topology.vcpus > machine->platform.vm.max_vcpus) {
		log_error(machine->logger, "cpus", "%u vCPUs, but KVM on this host allows %u",
			  machine->cpus.topology.vcpus, machine->platform.vm.max_vcpus);
		return -EINVAL;
	}
	result = create_cpus(machine);
	if (!result)
		result = bus_init(&machine->platform.mmio, 0);
	if (result)
		return result;
	result = bus_init(&machine->platform.pio, arch_map()->pci_io_end);
	if (result) {
		bus_destroy(&machine->platform.mmio);
		return result;
	}
	machine->platform.buses_ready = true;
	result = event_loop_create(&machine->platform.loop);
	if (!result)
		result = guest_memory_create(&machine->platform.memory, &machine->platform.vm,
					     machine->logger);
	if (!result)
		result = create_vcpus(machine);
	if (!result)
		result = irq_router_create(&machine->platform.irq, &machine->platform.vm,
					   arch_irq_lines(), machine->logger);
	return result;
}

/* In the order in which they are added, which decides their numbers on bus 0. */
static int list_parts(struct machine *machine)
{
	const struct machine_specification *wanted = machine->specification;
	struct machine_parts *parts = &machine->parts;
	int result = machine_parts_append(parts, &machine_platform_part, machine, NULL);

	for (size_t i = 0; i < wanted->disk_count && !result; i++)
		result =
			machine_parts_append(parts, &machine_disk_part, machine, &wanted->disks[i]);
	for (size_t i = 0; i < wanted->net_count && !result; i++)
		result = machine_parts_append(parts, &machine_net_part, machine, &wanted->nets[i]);
	if (!result && wanted->has_vsock)
		result = machine_parts_append(parts, &machine_vsock_part, machine, &wanted->vsock);
	if (!result && wanted->console.mode != CXVM_CONSOLE_OFF)
		result = machine_parts_append(parts, &machine_console_part, machine,
					      &wanted->console);
	if (!result && wanted->has_rng)
		result = machine_parts_append(parts, &machine_rng_part, machine, NULL);
	if (!result && wanted->has_balloon)
		result = machine_parts_append(parts, &machine_balloon_part, machine,
					      &wanted->balloon);
	for (size_t i = 0; i < wanted->device_count && !result; i++)
		result = machine_parts_append(parts, &machine_function_part, machine,
					      &wanted->devices[i].options);
	return result;
}

static int build(struct machine *machine)
{
	struct pci_bus *buses[LAYOUT_MAX_BRIDGES];
	int result = build_base(machine);
	uint64_t start;

	if (!result)
		result = list_parts(machine);
	if (!result)
		result = machine_parts_connect(&machine->parts);
	if (!result)
		result = create_pci(machine);
	if (!result)
		result = plan_layout(machine);
	if (!result)
		result = machine_add_ram(machine);
	if (!result)
		result = machine_load_payload(machine);
	if (!result)
		result = machine_parts_add(&machine->parts);
	if (result)
		return result;
	machine_list_root_buses(machine, buses);
	result = assign_pci(machine, buses);
	start = clock_now_ns();
	if (!result)
		result = machine_write_firmware(machine);
	machine->platform.tables_ns = clock_now_ns() - start;
	if (!result)
		result = vcpu_set_boot(machine->cpus.vcpus, machine->cpus.model,
				       machine->platform.kernel);
	return result;
}

int machine_create(struct machine **result, const struct machine_options *options)
{
	struct machine *machine = calloc(1, sizeof(*machine));
	int error;

	if (!machine) {
		if (options->kvm_fd >= 0)
			close(options->kvm_fd);
		return -ENOMEM;
	}
	machine->specification = options->specification;
	machine->cpus.topology = options->specification->cpus.topology;
	machine->logger = options->logger;
	machine->platform.panic_limit = (struct log_ratelimit)LOG_RATELIMIT_DEFAULT;
	machine->life.start_ns = options->start_ns;
	machine->life.started = options->started;
	machine->life.started_opaque = options->started_opaque;
	atomic_init(&machine->platform.copies.left, COPIES);
	machine->platform.vm.kvm_fd = options->kvm_fd;
	machine->platform.vm.fd = -1;
	machine->map.bridge_count = 1;
	error = machine_life_init(&machine->life);
	if (!error)
		error = build(machine);
	if (error) {
		machine_destroy(machine);
		return error;
	}
	*result = machine;
	return 0;
}

void machine_destroy(struct machine *machine)
{
	if (!machine)
		return;
	if (machine->cpus.vcpus)
		vcpu_set_stop(machine->cpus.vcpus);
	machine_parts_remove(&machine->parts);
	iommu_spaces_destroy(machine->platform.spaces);
	if (machine->pci.root)
		pci_root_destroy(machine->pci.root);
	vcpu_set_destroy(machine->cpus.vcpus);
	arch_kernel_destroy(machine->platform.kernel);
	arch_cpus_destroy(machine->cpus.model);
	arch_irqchip_destroy(machine->cpus.irqchip);
	if (machine->platform.irq)
		irq_router_destroy(machine->platform.irq);
	guest_memory_destroy(machine->platform.memory);
	event_loop_destroy(machine->platform.loop);
	if (machine->platform.buses_ready) {
		bus_destroy(&machine->platform.pio);
		bus_destroy(&machine->platform.mmio);
	}
	kvm_vm_close(&machine->platform.vm);
	machine_life_destroy(&machine->life);
	free(machine);
}
