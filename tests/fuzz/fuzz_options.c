/* SPDX-License-Identifier: Apache-2.0 */
/* "key=value,..." text: the first byte chooses the section. Parsed twice it gives the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/config/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char problem[OPTION_PROBLEM_BYTES];
	const struct option_section *section;
	union {
		size_t size;
		uint8_t bytes[1024];
	} first, again;
	char *text;
	int result;

	if (!size)
		return 0;
	section = &option_sections[data[0] % option_section_count];
	text = calloc(1, size);
	if (!text || section->struct_size > sizeof(first))
		abort();
	memcpy(text, data + 1, size - 1);
	result = options_parse(section, text, &first, problem);
	if (result && !problem[0])
		abort(); /* a refusal says why */
	if (!result) {
		/* Over itself: the same keys and values. */
		memcpy(&again, &first, section->struct_size);
		if (options_copy_strings(section, &again) ||
		    options_change(section, text, &again, problem))
			abort();
		for (size_t i = 0; i < section->field_count; i++) {
			const char *left, *right;

			if (section->fields[i].type != OPTION_STRING)
				continue;
			memcpy(&left, first.bytes + section->fields[i].offset, sizeof(left));
			memcpy(&right, again.bytes + section->fields[i].offset, sizeof(right));
			if (!left != !right || (left && strcmp(left, right)))
				abort();
		}
		options_free(section, &again);
	}
	options_free(section, &first);
	free(text);
	return 0;
}
