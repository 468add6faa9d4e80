/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "vmm/api/describe_format.h"
#include "vmm/api/describe_rows.h"

/*
 * The guest physical map as a picture: addresses on the left, a box per row on the right, nested as
 * the ranges are; below it what the colours mean, and how long each phase of an attachment took.
 * Not to scale: the sizes differ by nine orders of magnitude.
 */
#define LINE       22
#define WIDTH      1060
#define BOX_LEFT   330
#define BOX_RIGHT  (WIDTH - 8)
#define TEXT_DOWN  14 /* from a row's top to its base line */
#define BAR_HEIGHT 14

static void svg_text(FILE *stream, const char *text)
{
	for (const char *c = text; *c; c++) {
		if (*c == '<' || *c == '>' || *c == '&')
			fprintf(stream, "&#%d;", *c);
		else
			fputc((unsigned char)*c < 0x20 ? ' ' : *c, stream);
	}
}

static void svg_row(FILE *stream, const struct description *description, size_t index, size_t y)
{
	const struct description_row *row = &description->rows[index];
	int left = BOX_LEFT + 16 * (int)description_depth(description, index);
	char size[32];

	description_size(row->size, size, sizeof(size));
	fprintf(stream,
		"<text x=\"8\" y=\"%zu\">0x%012" PRIx64 "-0x%012" PRIx64 "</text>"
		"<text x=\"%d\" y=\"%zu\" text-anchor=\"end\">%s</text>"
		"<rect x=\"%d\" y=\"%zu\" width=\"%d\" height=\"%d\" fill=\"%s\" "
		"stroke=\"#666\"/><text x=\"%d\" y=\"%zu\">",
		y + TEXT_DOWN, row->base, row->base + row->size - 1, BOX_LEFT - 10, y + TEXT_DOWN,
		size, left, y, BOX_RIGHT - left, LINE - 2, description_kind_colour(row->kind),
		left + 6, y + TEXT_DOWN);
	svg_text(stream, row->text);
	fprintf(stream, "</text>\n");
}

static void svg_legend(FILE *stream, size_t y)
{
	static const struct {
		enum description_kind kind;
		const char *text;
	} entries[] = {
		{DESCRIPTION_RAM, "RAM"},
		{DESCRIPTION_DIRECT, "device, direct: no exit"},
		{DESCRIPTION_DPA, "CXL memory: no exit"},
		{DESCRIPTION_TRAPPED, "trapped: served by cxvm"},
		{DESCRIPTION_KVM, "served by KVM"},
	};
	int x = 8;

	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		fprintf(stream,
			"<rect x=\"%d\" y=\"%zu\" width=\"14\" height=\"14\" fill=\"%s\" "
			"stroke=\"#666\"/><text x=\"%d\" y=\"%zu\">%s</text>\n",
			x, y + 2, description_kind_colour(entries[i].kind), x + 20, y + TEXT_DOWN,
			entries[i].text);
		x += 205;
	}
}

/* A bar of all phases in proportion, with their names and times below it. */
static void svg_timeline(FILE *stream, const struct description_device *device, size_t y)
{
	static const char *const colours[DESCRIPTION_PHASES] = {
		"#6baed6", "#9e9ac8", "#fdae6b", "#74c476", "#fc9272", "#bcbddc", "#e6c34d",
	};
	struct description_phase phases[DESCRIPTION_PHASES];
	uint64_t total = 0, done = 0;

	description_phases(device->timeline, phases);
	for (size_t i = 0; i < DESCRIPTION_PHASES; i++)
		total += phases[i].ns;
	fprintf(stream, "<text x=\"8\" y=\"%zu\">", y + TEXT_DOWN);
	svg_text(stream, device->id);
	fprintf(stream, ": attached in %" PRIu64 " us</text>\n", total / 1000);
	for (size_t i = 0; i < DESCRIPTION_PHASES; i++) {
		double scale = total ? (double)(BOX_RIGHT - BOX_LEFT) / (double)total : 0;
		int x = 8 + 150 * (int)i;

		fprintf(stream,
			"<rect x=\"%.1f\" y=\"%zu\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>"
			"<rect x=\"%d\" y=\"%zu\" width=\"10\" height=\"10\" fill=\"%s\"/>"
			"<text x=\"%d\" y=\"%zu\">%s %" PRIu64 " us</text>\n",
			BOX_LEFT + (double)done * scale, y + 2, (double)phases[i].ns * scale,
			BAR_HEIGHT, colours[i], x, y + LINE + 4, colours[i], x + 14,
			y + LINE + TEXT_DOWN, phases[i].name, phases[i].ns / 1000);
		done += phases[i].ns;
	}
}

void description_svg(FILE *stream, const struct description *description)
{
	/* A title line, the rows, a gap, the legend, two lines per device, one for the tables. */
	size_t lines = description->count + 2 * description->device_count + 4, y = 4;

	fprintf(stream,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%zu\" "
		"font-family=\"monospace\" font-size=\"12\">\n<title>Guest physical map</title>\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
		"<text x=\"8\" y=\"%zu\" font-weight=\"bold\">Guest physical map</text>\n",
		WIDTH, lines * LINE + 8, y + TEXT_DOWN);
	for (size_t i = 0; i < description->count; i++)
		svg_row(stream, description, i, y += LINE);
	svg_legend(stream, y += LINE + LINE / 2);
	for (size_t i = 0; i < description->device_count; i++) {
		svg_timeline(stream, &description->devices[i], y += LINE);
		y += LINE;
	}
	fprintf(stream,
		"<text x=\"8\" y=\"%zu\">firmware tables of the whole machine: %" PRIu64
		" us</text>\n</svg>\n",
		y + LINE + TEXT_DOWN, description->tables_ns / 1000);
}
