/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/devices/pci/small_machine.h"

#include <criterion/criterion.h>
#include <string.h>

#include "tests/unit/core/fake_kvm.h"

void small_machine_up(struct small_machine *machine, const struct small_machine_options *options)
{
	struct guest_ram_options ram = {
		.size = options->ram, .shared = options->shared, .host_node = -1};
	struct pci_root_options pci = {
		.mmio = &machine->mmio,
		.pio = options->ports ? &machine->pio : NULL,
		.config_ports = options->ports,
		.logger = options->logger,
		.ecam_base = SMALL_MACHINE_ECAM,
		.bus_count = 256,
		.intx_gsi_base = 16,
	};

	memset(machine, 0, sizeof(*machine));
	cr_assert_eq(bus_init(&machine->mmio, 0), 0);
	cr_assert_eq(bus_init(&machine->pio, 0x10000), 0);
	cr_assert_eq(guest_memory_create(&machine->memory, options->vm, options->logger), 0);
	cr_assert_eq(guest_memory_add_ram(machine->memory, &ram), 0);
	cr_assert_eq(
		irq_router_create(&machine->irq, options->vm, &fake_irq_lines, options->logger), 0);
	pci.irq = machine->irq;
	pci.memory = machine->memory;
	cr_assert_eq(pci_root_create(&machine->root, &pci), 0);
}

void small_machine_down(struct small_machine *machine)
{
	pci_root_destroy(machine->root);
	irq_router_destroy(machine->irq);
	guest_memory_destroy(machine->memory);
	bus_destroy(&machine->pio);
	bus_destroy(&machine->mmio);
}
