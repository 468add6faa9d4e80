/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/api/describe_format.h"
#include "vmm/api/describe_rows.h"

static void write_text(FILE *stream, const struct description *description)
{
	char size[32];

	fprintf(stream, "Guest physical map\n");
	for (size_t i = 0; i < description->count; i++) {
		const struct description_row *row = &description->rows[i];

		description_size(row->size, size, sizeof(size));
		fprintf(stream, "  0x%012" PRIx64 "-0x%012" PRIx64 " %10s  %*s%-10s  %s\n",
			row->base, row->base + row->size - 1, size,
			(int)(2 * description_depth(description, i)), "",
			description_kind_name(row->kind), row->text);
	}
	for (size_t i = 0; i < description->device_count; i++) {
		const struct description_device *device = &description->devices[i];
		struct description_phase phases[DESCRIPTION_PHASES];

		fprintf(stream, "Device %s: %04x:%04x class %06x", device->id,
			device->facts->vendor, device->facts->device, device->facts->class_code);
		if (device->facts->cxl) {
			description_size(device->facts->dpa_size, size, sizeof(size));
			fprintf(stream, ", CXL, %s of device memory, %u HDM decoders%s", size,
				device->facts->decoders,
				device->facts->firmware_committed ? ", committed by firmware" : "");
		}
		description_phases(device->timeline, phases);
		fprintf(stream, "\n  attach:");
		for (size_t j = 0; j < DESCRIPTION_PHASES; j++)
			fprintf(stream, "%s %s %" PRIu64 " us", j ? "," : "", phases[j].name,
				phases[j].ns / 1000);
		fputc('\n', stream);
	}
	fprintf(stream, "Firmware tables of the whole machine: %" PRIu64 " us\n",
		description->tables_ns / 1000);
}

static json_t *json_address(uint64_t value)
{
	char text[24];

	/* As text: JSON numbers of many readers are doubles. */
	snprintf(text, sizeof(text), "0x%" PRIx64, value);
	return json_string(text);
}

static int write_json(FILE *stream, const struct description *description)
{
	json_t *root = json_object(), *map = json_array(), *devices = json_array();
	int result = 0;

	for (size_t i = 0; i < description->count; i++) {
		const struct description_row *row = &description->rows[i];

		json_array_append_new(
			map, json_pack("{s:o, s:o, s:s, s:s}", "base", json_address(row->base),
				       "size", json_address(row->size), "kind",
				       description_kind_name(row->kind), "what", row->text));
	}
	for (size_t i = 0; i < description->device_count; i++) {
		const struct description_device *device = &description->devices[i];
		const struct passthrough_timeline *timeline = device->timeline;

		json_array_append_new(
			devices,
			json_pack("{s:s, s:i, s:i, s:b, s:o, s:i, s:{s:I, s:I, s:I, s:I, s:I, s:I, "
				  "s:I}}",
				  "id", device->id, "vendor", (int)device->facts->vendor, "device",
				  (int)device->facts->device, "cxl", (int)device->facts->cxl,
				  "dpa_size", json_address(device->facts->dpa_size), "decoders",
				  (int)device->facts->decoders, "attach_ns", "connect",
				  (json_int_t)timeline->connect, "info", (json_int_t)timeline->info,
				  "plan", (json_int_t)timeline->plan, "map",
				  (json_int_t)timeline->map, "plug", (json_int_t)timeline->plug,
				  "slots", (json_int_t)timeline->slots, "dma",
				  (json_int_t)timeline->dma));
	}
	json_object_set_new(root, "tables_ns", json_integer((json_int_t)description->tables_ns));
	if (json_object_set_new(root, "map", map) ||
	    json_object_set_new(root, "devices", devices) ||
	    json_dumpf(root, stream, JSON_INDENT(2)))
		result = -ENOMEM;
	fputc('\n', stream);
	json_decref(root);
	return result;
}

int description_format(const struct description *description, enum cxvm_format format, char **text)
{
	size_t length;
	int result = 0;
	FILE *stream = open_memstream(text, &length);

	if (!stream)
		return -ENOMEM;
	if (format == CXVM_FORMAT_TEXT)
		write_text(stream, description);
	else if (format == CXVM_FORMAT_JSON)
		result = write_json(stream, description);
	else if (format == CXVM_FORMAT_SVG)
		description_svg(stream, description);
	else
		result = -EINVAL;
	if (fclose(stream) && !result)
		result = -ENOMEM;
	if (result) {
		free(*text);
		*text = NULL;
	}
	return result;
}
