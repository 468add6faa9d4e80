/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/api/host_format.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[] = {
	[HOST_KIND_OTHER] = "device",
	[HOST_KIND_BRIDGE] = "bridge",
	[HOST_KIND_ACCELERATOR] = "accelerator",
	[HOST_KIND_CXL] = "CXL accelerator",
	[HOST_KIND_CXL_MEMORY] = "CXL memory",
};
static const char *const state_names[] = {
	[HOST_OK] = "ok",
	[HOST_HINT] = "hint",
	[HOST_PROBLEM] = "problem",
};

static bool is_shown(const struct host_device *device, bool all)
{
	if (device->kind == HOST_KIND_BRIDGE)
		return false;
	return all || device->kind != HOST_KIND_OTHER || device->bound;
}

/* Attributes of sysfs are ASCII in practice; what is not becomes null rather than no document. */
static json_t *string_or_null(const char *text)
{
	json_t *string = text && text[0] ? json_string(text) : NULL;

	return string ? string : json_null();
}

static char *json_finish(json_t *root)
{
	char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL, *line = NULL;

	json_decref(root);
	if (text && asprintf(&line, "%s\n", text) < 0)
		line = NULL;
	free(text);
	return line;
}

static json_t *json_hex(uint64_t value, int digits)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%0*" PRIx64, digits, value);
	return json_string(text);
}

static json_t *json_cxl(const struct host_cxl *cxl)
{
	json_t *object, *ranges;

	if (!cxl->device)
		return json_null();
	ranges = json_array();
	for (unsigned int i = 0; i < cxl->hdm_count; i++)
		json_array_append_new(ranges, json_pack("{s:I, s:b, s:b}", "size",
							(json_int_t)cxl->ranges[i].size, "valid",
							cxl->ranges[i].valid, "active",
							cxl->ranges[i].active));
	object = json_pack("{s:b, s:b, s:b, s:b, s:i, s:o}", "cache_capable", cxl->cache_capable,
			   "io_capable", cxl->io_capable, "mem_capable", cxl->mem_capable,
			   "mem_enabled", cxl->mem_enabled, "hdm_count", (int)cxl->hdm_count,
			   "ranges", ranges);
	if (object)
		json_object_set_new(object, "component_registers",
				    cxl->block_known
					    ? json_pack("{s:i, s:I}", "bar", (int)cxl->block_bar,
							"offset", (json_int_t)cxl->block_offset)
					    : json_null());
	return object;
}

static json_t *json_group(const struct host_inventory *inventory, const struct host_device *device)
{
	json_t *members = json_array();

	for (size_t i = 0; i < inventory->count && device->iommu_group >= 0; i++)
		if (inventory->devices[i].iommu_group == device->iommu_group)
			json_array_append_new(members, json_string(inventory->devices[i].address));
	return members;
}

static json_t *json_device(const struct host_inventory *inventory, const struct host_device *device)
{
	json_t *problems = json_array(), *object;

	for (unsigned int i = 0; i < device->problem_count; i++)
		json_array_append_new(problems,
				      json_pack("{s:o, s:o}", "problem",
						string_or_null(device->problems[i].what), "fix",
						string_or_null(device->problems[i].fix)));
	object = json_pack(
		"{s:s, s:o, s:o, s:o, s:s, s:o, s:o, s:s, s:o, s:o, s:i, s:o, s:b, s:b, s:o}",
		"address", device->address, "vendor", json_hex(device->vendor, 4), "device",
		json_hex(device->device, 4), "class", json_hex(device->class_code, 6), "kind",
		kind_names[device->kind], "driver", string_or_null(device->driver),
		"driver_override", string_or_null(device->override), "vfio_driver",
		device->wanted_driver, "iommu_group",
		device->iommu_group < 0 ? json_null() : json_integer(device->iommu_group),
		"group_members", json_group(inventory, device), "virtual_functions",
		(int)device->virtual_functions, "cxl", json_cxl(&device->cxl), "bound",
		device->bound, "usable", device->bound && !device->problem_count, "problems",
		problems);
	if (object)
		json_object_set_new(object, "scrub",
				    device->scrub_state[0]
					    ? json_pack("{s:o, s:I, s:I}", "state",
							string_or_null(device->scrub_state), "done",
							(json_int_t)device->scrub_done, "size",
							(json_int_t)device->scrub_size)
					    : json_null());
	return object;
}

static void text_size(FILE *stream, uint64_t size)
{
	if (size && size % (UINT64_C(1) << 30) == 0)
		fprintf(stream, "%" PRIu64 " GiB", size >> 30);
	else
		fprintf(stream, "%" PRIu64 " MiB", size >> 20);
}

static void text_cxl(FILE *stream, const struct host_cxl *cxl)
{
	uint64_t size = 0;

	if (!cxl->device)
		return;
	for (unsigned int i = 0; i < cxl->hdm_count; i++)
		size += cxl->ranges[i].size;
	fprintf(stream, "    CXL: %s%s%smemory ", cxl->cache_capable ? "cache, " : "",
		cxl->mem_capable ? "" : "no ", cxl->mem_enabled ? "enabled " : "");
	text_size(stream, size);
	fprintf(stream, " in %u range%s", cxl->hdm_count, cxl->hdm_count == 1 ? "" : "s");
	if (cxl->block_known)
		fprintf(stream, ", component registers in BAR%u+%#" PRIx64, cxl->block_bar,
			cxl->block_offset);
	fprintf(stream, "\n");
}

static void text_scrub(FILE *stream, const struct host_device *device)
{
	static const char *const states[][2] = {
		{"clean", "cleared, for the next user"},
		{"used", "in use; it is cleared when it is given back"},
		{"needed", "to be cleared before its next user"},
		{"failed", "not cleared: nobody gets it"},
		{"off", "not cleared between users (scrub=0)"},
	};

	if (!device->scrub_state[0])
		return;
	if (!strcmp(device->scrub_state, "running")) {
		fprintf(stream, "    its memory is being cleared: ");
		text_size(stream, device->scrub_done);
		fprintf(stream, " of ");
		text_size(stream, device->scrub_size);
		fprintf(stream, "\n");
		return;
	}
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (!strcmp(device->scrub_state, states[i][0]))
			fprintf(stream, "    its memory is %s\n", states[i][1]);
}

static void text_device(FILE *stream, const struct host_device *device)
{
	fprintf(stream, "%s %04x:%04x class %06x, %s, driver %s, ", device->address, device->vendor,
		device->device, device->class_code, kind_names[device->kind],
		device->driver[0] ? device->driver : "none");
	if (device->iommu_group >= 0)
		fprintf(stream, "IOMMU group %d: ", device->iommu_group);
	else
		fprintf(stream, "no IOMMU group: ");
	if (device->problem_count)
		fprintf(stream, "not usable\n");
	else if (device->bound)
		fprintf(stream, "ready\n");
	else
		fprintf(stream, "usable after: cxvm host bind %s\n", device->address);
	text_cxl(stream, &device->cxl);
	text_scrub(stream, device);
	for (unsigned int i = 0; i < device->problem_count; i++)
		fprintf(stream, "    %s\n      fix: %s\n", device->problems[i].what,
			device->problems[i].fix);
}

char *host_format_list(const struct host_inventory *inventory, bool all, enum cxvm_format format)
{
	unsigned int shown = 0;
	char *text = NULL;
	size_t length;
	FILE *stream;

	if (format == CXVM_FORMAT_JSON) {
		json_t *devices = json_array();

		for (size_t i = 0; i < inventory->count; i++)
			if (is_shown(&inventory->devices[i], all))
				json_array_append_new(
					devices, json_device(inventory, &inventory->devices[i]));
		return json_finish(json_pack("{s:i, s:o}", "version", 1, "devices", devices));
	}
	stream = open_memstream(&text, &length);
	if (!stream)
		return NULL;
	for (size_t i = 0; i < inventory->count; i++) {
		if (!is_shown(&inventory->devices[i], all))
			continue;
		text_device(stream, &inventory->devices[i]);
		shown++;
	}
	if (!shown)
		fprintf(stream, "no accelerator, and no device is bound to VFIO; cxvm host list "
				"--all shows all devices\n");
	return fclose(stream) ? (free(text), NULL) : text;
}

char *host_format_check(const struct host_finding findings[HOST_CHECKS], unsigned int problems,
			enum cxvm_format format)
{
	char *text = NULL;
	size_t length;
	FILE *stream;

	if (format == CXVM_FORMAT_JSON) {
		json_t *checks = json_array();

		for (unsigned int i = 0; i < HOST_CHECKS; i++)
			json_array_append_new(checks,
					      json_pack("{s:s, s:s, s:o, s:o}", "subject",
							findings[i].subject, "state",
							state_names[findings[i].state], "what",
							string_or_null(findings[i].what), "fix",
							string_or_null(findings[i].fix)));
		return json_finish(json_pack("{s:i, s:i, s:o}", "version", 1, "problems",
					     (int)problems, "checks", checks));
	}
	stream = open_memstream(&text, &length);
	if (!stream)
		return NULL;
	for (unsigned int i = 0; i < HOST_CHECKS; i++) {
		fprintf(stream, "%-10s %-8s %s\n", findings[i].subject,
			state_names[findings[i].state], findings[i].what);
		if (findings[i].fix[0])
			fprintf(stream, "%20sfix: %s\n", "", findings[i].fix);
	}
	fprintf(stream, "%u problem%s\n", problems, problems == 1 ? "" : "s");
	return fclose(stream) ? (free(text), NULL) : text;
}

static const char *const outcome_names[] = {
	[HOST_DONE] = "done",
	[HOST_ALREADY] = "already",
	[HOST_REFUSED] = "refused",
};

char *host_format_changes(const struct host_change *changes, size_t count, enum cxvm_format format)
{
	char *text = NULL;
	size_t length;
	FILE *stream;

	if (format == CXVM_FORMAT_JSON) {
		json_t *devices = json_array();

		for (size_t i = 0; i < count; i++)
			json_array_append_new(
				devices,
				json_pack("{s:o, s:s, s:o, s:o, s:o, s:o}", "address",
					  string_or_null(changes[i].address), "outcome",
					  outcome_names[changes[i].outcome], "driver_before",
					  string_or_null(changes[i].before), "driver",
					  string_or_null(changes[i].after), "problem",
					  string_or_null(changes[i].problem.what), "fix",
					  string_or_null(changes[i].problem.fix)));
		return json_finish(json_pack("{s:i, s:o}", "version", 1, "devices", devices));
	}
	stream = open_memstream(&text, &length);
	if (!stream)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		const struct host_change *change = &changes[i];
		const char *driver = change->after[0] ? change->after : "no driver";

		if (change->outcome == HOST_REFUSED)
			fprintf(stream, "%s: refused: %s\n    fix: %s\n", change->address,
				change->problem.what, change->problem.fix);
		else if (change->outcome == HOST_ALREADY)
			fprintf(stream, "%s: nothing to do, it has %s\n", change->address, driver);
		else
			fprintf(stream, "%s: %s -> %s\n", change->address,
				change->before[0] ? change->before : "no driver", driver);
	}
	return fclose(stream) ? (free(text), NULL) : text;
}
