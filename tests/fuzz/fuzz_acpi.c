/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acpi_build() and e820_build() with any description. The input is a stream of mutations of a
 * sound machine, so that deep states are reached; whatever it says, a build either fails or gives
 * tables with right lengths and checksums, and it never writes outside the buffer it was given.
 */
#include "guest-fw/acpi/acpi.h"
#include "guest-fw/x86/e820.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct stream {
	const uint8_t *data;
	size_t left;
};

struct description {
	struct acpi_machine machine;
	struct acpi_cpu cpus[8];
	struct acpi_ioapic ioapics[2];
	struct acpi_interrupt_override overrides[2];
	struct acpi_ecam ecams[2];
	struct acpi_bridge bridges[4];
	struct acpi_bridge_window windows[4][2];
	struct acpi_serial serials[2];
	struct acpi_cfmws cfmws[2];
	struct acpi_memory_affinity memory[2];
	struct acpi_generic_affinity generic[2];
	uint8_t distances[16];
	struct acpi_memory_attachment attachments[1];
	struct acpi_locality localities[1];
	uint32_t domains[2];
	uint16_t entries[4];
};

static uint64_t take(struct stream *stream, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size && stream->left; i++, stream->left--)
		value |= (uint64_t)*stream->data++ << (8 * i);
	return value;
}

static void fill(struct stream *stream, void *object, size_t size)
{
	size_t got = size < stream->left ? size : stream->left;

	memset(object, 0, size);
	memcpy(object, stream->data, got);
	stream->data += got;
	stream->left -= got;
}

static void sound_bridges(struct description *d)
{
	for (uint8_t i = 0; i < 4; i++) {
		d->windows[i][0] = (struct acpi_bridge_window){
			ACPI_WINDOW_MEMORY, false, 0xc0000000 + i * UINT64_C(0x1000000), 0x1000000};
		d->windows[i][1] = (struct acpi_bridge_window){
			ACPI_WINDOW_IO, false, 0x1000 + i * UINT64_C(0x1000), 0x1000};
		d->bridges[i] = (struct acpi_bridge){
			.kind = i ? ACPI_BRIDGE_CXL : ACPI_BRIDGE_PCIE,
			.uid = i,
			.first_bus = (uint8_t)(i * 16),
			.last_bus = (uint8_t)(i * 16 + 15),
			.config_ports = !i,
			.preserve_configuration = true,
			.windows = d->windows[i],
			.window_count = 2,
			.gsi_base = 16,
			.gsi_count = 8,
			.osc_pci_control = ACPI_OSC_PCI_CONTROL_DEFAULT,
			.component_base = i ? 0xfe000000 + i * UINT64_C(0x10000) : 0,
		};
	}
	for (uint8_t i = 0; i < 2; i++)
		d->cfmws[i] = (struct acpi_cfmws){
			.base = (i + 4) * UINT64_C(0x40000000),
			.size = 0x10000000,
			.restrictions = ACPI_CFMWS_DEVICE_COHERENT,
			.target_count = 1,
			.targets = {i + 1u},
		};
}

static void sound(struct description *d)
{
	memset(d, 0, sizeof(*d));
	for (uint32_t i = 0; i < 8; i++)
		d->cpus[i].apic_id = i * 50;
	d->ioapics[0] = (struct acpi_ioapic){.address = 0xfec00000, .gsi_count = 24};
	d->ioapics[1] = (struct acpi_ioapic){
		.id = 1, .address = 0xfec01000, .gsi_base = 24, .gsi_count = 24};
	d->overrides[0].gsi = 2;
	d->overrides[1] = (struct acpi_interrupt_override){9, 9, 0xd};
	d->ecams[0] = (struct acpi_ecam){.base = 0xe0000000, .last_bus = 127};
	d->ecams[1] = (struct acpi_ecam){0xf0000000, 1, 0, 15};
	sound_bridges(d);
	d->serials[0] = (struct acpi_serial){0x3f8, 4};
	d->serials[1] = (struct acpi_serial){0x2f8, 3};
	for (uint32_t i = 0; i < 2; i++) {
		d->memory[i] = (struct acpi_memory_affinity){.base = i * UINT64_C(0x10000000),
							     .size = 0x10000000,
							     .proximity_domain = i};
		d->generic[i] = (struct acpi_generic_affinity){
			.kind = i ? ACPI_GENERIC_PORT : ACPI_GENERIC_INITIATOR,
			.proximity_domain = 2 + i,
			.hid = "ACPI0016",
			.uid = i,
		};
		d->domains[i] = i * 3;
	}
	for (size_t i = 0; i < 16; i++)
		d->distances[i] = i % 5 ? 20 : 10;
	d->localities[0] = (struct acpi_locality){.base_unit = 1,
						  .initiators = d->domains,
						  .initiator_count = 2,
						  .targets = d->domains,
						  .target_count = 2,
						  .entries = d->entries};
}

static void choose_counts(struct description *d, struct stream *stream)
{
	struct acpi_machine *machine = &d->machine;

	machine->cpus = d->cpus;
	machine->cpu_count = 1 + take(stream, 1) % 8;
	machine->local_apic_address = 0xfee00000;
	machine->ioapics = d->ioapics;
	machine->ioapic_count = 1 + take(stream, 1) % 2;
	machine->overrides = d->overrides;
	machine->override_count = take(stream, 1) % 3;
	machine->ecams = d->ecams;
	machine->ecam_count = take(stream, 1) % 3;
	machine->bridges = d->bridges;
	machine->bridge_count = take(stream, 1) % 5;
	machine->serials = d->serials;
	machine->serial_count = take(stream, 1) % 3;
	machine->cfmws = d->cfmws;
	machine->cfmws_count = take(stream, 1) % 3;
	machine->memory = d->memory;
	machine->memory_count = take(stream, 1) % 3;
	machine->generic = d->generic;
	machine->generic_count = take(stream, 1) % 3;
	machine->distances = d->distances;
	machine->distance_count = take(stream, 1) % 5;
	machine->attachments = d->attachments;
	machine->attachment_count = take(stream, 1) % 2;
	machine->localities = d->localities;
	machine->locality_count = take(stream, 1) % 2;
}

static void choose_platform(struct description *d, struct stream *stream)
{
	struct acpi_machine *machine = &d->machine;
	uint64_t flags = take(stream, 1);

	machine->processor_devices = flags & 1;
	machine->spcr = flags & 2;
	machine->rtc = flags & 4;
	machine->i8042 = flags & 8;
	if (flags & 16) {
		machine->sleep_control = (struct acpi_register){ACPI_SPACE_IO, 0x600};
		machine->sleep_status = (struct acpi_register){ACPI_SPACE_IO, 0x601};
	}
	if (flags & 32)
		machine->ged = (struct acpi_ged){{ACPI_SPACE_IO, 0x604}, 9, 3};
	machine->pvpanic_port = (uint16_t)take(stream, 2);
	machine->reset.address = take(stream, 2);
	machine->reset.space = flags & 64 ? ACPI_SPACE_IO : ACPI_SPACE_MEMORY;
}

/* Overwrite one element, keeping the pointers that a description owns. */
static void mutate(struct description *d, struct stream *stream)
{
	uint64_t which = take(stream, 1);
	size_t index = take(stream, 1);

	switch (which % 14) {
	case 0:
		fill(stream, &d->cpus[index % 8].apic_id, sizeof(d->cpus[0].apic_id));
		d->cpus[index % 8].proximity_domain = (uint32_t)take(stream, 4);
		break;
	case 1:
		fill(stream, &d->ioapics[index % 2], sizeof(d->ioapics[0]));
		break;
	case 2:
		fill(stream, &d->overrides[index % 2], sizeof(d->overrides[0]));
		break;
	case 3:
		fill(stream, &d->ecams[index % 2], sizeof(d->ecams[0]));
		break;
	case 4: {
		struct acpi_bridge *bridge = &d->bridges[index % 4];

		bridge->kind = (enum acpi_bridge_kind)(take(stream, 1) % 3);
		bridge->uid = (uint32_t)take(stream, 4);
		bridge->segment = (uint16_t)take(stream, 1);
		bridge->first_bus = (uint8_t)take(stream, 1);
		bridge->last_bus = (uint8_t)take(stream, 1);
		bridge->window_count = take(stream, 1) % 3;
		bridge->gsi_base = (uint32_t)take(stream, 4);
		bridge->gsi_count = (uint32_t)take(stream, 1);
		bridge->has_proximity_domain = take(stream, 1) & 1;
		bridge->proximity_domain = (uint32_t)take(stream, 4);
		bridge->component_base = take(stream, 8);
		break;
	}
	case 5: {
		struct acpi_bridge_window *window = &d->windows[index % 4][index / 4 % 2];

		window->kind = (enum acpi_window_kind)(take(stream, 1) % 3);
		window->prefetchable = take(stream, 1) & 1;
		window->base = take(stream, 8);
		window->size = take(stream, 8);
		break;
	}
	case 6:
		fill(stream, &d->serials[index % 2], sizeof(d->serials[0]));
		break;
	case 7:
		fill(stream, &d->cfmws[index % 2], sizeof(d->cfmws[0]));
		break;
	case 8:
		d->memory[index % 2].base = take(stream, 8);
		d->memory[index % 2].size = take(stream, 8);
		d->memory[index % 2].proximity_domain = (uint32_t)take(stream, 4);
		d->memory[index % 2].hot_pluggable = index & 2;
		break;
	case 9:
		d->generic[index % 2].kind = (enum acpi_generic_kind)(take(stream, 1) % 3);
		d->generic[index % 2].handle = (enum acpi_handle_kind)(take(stream, 1) % 3);
		d->generic[index % 2].proximity_domain = (uint32_t)take(stream, 4);
		fill(stream, d->generic[index % 2].hid, sizeof(d->generic[0].hid));
		break;
	case 10:
		d->distances[index % 16] = (uint8_t)take(stream, 1);
		break;
	case 11:
		fill(stream, &d->attachments[0], sizeof(d->attachments[0]));
		break;
	case 12:
		d->localities[0].data = (enum acpi_locality_data)(take(stream, 1) % 8);
		d->localities[0].base_unit = take(stream, 8);
		d->localities[0].initiator_count = take(stream, 1) % 3;
		d->localities[0].target_count = take(stream, 1) % 3;
		fill(stream, d->domains, sizeof(d->domains));
		break;
	default:
		d->machine.s5_type = (uint8_t)take(stream, 1);
		d->machine.pm_timer_port = (uint16_t)take(stream, 2);
		d->machine.ged.event.address = take(stream, 8);
		d->machine.ged.gsi = (uint32_t)take(stream, 4);
		d->machine.ged.events = (uint32_t)take(stream, 4);
		d->machine.local_apic_address = (uint32_t)take(stream, 4);
		break;
	}
}

static void check_tables(const uint8_t *buffer, const struct acpi_result *result)
{
	for (size_t i = 0; i < result->table_count; i++) {
		const struct acpi_table_place *place = &result->tables[i];
		uint8_t sum = 0;

		if (place->length > result->used || place->offset > result->used - place->length)
			abort();
		for (size_t j = 0; j < place->length; j++)
			sum = (uint8_t)(sum + buffer[place->offset + j]);
		if (sum)
			abort();
	}
}

static void build(const struct acpi_machine *machine, uint64_t gpa, size_t short_by)
{
	struct acpi_result needed, result;
	uint8_t *buffer;
	size_t size;
	int error = acpi_build(machine, gpa, NULL, 0, &needed);

	if (error == -EINVAL) {
		if (!needed.reason[0])
			abort();
		return;
	}
	if (error != -ENOSPC || !needed.used)
		abort();
	size = needed.used - short_by % needed.used;
	/* malloc(): the sanitizer watches the byte after the end. */
	buffer = malloc(size);
	if (!buffer)
		return;
	error = acpi_build(machine, gpa, buffer, size, &result);
	if (error != -EINVAL && error != (size == needed.used ? 0 : -ENOSPC))
		abort();
	if (error != -EINVAL && result.used != needed.used)
		abort();
	if (!error)
		check_tables(buffer, &result);
	free(buffer);
}

static void build_map(struct stream *stream)
{
	struct e820_range ranges[9];
	struct e820_entry entries[E820_MAX];
	size_t count;

	for (size_t i = 0; i < 9; i++) {
		ranges[i].base = take(stream, 8);
		ranges[i].size = take(stream, 8);
	}
	if (e820_build(&(struct e820_input){ranges, 3, ranges + 3, 3, ranges[6], ranges + 7, 2},
		       entries, E820_MAX, &count))
		return;
	for (size_t i = 1; i < count; i++)
		if (entries[i].base < entries[i - 1].base + entries[i - 1].size)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stream stream = {data, size};
	struct description description;
	uint64_t gpa;
	size_t short_by;

	if (size && data[0] == 'e') {
		take(&stream, 1);
		build_map(&stream);
		return 0;
	}
	sound(&description);
	gpa = 0x1000 + take(&stream, 2) * 8;
	short_by = take(&stream, 1) % 4 ? 0 : take(&stream, 2);
	choose_counts(&description, &stream);
	choose_platform(&description, &stream);
	for (unsigned int i = 0; i < 64 && stream.left; i++)
		mutate(&description, &stream);
	build(&description.machine, gpa, short_by);
	return 0;
}
