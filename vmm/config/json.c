/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/config/config.h"
#include "vmm/config/options.h"

/*
 * The JSON form of the configuration: an object with one member per section, with the same keys as
 * the command line. It goes into a copy, which takes the place of the configuration when all of the
 * document was right.
 */
struct reader {
	struct machine_config *config;
	const struct logger *logger;
	unsigned int problems;
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
	log_error(reader->logger, "config", "%s", text);
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
	if (!options || config_begin(reader->config, section, options)) {
		problem(reader, "%s: out of memory", place);
		free(options);
		return;
	}
	read_object(reader, section, place, object, options);
	if (!reader->problems && config_put(reader->config, section, options, reader->logger))
		problem(reader, "%s: refused", place);
	options_free(section, options);
	free(options);
}

static void read_section(struct reader *reader, const struct option_section *section, json_t *value)
{
	char place[64];
	size_t index;
	json_t *element;

	if (!section->limit) {
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

static int apply_document(struct machine_config *config, json_t *root, const struct logger *logger)
{
	struct machine_config *fresh = malloc(sizeof(*fresh));
	struct reader reader = {.config = fresh, .logger = logger};
	int result = fresh ? config_copy(fresh, config) : -ENOMEM;

	if (!result) {
		read_document(&reader, root);
		if (reader.problems) {
			config_free(fresh);
			result = -EINVAL;
		} else {
			config_free(config);
			*config = *fresh;
		}
	}
	free(fresh);
	return result;
}

int config_put_json(struct machine_config *config, const char *text, size_t length,
		    const struct logger *logger)
{
	json_error_t error;
	json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
	int result = -EINVAL;

	if (!root)
		log_error(logger, "config", "line %d, column %d: %s", error.line, error.column,
			  error.text);
	else if (!json_is_object(root))
		log_error(logger, "config", "the document must be a JSON object");
	else
		result = apply_document(config, root, logger);
	json_decref(root);
	return result;
}
