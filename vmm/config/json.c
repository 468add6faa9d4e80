/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/config/options.h"
#include "vmm/api/vm.h"

/*
 * The JSON form of the configuration: an object with one member per section, with the same keys as
 * the command line. It is read in two passes, so that all of it is checked before any of it is
 * applied.
 */
struct reader {
	struct cxvm *vm;
	unsigned int problems;
	bool apply;
};

static void __attribute__((format(printf, 2, 3)))
problem(struct reader *reader, const char *format, ...)
{
	char text[OPTION_PROBLEM_BYTES + 64];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	reader->problems++;
	log_error(&reader->vm->logger, "config", "%s", text);
}

/* A scalar as the text that option_set() takes; NULL for anything else. The caller frees it. */
static char *scalar_text(const json_t *value)
{
	char *text = NULL;

	if (json_is_string(value))
		return strdup(json_string_value(value));
	if (json_is_boolean(value))
		return strdup(json_is_true(value) ? "on" : "off");
	if (json_is_integer(value) &&
	    asprintf(&text, "%" PRId64, (int64_t)json_integer_value(value)) < 0)
		return NULL;
	return text;
}

static void read_object(struct reader *reader, const struct option_section *section,
			const char *place, json_t *object, void *options)
{
	char why[OPTION_PROBLEM_BYTES];
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		const struct option_field *field = option_field_find(section, key, strlen(key));
		char *text;

		if (!field) {
			problem(reader, "%s.%.60s: unknown key", place, key);
			continue;
		}
		if (json_is_null(value))
			continue;
		text = scalar_text(value);
		if (!text)
			problem(reader, "%s.%s: must be a string, a whole number or true/false",
				place, key);
		else if (option_set(section, field, text, options, why))
			problem(reader, "%s (in %s)", why, place);
		free(text);
	}
}

static void read_one(struct reader *reader, const struct option_section *section, const char *place,
		     json_t *object)
{
	void *options;

	if (!json_is_object(object)) {
		problem(reader, "%s: must be an object", place);
		return;
	}
	options = calloc(1, section->struct_size);
	if (!options || vm_options_begin(reader->vm, section, options)) {
		problem(reader, "%s: out of memory", place);
		free(options);
		return;
	}
	read_object(reader, section, place, object, options);
	if (reader->apply && !reader->problems && section->apply(reader->vm, options))
		problem(reader, "%s: refused", place);
	options_free(section, options);
	free(options);
}

static void read_section(struct reader *reader, const struct option_section *section, json_t *value)
{
	char place[64];
	size_t index;
	json_t *element;

	if (!section->repeated) {
		read_one(reader, section, section->json_name, value);
		return;
	}
	if (!json_is_array(value)) {
		problem(reader, "%s: must be an array", section->json_name);
		return;
	}
	json_array_foreach(value, index, element)
	{
		snprintf(place, sizeof(place), "%s[%zu]", section->json_name, index);
		read_one(reader, section, place, element);
	}
}

static const struct option_section *find_json_section(const char *name)
{
	for (size_t i = 0; i < option_section_count; i++)
		if (!strcmp(option_sections[i].json_name, name))
			return &option_sections[i];
	return NULL;
}

static void read_document(struct reader *reader, json_t *root)
{
	const char *key;
	json_t *value;

	json_object_foreach(root, key, value)
	{
		const struct option_section *section = find_json_section(key);

		if (!section)
			problem(reader, "%.60s: there is no such section", key);
		else
			read_section(reader, section, value);
	}
}

/* Too many of something shows only now: then all is as it was. */
static int apply_document(struct reader *reader, json_t *root)
{
	struct machine_config *before = malloc(sizeof(*before));
	int result = before ? vm_config_copy(before, &reader->vm->config) : -ENOMEM;

	if (result) {
		free(before);
		return result;
	}
	reader->apply = true;
	read_document(reader, root);
	if (reader->problems) {
		vm_config_free(&reader->vm->config);
		reader->vm->config = *before;
	} else {
		vm_config_free(before);
	}
	free(before);
	return reader->problems ? -EINVAL : 0;
}

int cxvm_load_json(struct cxvm *vm, const char *text, size_t length)
{
	struct reader reader = {.vm = vm};
	json_error_t error;
	json_t *root;
	int result;

	if (!vm || !text)
		return -EINVAL;
	if (atomic_load(&vm->state) != CXVM_STATE_CREATED)
		return -EBUSY;
	root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
	if (!root || !json_is_object(root)) {
		if (root)
			log_error(&vm->logger, "config", "the document must be a JSON object");
		else
			log_error(&vm->logger, "config", "line %d, column %d: %s", error.line,
				  error.column, error.text);
		json_decref(root);
		return -EINVAL;
	}
	read_document(&reader, root);
	result = reader.problems ? -EINVAL : apply_document(&reader, root);
	json_decref(root);
	return result;
}
