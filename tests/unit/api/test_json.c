/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "tests/unit/api/api_log.h"
#include "vmm/api/vm.h"

static struct api_log log_;

static int load(const char *text)
{
	return cxvm_load_json(log_.vm, text, strlen(text));
}

static void begin(void)
{
	api_log_create(&log_);
}

static void end(void)
{
	cxvm_destroy(log_.vm);
}

TestSuite(json, .init = begin, .fini = end);

/* Nothing of the machine's configuration was touched. */
static void must_be_untouched(void)
{
	static const struct machine_config empty;

	cr_assert_eq(memcmp(&log_.vm->config, &empty, sizeof(empty)), 0);
}

/* @text is refused with exactly @lines messages, one of which has @wanted in it. */
static void refused(const char *text, unsigned int lines, const char *wanted)
{
	log_.lines = 0;
	log_.used = 0;
	log_.text[0] = '\0';
	cr_assert_eq(load(text), -EINVAL, "taken: %s", text);
	cr_assert_eq(log_.lines, lines, "%s: %u messages:\n%s", text, log_.lines, log_.text);
	cr_assert(strstr(log_.text, wanted), "%s: no '%s' in:\n%s", text, wanted, log_.text);
	must_be_untouched();
}

/* The block between ```json and ``` of docs/configuration.md. */
static char *documented_example(size_t *length)
{
	FILE *file = fopen(SOURCE_DIR "/docs/configuration.md", "r");
	static char text[32768];
	char *start, *stop;

	cr_assert_not_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	start = strstr(text, "```json\n");
	cr_assert_not_null(start);
	start += strlen("```json\n");
	stop = strstr(start, "\n```");
	cr_assert_not_null(stop);
	*length = (size_t)(stop - start);
	return start;
}

Test(json, documented_example_fills_every_section)
{
	const struct machine_config *config = &log_.vm->config;
	size_t length;
	const char *text = documented_example(&length);

	cr_assert_eq(cxvm_load_json(log_.vm, text, length), 0, "%s", log_.text);
	cr_assert_eq(log_.lines, 0, "%s", log_.text);
	cr_assert_eq(config->cpus.boot_vcpus, 4);
	cr_assert_eq(config->cpus.threads, 2);
	cr_assert_eq(config->cpus.max_phys_bits, 46);
	cr_assert_str_eq(config->cpus.affinity, "0@[0],1@[1]");
	cr_assert_eq(config->memory.bytes, UINT64_C(2) << 30);
	cr_assert_eq(config->memory.shared, CXVM_ON);
	cr_assert_eq(config->memory.hugepages, CXVM_OFF);
	cr_assert_eq(config->node_count, 2);
	cr_assert_eq(config->nodes[1].id, 1);
	cr_assert_str_eq(config->nodes[1].cpus, "[2-3]");
	cr_assert_str_eq(config->payload.kernel, "/boot/vmlinuz");
	cr_assert_eq(config->disk_count, 2);
	cr_assert_eq(config->disks[0].num_queues, 2);
	cr_assert(config->disks[1].readonly && config->disks[1].direct);
	cr_assert_eq(config->disks[1].rate_limit.bandwidth_size, UINT64_C(64) << 20);
	cr_assert_eq(config->net_count, 1);
	cr_assert_eq(config->nets[0].mtu, 1500);
	cr_assert_eq(config->nets[0].vhost, CXVM_ON);
	cr_assert(config->has_vsock && config->vsock.cid == 3);
	cr_assert_eq(config->serial.mode, CXVM_CONSOLE_FILE);
	cr_assert_eq(config->console.mode, CXVM_CONSOLE_SOCKET);
	cr_assert_str_eq(config->console.path, "/run/vm/console.sock");
	cr_assert_eq(config->rng.enabled, CXVM_ON);
	cr_assert_eq(config->balloon.bytes, UINT64_C(256) << 20);
	cr_assert_eq(config->balloon.enabled, CXVM_ON);
	cr_assert_eq(config->device_count, 2);
	cr_assert_str_eq(config->devices[0].vfio_user, "/run/accel.sock");
	cr_assert_eq(config->devices[1].memory, CXVM_DEVICE_MEMORY_NODE);
	cr_assert_eq(config->devices[1].p2p, CXVM_OFF);
	cr_assert_eq(config->platform.seccomp, CXVM_SECCOMP_ON);
	cr_assert_eq(config->platform.power_off_grace_ms, 30000);
}

/* Every prefix of a good document is refused, and leaves nothing behind. */
Test(json, a_document_cut_anywhere_is_refused)
{
	size_t length;
	const char *text = documented_example(&length);

	for (size_t i = 0; i < length - 1; i++) {
		char *piece = malloc(i ? i : 1); /* of its size, for AddressSanitizer */

		memcpy(piece, text, i);
		cr_assert_eq(cxvm_load_json(log_.vm, piece, i), -EINVAL, "%zu bytes", i);
		free(piece);
	}
	must_be_untouched();
}

Test(json, each_kind_of_problem_is_refused_with_one_line)
{
	refused("", 1, "line 1");
	refused("[]", 1, "must be a JSON object");
	refused("{\"cpus\":{\"boot\":1}", 1, "line 1, column");
	refused("{} x", 1, "line 1");
	refused("{\"cpus\":{\"boot\":1},\"cpus\":{\"boot\":2}}", 1, "duplicate");
	refused("{\"cpus\":{\"boot\":1,\"boot\":2}}", 1, "duplicate");
	refused("{\"gpus\":{}}", 1, "gpus: there is no such section");
	refused("{\"disk\":[]}", 1, "disk: there is no such section");
	refused("{\"cpus\":{\"boots\":1}}", 1, "cpus.boots: unknown key");
	/* A message stays one line. */
	refused("{\"cpus\":{\"bo\\nots\\u001b\":1}}", 1, "cpus.bo?ots?: unknown key");
	refused("{\"cpus\":[]}", 1, "cpus: must be an object");
	refused("{\"cpus\":3}", 1, "cpus: must be an object");
	refused("{\"disks\":{}}", 1, "disks: must be an array");
	refused("{\"disks\":[{},7]}", 1, "disks[1]: must be an object");
	refused("{\"cpus\":{\"boot\":[1]}}", 1, "cpus.boot: must be");
	refused("{\"cpus\":{\"boot\":{}}}", 1, "cpus.boot: must be");
	refused("{\"cpus\":{\"boot\":1.5}}", 1, "cpus.boot: must be");
	refused("{\"cpus\":{\"boot\":1e3}}", 1, "cpus.boot: must be");
	refused("{\"cpus\":{\"boot\":true}}", 1, "boot=on");
	refused("{\"cpus\":{\"boot\":\"two\"}}", 1, "boot=two");
	refused("{\"cpus\":{\"boot\":-1}}", 1, "boot=-1");
	refused("{\"cpus\":{\"boot\":4294967296}}", 1, "boot=4294967296");
	refused("{\"cpus\":{\"boot\":99999999999999999999999999}}", 1, "line 1");
	refused("{\"cpus\":{\"boot\":1e999}}", 1, "line 1");
	refused("{\"memory\":{\"size\":\"18446744073709551616\"}}", 1, "is not a size");
	refused("{\"memory\":{\"size\":\"16777216T\"}}", 1, "is not a size");
	refused("{\"memory\":{\"size\":\"1 G\"}}", 1, "is not a size");
	refused("{\"memory\":{\"shared\":\"maybe\"}}", 1, "use on or off");
	refused("{\"memory\":{\"shared\":1}}", 1, "use on or off");
	refused("{\"serial\":{\"mode\":\"carrier pigeon\"}}", 1, "use one of off, null");
	refused("{\"net\":[{\"mtu\":65536}]}", 1, "mtu=65536");
	refused("{\"payload\":{\"kernel\":\"a\\u0000b\"}}", 1, "line 1");
	refused("{\"payload\":{\"kernel\":\"\xff\"}}", 1, "line 1");
	refused("{\"payload\":{\"kernel\":\"\\ud800\"}}", 1, "line 1");
}

Test(json, every_problem_is_told_with_its_place)
{
	refused("{\"cpus\":{\"boot\":\"x\",\"colour\":1},\"moon\":1,"
		"\"disks\":[{\"path\":\"/a\"},{\"readonly\":\"often\"},{\"pth\":\"/b\"}],"
		"\"devices\":[{\"memory\":\"paper\"}],\"payload\":{\"kernel\":\"/boot/vmlinuz\"}}",
		6, "cpus.colour: unknown key");
	cr_assert(strstr(log_.text, "(in cpus)"), "%s", log_.text);
	cr_assert(strstr(log_.text, "moon: there is no such section"));
	cr_assert(strstr(log_.text, "(in disks[1])"));
	cr_assert(strstr(log_.text, "disks[2].pth: unknown key"));
	cr_assert(strstr(log_.text, "(in devices[0])"));
}

Test(json, deep_nesting_is_no_recursion_without_end)
{
	const size_t depth = 200000;
	char *text = malloc(depth);

	memset(text, '[', depth);
	cr_assert_eq(cxvm_load_json(log_.vm, text, depth), -EINVAL);
	for (size_t i = 0; i + 5 <= depth; i += 5)
		memcpy(text + i, "{\"a\":", 5);
	cr_assert_eq(cxvm_load_json(log_.vm, text, depth), -EINVAL);
	free(text);
	must_be_untouched();
}

/* What only applying can find is refused as a whole too. */
Test(json, too_many_are_refused_and_none_is_kept)
{
	char text[4096] = "{\"payload\":{\"kernel\":\"/k\"},\"disks\":[";
	size_t used = strlen(text);

	for (unsigned int i = 0; i <= MACHINE_MAX_DISKS; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s{\"path\":\"/d%u\"}",
					 i ? "," : "", i);
	snprintf(text + used, sizeof(text) - used, "]}");
	cr_assert_eq(load(text), -EINVAL);
	cr_assert(strstr(log_.text, "at most 24"), "%s", log_.text);
	must_be_untouched();
}

Test(json, null_is_the_default_and_documents_refine)
{
	cr_assert_eq(load("{\"cpus\":{\"boot\":2,\"threads\":2},\"memory\":{\"size\":null}}"), 0);
	cr_assert_eq(log_.vm->config.memory.bytes, 0);
	cr_assert_eq(load("{\"cpus\":{\"boot\":4}}"), 0);
	cr_assert_eq(log_.vm->config.cpus.boot_vcpus, 4);
	cr_assert_eq(log_.vm->config.cpus.threads, 2, "what is not named stays");
	cr_assert_eq(load("{}"), 0);
}

Test(json, load_looks_at_its_arguments)
{
	cr_assert_eq(cxvm_load_json(NULL, "{}", 2), -EINVAL);
	cr_assert_eq(cxvm_load_json(log_.vm, NULL, 2), -EINVAL);
	cr_assert_eq(cxvm_load_json(log_.vm, "{}garbage", 2), 0, "only @length bytes are read");
}
