/* SPDX-License-Identifier: Apache-2.0 */
#include "machine_example.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(acpi_check, accepts_the_examples)
{
	struct example example;
	char reason[160] = "x";

	example_minimal(&example);
	cr_assert_eq(acpi_check(&example.machine, reason, sizeof(reason)), 0, "%s", reason);
	cr_assert_str_empty(reason);
	example_full(&example);
	cr_assert_eq(acpi_check(&example.machine, reason, sizeof(reason)), 0, "%s", reason);
	/* No place for a reason is fine, too. */
	example.machine.cpu_count = 0;
	cr_assert_eq(acpi_check(&example.machine, NULL, 0), -EINVAL);
}

/*
 * Each case spoils the full example in one place; the reason must begin with the name of the
 * field that is wrong.
 */
#define BAD(name, begins, statement)                                                               \
	Test(acpi_check, name)                                                                     \
	{                                                                                          \
		struct example e;                                                                  \
		char reason[160];                                                                  \
		uint8_t data[64];                                                                  \
		struct acpi_result result;                                                         \
		example_full(&e);                                                                  \
		statement;                                                                         \
		cr_assert_eq(acpi_check(&e.machine, reason, sizeof(reason)), -EINVAL);             \
		cr_assert_eq(strncmp(reason, begins, strlen(begins)), 0, "reason: %s", reason);    \
		cr_assert_eq(acpi_build(&e.machine, 0x1000, data, sizeof(data), &result),          \
			     -EINVAL);                                                             \
		cr_assert_str_eq(result.reason, reason);                                           \
	}

BAD(no_cpus, "cpus: 0 entries", e.machine.cpu_count = 0)
BAD(null_cpus, "cpus: 4 entries but no array", e.machine.cpus = NULL)
BAD(too_many_cpus, "cpus:", e.machine.cpu_count = ACPI_CPU_MAX + 1)
BAD(same_apic_id, "cpus[2].apic_id", e.cpus[2].apic_id = 1)
BAD(broadcast_apic_id, "cpus[1].apic_id", e.cpus[1].apic_id = UINT32_MAX)
BAD(boot_cpu_disabled, "cpus[0].disabled", e.cpus[0].disabled = true)
BAD(no_ioapic, "ioapics", e.machine.ioapic_count = 0)
BAD(local_apic_address, "local_apic_address", e.machine.local_apic_address = 0xfee00010)
BAD(ioapic_address, "ioapics[0].address", e.ioapic.address = 0xfec00010)
BAD(ioapic_inputs, "ioapics[0].gsi_count", e.ioapic.gsi_count = 0)
BAD(ioapic_wraps, "ioapics[0].gsi_count", e.ioapic.gsi_base = UINT32_MAX - 4)
BAD(override_irq, "overrides[0].irq", e.override.irq = 16)
BAD(override_flags, "overrides[0].flags", e.override.flags = 2)
BAD(override_high_flags, "overrides[0].flags", e.override.flags = 0x10)
BAD(override_gsi, "overrides[0]: GSI 24", e.override.gsi = 24)
BAD(ecam_alignment, "ecams[0].base", e.ecam.base += 0x1000)
BAD(ecam_wraps, "ecams[0].base", e.ecam.base = UINT64_MAX - 0xfffff)
BAD(ecam_buses, "ecams[0].last_bus", (e.ecam.first_bus = 9, e.ecam.last_bus = 8))
BAD(ecam_too_small, "bridges[2]: no ECAM", e.ecam.last_bus = 0x22)
BAD(ecam_over_window, "a window of bridges[0]: 0xc0000000", e.ecam.base = 0xc0000000)
BAD(bridge_kind, "bridges[1].kind", e.bridges[1].kind = 2)
BAD(bridge_buses, "bridges[1].last_bus", e.bridges[1].last_bus = 0x0f)
BAD(bridge_uid_twice, "bridges[2].uid", e.bridges[2].uid = e.bridges[1].uid)
BAD(bridge_bus_twice, "bridges[1]: buses", e.bridges[1].first_bus = 0x0f)
BAD(bridge_config_twice, "bridges[1].config_ports", e.bridges[1].config_ports = true)
BAD(bridge_no_windows, "bridges[].windows", e.bridges[0].windows = NULL)
BAD(bridge_gsi, "bridges[0]: GSI 24", e.bridges[0].gsi_count = 9)
BAD(bridge_many_gsi, "bridges[0].gsi_count", e.bridges[0].gsi_count = 129)
BAD(bridge_pcie_component, "bridges[0].component_base", e.bridges[0].component_base = 0xfe000000)
BAD(bridge_no_component, "bridges[1].component_base", e.bridges[1].component_base = 0)
BAD(bridge_component_alignment, "bridges[1].component_base", e.bridges[1].component_base += 0x1000)
BAD(bridge_component_twice, "component_base of bridges[2]",
    e.bridges[2].component_base = e.bridges[1].component_base)
BAD(window_empty, "bridges[0].windows[2].size", e.windows[0][2].size = 0)
BAD(window_wraps, "bridges[0].windows[3].size", e.windows[0][3].size = UINT64_MAX)
BAD(window_kind, "bridges[0].windows[2].kind", e.windows[0][2].kind = 7)
BAD(window_crosses_4g, "bridges[0].windows[2]:",
    (e.windows[0][2].base = 0xf0000000, e.windows[0][2].size = 0x20000000))
BAD(window_io_size, "bridges[0].windows[1]:", e.windows[0][1].size = 0x10000)
BAD(window_io_prefetch, "bridges[0].windows[0]:", e.windows[0][0].prefetchable = true)
BAD(window_config_ports, "bridges[0].windows[0]: holds", e.windows[0][0].size = 0xcf9)
BAD(window_overlap, "a window of bridges[2]", e.windows[2][0].base = e.windows[1][0].base)
BAD(window_over_ram, "memory[1]",
    (e.windows[0][3].base = e.memory[1].base, e.windows[0][3].size = 0x1000))
BAD(sleep_half, "sleep_control, sleep_status", e.machine.sleep_status.address = 0)
BAD(sleep_port, "sleep_control.address", e.machine.sleep_control.address = 0x10000)
BAD(sleep_space, "sleep_status.space", e.machine.sleep_status.space = 5)
BAD(s5_type, "s5_type", e.machine.s5_type = 8)
BAD(pm_timer, "pm_timer_port", e.machine.pm_timer_port = 0x609)
BAD(ged_no_events, "ged.events", e.machine.ged.events = 0)
BAD(ged_unknown_events, "ged.events", e.machine.ged.events = 8)
BAD(ged_alignment, "ged.event.address", e.machine.ged.event.address = 0x605)
BAD(ged_gsi, "ged[0]: GSI 99", e.machine.ged.gsi = 99)
BAD(ged_shares_intx, "ged[0].gsi", e.machine.ged.gsi = 16)
BAD(serial_shares_intx, "serials[0].gsi", e.serial.gsi = 23)
BAD(serial_shares_ged, "serials[0].gsi", e.serial.gsi = 9)
BAD(serial_port, "serials[0].port", e.serial.port = 0x3f9)
BAD(spcr_without_serial, "spcr", e.machine.serial_count = 0)
BAD(century_without_clock, "rtc_century", (e.machine.rtc = false, e.machine.rtc_century = 0x32))
BAD(cfmws_base, "cfmws[0].base", e.cfmws[0].base += 0x1000)
BAD(cfmws_size, "cfmws[0].size", e.cfmws[0].size -= 0x1000)
BAD(cfmws_size_zero, "cfmws[0].size", e.cfmws[0].size = 0)
BAD(cfmws_wraps, "cfmws[0].size",
    (e.cfmws[0].base = UINT64_C(0xfffffffff0000000), e.cfmws[0].size = 0x20000000))
BAD(cfmws_ways, "cfmws[0].target_count", e.cfmws[0].target_count = 5)
BAD(cfmws_no_target, "cfmws[0].target_count", e.cfmws[0].target_count = 0)
BAD(cfmws_ways_size, "cfmws[1].size",
    (e.cfmws[1].target_count = 3, e.cfmws[1].targets[1] = 0x10, e.cfmws[1].targets[2] = 0x10))
BAD(cfmws_granularity, "cfmws[0].encoded_granularity", e.cfmws[0].encoded_granularity = 7)
BAD(cfmws_unrestricted, "cfmws[0].restrictions", e.cfmws[0].restrictions = 0)
BAD(cfmws_unknown_restriction, "cfmws[0].restrictions", e.cfmws[0].restrictions = 0x40)
BAD(cfmws_target, "cfmws[1].targets[0]", e.cfmws[1].targets[0] = 0)
BAD(cfmws_overlap, "cfmws[1]:", e.cfmws[1].base = e.cfmws[0].base)
BAD(cfmws_over_ram, "memory[1]", e.cfmws[0].base = e.memory[1].base)
BAD(memory_empty, "memory[0].size", e.memory[0].size = 0)
BAD(memory_overlap, "memory[1]: overlaps", e.memory[1].base = 0x1000)
BAD(memory_domain, "memory[1].proximity_domain", e.memory[1].proximity_domain = 256)
BAD(generic_kind, "generic[0].kind", e.generic[0].kind = 2)
BAD(generic_handle, "generic[0].handle", e.generic[0].handle = 2)
BAD(generic_hid, "generic[1].hid", e.generic[1].hid[7] = '\0')
BAD(generic_without_memory, "memory:", e.machine.memory_count = 0)
BAD(bridge_domain, "bridges[1].proximity_domain", e.bridges[1].proximity_domain = 9)
BAD(distance_local, "distances[5]", e.distances[5] = 11)
BAD(distance_remote, "distances[1]", e.distances[1] = 10)
BAD(distance_missing, "distance_count", e.machine.distance_count = 1)
BAD(attachment_initiator, "attachments[0]", e.attachments[0].initiator_domain = 3)
BAD(attachment_memory, "attachments[1]", e.attachments[1].memory_domain = 2)
BAD(locality_data, "localities[0]", e.localities[0].data = 6)
BAD(locality_unit, "localities[1]", e.localities[1].base_unit = 0)
BAD(locality_entries, "localities[1]", e.localities[1].entries = NULL)
BAD(locality_targets, "localities[0]: target", e.targets[1] = 7)
BAD(locality_initiators, "localities[0]: initiator", e.initiators[1] = 200)

Test(acpi_check, hot_pluggable_memory_may_cover_a_fixed_window)
{
	struct example e;
	char reason[160];

	example_full(&e);
	e.memory[1].base = e.cfmws[0].base;
	e.memory[1].size = e.cfmws[0].size;
	cr_assert_eq(acpi_check(&e.machine, reason, sizeof(reason)), -EINVAL);
	e.memory[1].hot_pluggable = true;
	cr_assert_eq(acpi_check(&e.machine, reason, sizeof(reason)), 0, "%s", reason);
}

/* The longest names and numbers end in a cut sentence, never in a write past the reason. */
Test(acpi_check, a_short_reason_is_cut)
{
	struct example e;
	char reason[8] = "1234567";

	example_full(&e);
	e.machine.s5_type = 255;
	cr_assert_eq(acpi_check(&e.machine, reason, 5), -EINVAL);
	cr_assert_str_eq(reason, "s5_t");
	cr_assert_eq(reason[5], '6');
}
