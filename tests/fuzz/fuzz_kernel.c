/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86_64/boot.h"
#include "arch/x86_64/layout.h"

/* A file that is given as kernel: the input is its beginning, and what lies behind is read as 0. */
struct input {
	const uint8_t *data;
	size_t size;
};

static int read_input(void *opaque, void *data, size_t length, uint64_t offset)
{
	const struct input *input = opaque;

	memset(data, 0, length);
	if (offset < input->size)
		memcpy(data, input->data + offset,
		       length < input->size - offset ? length : input->size - (size_t)offset);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint64_t bytes = size + 0x1000000;
	struct input input = {data, size};
	size_t head_bytes = size < 4096 ? size : 4096;
	struct pvh_image pvh;
	struct bzimage bzimage;
	const char *why = NULL;
	/* Exactly as long, so that a byte behind the end is found. */
	uint8_t *head = malloc(head_bytes ? head_bytes : 1);
	struct boot_file file = {.head = head,
				 .head_bytes = head_bytes,
				 .bytes = bytes,
				 .read = read_input,
				 .opaque = &input};
	int result;

	if (!head)
		return 0;
	if (head_bytes)
		memcpy(head, data, head_bytes);
	result = pvh_parse(&file, &pvh, &why);
	if (result && !why && result != -ENOMEM)
		abort();
	for (uint32_t i = 0; !result && i < pvh.segment_count; i++) {
		const struct pvh_segment *segment = &pvh.segments[i];

		if (segment->gpa < X86_KERNEL_START ||
		    segment->gpa + segment->memory_bytes > pvh.end ||
		    segment->file_bytes > segment->memory_bytes ||
		    segment->file_offset + segment->file_bytes > bytes)
			abort();
	}
	why = NULL;
	if (bzimage_parse(head, head_bytes, bytes, &bzimage, &why) && !why)
		abort();
	free(head);
	return 0;
}
