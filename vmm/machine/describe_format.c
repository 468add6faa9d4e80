/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "vmm/machine/describe.h"

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
};

const char *description_kind_name(enum description_kind kind)
{
	return kinds[kind].name;
}

static void format_size(uint64_t size, char *text, size_t length)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	unsigned int unit = 0;

	while (unit < 4 && size >= 1024 && size % 1024 == 0) {
		size /= 1024;
		unit++;
	}
	snprintf(text, length, "%" PRIu64 " %s", size, units[unit]);
}

/* How deep a row is nested: in how many earlier rows it lies. */
static unsigned int depth_of(const struct description *description, size_t index)
{
	const struct description_row *row = &description->rows[index];
	unsigned int depth = 0;

	for (size_t i = 0; i < index; i++)
		if (row->base - description->rows[i].base < description->rows[i].size)
			depth++;
	return depth;
}

static void write_text(FILE *stream, const struct description *description)
{
	char size[32];

	fprintf(stream, "Guest physical map\n");
	for (size_t i = 0; i < description->count; i++) {
		const struct description_row *row = &description->rows[i];

		format_size(row->size, size, sizeof(size));
		fprintf(stream, "  0x%012" PRIx64 "-0x%012" PRIx64 " %10s  %*s%-10s  %s\n",
			row->base, row->base + row->size - 1, size,
			(int)(2 * depth_of(description, i)), "", kinds[row->kind].name, row->text);
	}
	for (size_t i = 0; i < description->device_count; i++) {
		const struct description_device *device = &description->devices[i];
		const struct passthrough_timeline *timeline = device->timeline;

		fprintf(stream, "Device %s: %04x:%04x class %06x", device->id,
			device->facts->vendor, device->facts->device, device->facts->class_code);
		if (device->facts->cxl) {
			format_size(device->facts->dpa_size, size, sizeof(size));
			fprintf(stream, ", CXL, %s of device memory, %u HDM decoders%s", size,
				device->facts->decoders,
				device->facts->firmware_committed ? ", committed by firmware" : "");
		}
		fprintf(stream,
			"\n  attach: connect %" PRIu64 " us, info %" PRIu64 " us, plan %" PRIu64
			" us, map %" PRIu64 " us, plug %" PRIu64 " us, slots %" PRIu64
			" us, DMA %" PRIu64 " us\n",
			timeline->connect / 1000, timeline->info / 1000, timeline->plan / 1000,
			timeline->map / 1000, timeline->plug / 1000, timeline->slots / 1000,
			timeline->dma / 1000);
	}
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

		json_array_append_new(map, json_pack("{s:o, s:o, s:s, s:s}", "base",
						     json_address(row->base), "size",
						     json_address(row->size), "kind",
						     kinds[row->kind].name, "what", row->text));
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
	if (json_object_set_new(root, "map", map) ||
	    json_object_set_new(root, "devices", devices) ||
	    json_dumpf(root, stream, JSON_INDENT(2)))
		result = -ENOMEM;
	fputc('\n', stream);
	json_decref(root);
	return result;
}

/* One line per row, not to scale: the sizes differ by nine orders of magnitude. */
static void write_svg(FILE *stream, const struct description *description)
{
	const int line = 22, width = 900;
	char size[32];

	fprintf(stream,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%zu\" "
		"font-family=\"monospace\" "
		"font-size=\"12\">\n<title>Guest physical map</title>\n",
		width, (description->count + 1) * (size_t)line);
	for (size_t i = 0; i < description->count; i++) {
		const struct description_row *row = &description->rows[i];
		unsigned int indent = 16 * depth_of(description, i);
		size_t y = i * (size_t)line + 4;

		format_size(row->size, size, sizeof(size));
		fprintf(stream,
			"<rect x=\"%u\" y=\"%zu\" width=\"%u\" height=\"%d\" fill=\"%s\" "
			"stroke=\"#666\"/>"
			"<text x=\"%u\" y=\"%zu\">0x%012" PRIx64 "  %s  %s: ",
			150 + indent, y, (unsigned int)width - 160 - indent, line - 2,
			kinds[row->kind].colour, 156 + indent, y + 14, row->base, size,
			kinds[row->kind].name);
		for (const char *c = row->text; *c; c++) {
			if (*c == '<' || *c == '>' || *c == '&')
				fprintf(stream, "&#%d;", *c);
			else
				fputc((unsigned char)*c < 0x20 ? ' ' : *c, stream);
		}
		fprintf(stream, "</text>\n");
	}
	fprintf(stream, "</svg>\n");
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
		write_svg(stream, description);
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
