/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/api/describe_format.h"
#include "vmm/api/describe_rows.h"

static const struct passthrough_facts facts = {.vendor = 0xcc58,
					       .device = 1,
					       .class_code = 0x030200,
					       .cxl = true,
					       .dpa_size = 0x10000000,
					       .decoders = 4};
static const struct passthrough_timeline timeline = {.connect = 1000,
						     .info = 2000,
						     .plan = 3000,
						     .map = 4000,
						     .plug = 5000,
						     .dma = 6000,
						     .slots = 7000};
static struct description description;

static void add(uint64_t base, uint64_t size, enum description_kind kind, const char *text)
{
	struct description_row *row = &description.rows[description.count++];

	*row = (struct description_row){.base = base, .size = size, .kind = kind};
	strncpy(row->text, text, sizeof(row->text) - 1);
}

static void setup(void)
{
	add(0, 0x40000000, DESCRIPTION_RAM, "RAM, node 0");
	add(0x100000000, 0x10000000, DESCRIPTION_CFMWS, "CXL fixed memory window of <a&b>");
	add(0x100000000, 0x10000000, DESCRIPTION_DPA, "gpu0: DPA 0x0, HDM decoder 0");
	add(0x200000000, 0x4000000, DESCRIPTION_BAR, "BAR 4");
	add(0x200000000, 0x1000000, DESCRIPTION_DIRECT, "gpu0: BAR 4 + 0x0, direct");
	add(0x201000000, 0x10000, DESCRIPTION_TRAPPED, "gpu0: BAR 4, component registers");
	description.devices[0] = (struct description_device){"gpu0", &facts, &timeline};
	description.device_count = 1;
	description.tables_ns = 8000;
}

TestSuite(describe, .init = setup);

static char *format(enum cxvm_format as)
{
	char *text = NULL;

	cr_assert_eq(description_format(&description, as, &text), 0);
	return text;
}

/* They would be drawn inside the RAM that has the same numbers. */
Test(describe, ports_are_no_part_of_the_map)
{
	char *text;

	add(0xc000, 0x100, DESCRIPTION_PORT, "edu0: BAR 1 + 0x0, I/O ports, forwarded");
	cr_expect_eq(description_depth(&description, description.count - 1), 0u);
	add(0xc010, 0x10, DESCRIPTION_BAR, "in RAM");
	cr_expect_eq(description_depth(&description, description.count - 1), 1u);
	text = format(CXVM_FORMAT_TEXT);
	cr_expect_not_null(strstr(text, "I/O port "), "%s", text);
	free(text);
}

static void has(const char *text, const char *part)
{
	cr_expect(strstr(text, part) != NULL, "'%s' is missing in:\n%s", part, text);
}

Test(describe, text_lists_map_devices_and_phases)
{
	char *text = format(CXVM_FORMAT_TEXT);

	has(text, "  0x000200000000-0x000200ffffff     16 MiB    direct      gpu0: BAR 4 + 0x0");
	has(text, "     64 KiB    trapped     gpu0: BAR 4, component registers\n");
	has(text, "    256 MiB    CXL memory  gpu0: DPA 0x0, HDM decoder 0\n");
	has(text, "attach: connect 1 us, info 2 us, plan 3 us, map 4 us, plug 5 us, DMA 6 us, "
		  "slots 7 us\n");
	has(text, "Firmware tables of the whole machine: 8 us\n");
	free(text);
}

Test(describe, json_has_the_map_and_the_phases_of_each_device)
{
	char *text = format(CXVM_FORMAT_JSON);
	json_t *root = json_loads(text, 0, NULL);
	json_t *device = json_array_get(json_object_get(root, "devices"), 0);
	json_t *attach = json_object_get(device, "attach_ns");

	cr_assert_not_null(attach, "%s", text);
	cr_expect_eq(json_integer_value(json_object_get(root, "tables_ns")), 8000);
	cr_expect_eq(json_integer_value(json_object_get(attach, "dma")), 6000);
	cr_expect_eq(json_integer_value(json_object_get(attach, "slots")), 7000);
	cr_expect_eq(json_array_size(json_object_get(root, "map")), 6);
	json_decref(root);
	free(text);
}

static unsigned int count(const char *text, const char *part)
{
	unsigned int found = 0;

	for (; (text = strstr(text, part)); text++)
		found++;
	return found;
}

/* Every row with its colour, the phases of each device, nothing that ends the markup early. */
Test(describe, svg_draws_every_row_and_phase_and_escapes_names)
{
	char *text = format(CXVM_FORMAT_SVG);
	char box[128];

	cr_expect_eq(count(text, "<text"), count(text, "</text>"));
	cr_expect_eq(count(text, "</svg>"), 1);
	has(text, "CXL fixed memory window of &#60;a&#38;b&#62;<");
	for (size_t i = 0; i < description.count; i++) {
		snprintf(box, sizeof(box), "fill=\"%s\"",
			 description_kind_colour(description.rows[i].kind));
		has(text, box);
	}
	has(text, "gpu0: attached in 28 us");
	has(text, ">info 2 us<");
	has(text, ">slots 7 us<");
	has(text, "firmware tables of the whole machine: 8 us");
	free(text);
}
