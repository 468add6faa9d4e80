/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

#include "vmm/config/options.h"

static char problem[OPTION_PROBLEM_BYTES];

#define PARSE(section, text, target)                                                               \
	options_parse(option_section_find(section), text, target, problem)

Test(options, sizes_have_suffixes_of_1024)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} cases[] = {
		{"512M", UINT64_C(512) << 20},
		{"1G", UINT64_C(1) << 30},
		{"size=2g", UINT64_C(2) << 30},
		{"size=1T", UINT64_C(1) << 40},
		{"4096", 4096},
		{"size=0x200000", 0x200000},
		{"1GiB", UINT64_C(1) << 30},
	};
	struct cxvm_memory memory;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_assert_eq(PARSE("memory", cases[i].text, &memory), 0, "%s: %s", cases[i].text,
			     problem);
		cr_expect_eq(memory.bytes, cases[i].bytes, "%s", cases[i].text);
		cr_expect_eq(memory.size, sizeof(memory));
	}
}

Test(options, refusals_say_what_is_wrong)
{
	static const struct {
		const char *section, *text, *says;
	} cases[] = {
		{"memory", "size=1X", "not a size"},
		{"memory", "size=-1", "not a size"},
		{"memory", "size=99999999999999999999", "not a size"},
		{"memory", "size=17179869184G", "not a size"},
		{"memory", "size=", "not a size"},
		{"memory", "sise=1G", "unknown key"},
		{"memory", "size=1G,size=2G", "twice"},
		{"memory", "size=1G,shared", "needs a value"},
		{"memory", "size=1G,shared=yes", "on or off"},
		{"cpus", "boot=4294967296", "range"},
		{"cpus", "boot=two", "range"},
		{"net", "mtu=70000", "range"},
		{"serial", "teletype", "use one of"},
		{"serial", "file", "path must follow"},
		{"device", "memory=dram", "cxl, node"},
	};
	union {
		struct cxvm_memory memory;
		struct cxvm_cpus cpus;
		struct cxvm_net net;
		struct cxvm_console console;
		struct cxvm_device device;
	} target;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_expect_eq(PARSE(cases[i].section, cases[i].text, &target), -EINVAL, "%s",
			     cases[i].text);
		cr_expect(strstr(problem, cases[i].says), "%s: '%s' does not say '%s'",
			  cases[i].text, problem, cases[i].says);
	}
}

Test(options, quotes_and_brackets_keep_commas)
{
	struct cxvm_disk disk;
	struct cxvm_cpus cpus;
	struct cxvm_payload payload;

	cr_assert_eq(PARSE("disk", "path=\"/a,b=c.img\",readonly=on,id=root", &disk), 0, "%s",
		     problem);
	cr_expect_str_eq(disk.path, "/a,b=c.img");
	cr_expect_str_eq(disk.id, "root");
	cr_expect(disk.readonly);
	options_free(option_section_find("disk"), &disk);
	cr_expect_null(disk.path);

	cr_assert_eq(PARSE("cpus", "2,affinity=0@[0,2-3],1@[4]", &cpus), -EINVAL,
		     "a second bare value is refused");
	cr_assert_eq(PARSE("cpus", "2,affinity=[0@[0,2-3],1@[4]]", &cpus), 0, "%s", problem);
	cr_expect_eq(cpus.boot_vcpus, 2);
	cr_expect_str_eq(cpus.affinity, "[0@[0,2-3],1@[4]]");
	options_free(option_section_find("cpus"), &cpus);

	cr_assert_eq(PARSE("payload", "kernel=/k,cmdline=\"root=/dev/vda console=ttyS0,115200\"",
			   &payload),
		     0);
	cr_expect_str_eq(payload.cmdline, "root=/dev/vda console=ttyS0,115200");
	options_free(option_section_find("payload"), &payload);
}

Test(options, a_console_mode_may_stand_as_the_key)
{
	struct cxvm_console console;

	cr_assert_eq(PARSE("serial", "tty", &console), 0);
	cr_expect_eq(console.mode, CXVM_CONSOLE_STDIO);
	cr_assert_eq(PARSE("serial", "file=/tmp/log", &console), 0, "%s", problem);
	cr_expect_eq(console.mode, CXVM_CONSOLE_FILE);
	cr_expect_str_eq(console.path, "/tmp/log");
	options_free(option_section_find("serial"), &console);
}

Test(options, a_descriptor_sets_its_flag)
{
	struct cxvm_net net;

	cr_assert_eq(PARSE("net", "fd=0", &net), 0);
	cr_expect(net.use_fd);
	cr_expect_eq(net.fd, 0);
	cr_assert_eq(PARSE("net", "tap=tap0", &net), 0);
	cr_expect_not(net.use_fd);
	options_free(option_section_find("net"), &net);
}

Test(options, structs_of_other_sizes_are_adopted)
{
	struct {
		struct cxvm_rng rng;
		uint8_t more[8];
	} newer = {.rng = {.size = sizeof(newer), .enabled = CXVM_OFF}};
	struct cxvm_rng rng;
	size_t tiny = 4;
	struct {
		size_t size;
	} older = {sizeof(older)};

	cr_assert_eq(options_adopt(&rng, sizeof(rng), &newer), 0);
	cr_expect_eq(rng.enabled, CXVM_OFF);
	cr_expect_eq(rng.size, sizeof(rng));
	newer.more[3] = 1;
	cr_expect_eq(options_adopt(&rng, sizeof(rng), &newer), -E2BIG);
	cr_expect_eq(options_adopt(&rng, sizeof(rng), &older), 0);
	cr_expect_eq(rng.enabled, CXVM_DEFAULT);
	cr_expect_eq(options_adopt(&rng, sizeof(rng), &tiny), -EINVAL);
	cr_expect_eq(options_adopt(&rng, sizeof(rng), NULL), -EINVAL);
}

Test(options, every_field_is_reachable_and_named_once)
{
	for (size_t i = 0; i < option_section_count; i++) {
		const struct option_section *section = &option_sections[i];

		cr_assert(section->field_count <= 64);
		for (size_t j = 0; j < section->field_count; j++) {
			const struct option_field *field = &section->fields[j];

			cr_expect_eq(option_field_find(section, field->key, strlen(field->key)),
				     field, "%s.%s", section->name, field->key);
			cr_expect(field->offset < section->struct_size);
			cr_expect(field->help && *field->help);
		}
	}
}
