/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/api/describe_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	const char *colour;
} kinds[] = {
	[DESCRIPTION_RAM] = {"RAM", "#9ecae1"},
	[DESCRIPTION_FIRMWARE] = {"firmware", "#c7b9e5"},
	[DESCRIPTION_WINDOW] = {"PCI window", "#eeeeee"},
	[DESCRIPTION_CFMWS] = {"CXL window", "#e5f5e0"},
	[DESCRIPTION_BAR] = {"BAR", "#dddddd"},
	[DESCRIPTION_DIRECT] = {"direct", "#a1d99b"},
	[DESCRIPTION_DPA] = {"CXL memory", "#41ab5d"},
	[DESCRIPTION_TRAPPED] = {"trapped", "#fc9272"},
	[DESCRIPTION_KVM] = {"KVM", "#fdd49e"},
	[DESCRIPTION_PORT] = {"I/O port", "#ffffff"},
};

const char *description_kind_name(enum description_kind kind)
{
	return kinds[kind].name;
}

const char *description_kind_colour(enum description_kind kind)
{
	return kinds[kind].colour;
}

void description_phases(const struct passthrough_timeline *timeline,
			struct description_phase phases[DESCRIPTION_PHASES])
{
	const struct description_phase all[DESCRIPTION_PHASES] = {
		{"connect", timeline->connect}, {"info", timeline->info}, {"plan", timeline->plan},
		{"map", timeline->map},         {"plug", timeline->plug}, {"DMA", timeline->dma},
		{"slots", timeline->slots},
	};

	memcpy(phases, all, sizeof(all));
}

void description_size(uint64_t size, char *text, size_t length)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	unsigned int unit = 0;

	while (unit < 4 && size >= 1024 && size % 1024 == 0) {
		size /= 1024;
		unit++;
	}
	snprintf(text, length, "%" PRIu64 " %s", size, units[unit]);
}

unsigned int description_depth(const struct description *description, size_t index)
{
	const struct description_row *row = &description->rows[index];
	unsigned int depth = 0;

	/* Ports are inside nothing, and nothing is inside them. */
	for (size_t i = 0; i < index && row->kind != DESCRIPTION_PORT; i++)
		if (description->rows[i].kind != DESCRIPTION_PORT &&
		    row->base - description->rows[i].base < description->rows[i].size)
			depth++;
	return depth;
}
