/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/kvm/api/machine_run.h"
#include "vmm/api/vm.h"
#include "vmm/machine/internal.h"

/* Where the firmware tables are, and what of the SRAT says in which node a processor is (ACPI 6.5,
 * 5.2.16.1). */
#define TABLES_START      0xe0000u
#define TABLES_BYTES      0x20000u
#define SRAT_HEADER_BYTES 48u
#define SRAT_LOCAL_APIC   0u
#define SRAT_LENGTH_AT    4u
#define ENTRY_DOMAIN_AT   2u
#define ENTRY_APIC_AT     3u
#define NOT_THERE         UINT32_MAX

static struct machine_run run;

/* The proximity domain of a processor in the SRAT of a machine that has run. */
static uint32_t domain_of(const struct machine_run *ended, uint8_t apic)
{
	const struct machine *machine = atomic_load(&ended->vm->machine);
	const uint8_t *tables =
		guest_memory_at(machine->platform.memory, TABLES_START, TABLES_BYTES);
	const uint8_t *srat;
	uint32_t length;

	cr_assert_not_null(tables);
	srat = memmem(tables, TABLES_BYTES, "SRAT", 4);
	if (!srat)
		return NOT_THERE;
	memcpy(&length, srat + SRAT_LENGTH_AT, sizeof(length));
	for (uint32_t at = SRAT_HEADER_BYTES; at < length; at += srat[at + 1])
		if (srat[at] == SRAT_LOCAL_APIC && srat[at + ENTRY_APIC_AT] == apic)
			return srat[at + ENTRY_DOMAIN_AT];
	return NOT_THERE;
}

static void must_have_domains(const char *cpus_0, const char *cpus_1, const uint32_t wanted[4])
{
	char text[64];

	machine_run_create(&run, "end", "how=4");
	machine_run_set(&run, "cpus", "4");
	machine_run_set(&run, "memory", "64M");
	snprintf(text, sizeof(text), "guest_numa_id=0,size=32M,cpus=%s", cpus_0);
	machine_run_set(&run, "numa", text);
	snprintf(text, sizeof(text), "guest_numa_id=1,size=32M,cpus=%s", cpus_1);
	machine_run_set(&run, "numa", text);
	cr_assert_eq(cxvm_run(run.vm, NULL), 0, "%s", run.log);
	for (uint8_t i = 0; i < 4; i++)
		cr_expect_eq(domain_of(&run, i), wanted[i], "processor %u, %s and %s: %u", i,
			     cpus_0, cpus_1, domain_of(&run, i));
	cxvm_destroy(run.vm);
}

Test(numa, the_srat_says_what_the_configuration_says, .timeout = 60)
{
	machine_run_require_kvm();
	must_have_domains("[0-1]", "[2-3]", (const uint32_t[]){0, 0, 1, 1});
	must_have_domains("[0,2]", "[1,3]", (const uint32_t[]){0, 1, 0, 1});
	must_have_domains("3", "0-2", (const uint32_t[]){1, 1, 1, 0});
}
