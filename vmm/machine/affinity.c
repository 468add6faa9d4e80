/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/machine/affinity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/machine/internal.h"

static int parse_number(const char **text, unsigned long *value)
{
	char *end;

	if (**text < '0' || **text > '9')
		return -EINVAL;
	errno = 0;
	*value = strtoul(*text, &end, 10);
	if (errno)
		return -EINVAL;
	*text = end;
	return 0;
}

/* "0,2-3" up to the closing bracket. */
static int parse_list(const char **text, cpu_set_t *cpus)
{
	for (;;) {
		unsigned long first, last;

		if (parse_number(text, &first))
			return -EINVAL;
		last = first;
		if (**text == '-') {
			(*text)++;
			if (parse_number(text, &last))
				return -EINVAL;
		}
		if (last < first || last >= CPU_SETSIZE)
			return -EINVAL;
		for (unsigned long cpu = first; cpu <= last; cpu++)
			CPU_SET(cpu, cpus);
		if (**text != ',')
			return 0;
		(*text)++;
	}
}

int affinity_parse(const char *text, uint32_t vcpu, cpu_set_t *cpus, bool *found)
{
	bool outer = *text == '[';

	CPU_ZERO(cpus);
	*found = false;
	if (outer)
		text++;
	while (*text && *text != ']') {
		cpu_set_t list;
		unsigned long number;

		CPU_ZERO(&list);
		if (parse_number(&text, &number) || strncmp(text, "@[", 2))
			return -EINVAL;
		text += 2;
		if (parse_list(&text, &list) || *text != ']')
			return -EINVAL;
		text++;
		if (number == vcpu) {
			*cpus = list;
			*found = true;
		}
		if (*text == ',')
			text++;
		else if (*text && *text != ']')
			return -EINVAL;
	}
	if (outer && *text != ']')
		return -EINVAL;
	return !outer && *text ? -EINVAL : 0;
}

int machine_check_affinity(const struct machine *machine)
{
	const char *text = machine->config->cpus.affinity;
	cpu_set_t cpus;
	bool found;

	if (!text || !affinity_parse(text, 0, &cpus, &found))
		return 0;
	log_error(machine->logger, "cpus", "affinity=%s cannot be read; use [0@[0,2-3],1@[4]]",
		  text);
	return -EINVAL;
}

int machine_set_affinity(struct machine *machine, uint32_t vcpu)
{
	const char *text = machine->config->cpus.affinity;
	cpu_set_t cpus;
	bool found;
	int result;

	if (!text || affinity_parse(text, vcpu, &cpus, &found) || !found)
		return 0;
	if (!sched_setaffinity(0, sizeof(cpus), &cpus))
		return 0;
	result = -errno;
	log_error(machine->logger, "cpus", "cannot bind vcpu%u to the host CPUs of affinity=%s: %s",
		  vcpu, text, strerror(-result));
	return result;
}
