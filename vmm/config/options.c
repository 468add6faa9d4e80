/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/config/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *member(void *options, size_t offset)
{
	return (uint8_t *)options + offset;
}

/* The caller checked that @text holds digits only; what does not fit 64 bits is refused. */
static int parse_number(const char *text, bool suffix, uint64_t limit, uint64_t *value)
{
	static const char suffixes[] = "KMGT";
	const char *found;
	uint64_t number;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	number = strtoull(text, &end, strncmp(text, "0x", 2) ? 10 : 16);
	if (errno)
		return -EINVAL;
	if (suffix && *end) {
		found = strchr(suffixes, *end & ~0x20);
		if (!found || !*found)
			return -EINVAL;
		for (const char *step = suffixes; step <= found; step++)
			if (__builtin_mul_overflow(number, UINT64_C(1024), &number))
				return -EINVAL;
		end++;
		if (*end == 'i')
			end++;
		if (*end == 'B')
			end++;
	}
	if (*end || number > limit)
		return -EINVAL;
	*value = number;
	return 0;
}

static int parse_bool(const char *text, bool *value)
{
	if (!strcmp(text, "on") || !strcmp(text, "true"))
		*value = true;
	else if (!strcmp(text, "off") || !strcmp(text, "false"))
		*value = false;
	else
		return -EINVAL;
	return 0;
}

static int __attribute__((format(printf, 2, 3))) problem_set(char *problem, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(problem, OPTION_PROBLEM_BYTES, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

static int set_mode(const struct option_section *section, const struct option_field *field,
		    const char *value, int *to, char *problem)
{
	char allowed[120] = "";

	for (const struct option_name *name = field->names; name->name; name++) {
		size_t used = strlen(allowed);

		if (!strcmp(name->name, value)) {
			*to = name->value;
			return 0;
		}
		snprintf(allowed + used, sizeof(allowed) - used, "%s%s", used ? ", " : "",
			 name->name);
	}
	return problem_set(problem, "%s: %s=%s is not known; use one of %s", section->name,
			   field->key, value, allowed);
}

int option_set(const struct option_section *section, const struct option_field *field,
	       const char *value, void *options, char *problem)
{
	void *to = member(options, field->offset);
	uint64_t number;
	bool flag;
	char *copy;

	switch (field->type) {
	case OPTION_STRING:
		copy = strdup(value);
		if (!copy)
			return -ENOMEM;
		free(*(char **)to);
		*(char **)to = copy;
		return 0;
	case OPTION_BOOL:
	case OPTION_TOGGLE:
		if (parse_bool(value, &flag))
			return problem_set(problem, "%s: %s=%s: use on or off", section->name,
					   field->key, value);
		if (field->type == OPTION_BOOL)
			*(bool *)to = flag;
		else
			*(enum cxvm_toggle *)to = flag ? CXVM_ON : CXVM_OFF;
		return 0;
	case OPTION_MODE:
		return set_mode(section, field, value, to, problem);
	case OPTION_U16:
		if (parse_number(value, false, UINT16_MAX, &number))
			break;
		*(uint16_t *)to = (uint16_t)number;
		return 0;
	case OPTION_U32:
		if (parse_number(value, false, UINT32_MAX, &number))
			break;
		*(uint32_t *)to = (uint32_t)number;
		return 0;
	case OPTION_U64:
		if (parse_number(value, false, UINT64_MAX, &number))
			break;
		*(uint64_t *)to = number;
		return 0;
	case OPTION_BYTES:
		if (parse_number(value, true, UINT64_MAX, &number))
			return problem_set(problem,
					   "%s: %s=%s is not a size; use digits and K, M, G or T",
					   section->name, field->key, value);
		*(uint64_t *)to = number;
		return 0;
	case OPTION_INT_WITH_FLAG:
		if (parse_number(value, false, INT32_MAX, &number))
			break;
		*(int *)to = (int)number;
		*(bool *)member(options, field->flag_offset) = true;
		return 0;
	}
	return problem_set(problem, "%s: %s=%s is not a number in the allowed range", section->name,
			   field->key, value);
}

/* Cuts the next "key=value" or "value" off @cursor (in place); quotes are removed. */
static char *next_token(char **cursor, char **value)
{
	char *start = *cursor, *out = *cursor, *in = *cursor;
	unsigned int depth = 0;
	bool quoted = false;

	*value = NULL;
	for (; *in; in++) {
		if (*in == '"') {
			quoted = !quoted;
			continue;
		}
		if (!quoted && *in == ',' && !depth)
			break;
		if (!quoted && *in == '[')
			depth++;
		if (!quoted && *in == ']' && depth)
			depth--;
		if (!quoted && *in == '=' && !*value) {
			*out++ = 0;
			*value = out;
			continue;
		}
		*out++ = *in;
	}
	*cursor = *in ? in + 1 : in;
	*out = 0;
	return start;
}

static int unknown_key(const struct option_section *section, const char *key, char *problem)
{
	char known[OPTION_PROBLEM_BYTES] = "";

	for (size_t i = 0; i < section->field_count; i++) {
		size_t used = strlen(known);

		snprintf(known + used, sizeof(known) - used, "%s%s", used ? ", " : "",
			 section->fields[i].key);
	}
	return problem_set(problem, "%s: unknown key '%.40s'; known are %.160s", section->name, key,
			   known);
}

/* "--serial tty", "--serial file=/a/b": cloud-hypervisor writes the mode as the key. */
static int console_shorthand(const struct option_section *section, char **key, char **value,
			     void *options, char *problem)
{
	const struct option_field *mode = option_field_find(section, "mode", 4);
	static char path[] = "path";

	if (!mode || mode->type != OPTION_MODE || (strcmp(*key, "file") && strcmp(*key, "socket")))
		return 0;
	if (option_set(section, mode, *key, options, problem))
		return -EINVAL;
	*key = path;
	return *value ? 0
		      : problem_set(problem, "%s: a path must follow, as in file=/tmp/log",
				    section->name);
}

static int parse_tokens(const struct option_section *section, char *text, void *options,
			char *problem)
{
	uint64_t seen = 0;
	bool first = true;

	while (*text) {
		const struct option_field *field;
		char *value, *key = next_token(&text, &value);
		uint64_t bit;
		int result;

		result = console_shorthand(section, &key, &value, options, problem);
		if (result)
			return result;
		if (first && !value && section->first_key) {
			value = key;
			key = (char *)(uintptr_t)section->first_key;
		}
		field = option_field_find(section, key, strlen(key));
		first = false;
		if (!field)
			return unknown_key(section, key, problem);
		if (!value)
			return problem_set(problem,
					   "%s: key '%.40s' needs a value, as in %.40s=...",
					   section->name, key, key);
		bit = UINT64_C(1) << (field - section->fields);
		if (seen & bit)
			return problem_set(problem, "%s: key '%.40s' is given twice", section->name,
					   field->key);
		seen |= bit;
		result = option_set(section, field, value, options, problem);
		if (result)
			return result;
	}
	return 0;
}

int options_parse(const struct option_section *section, const char *text, void *options,
		  char *problem)
{
	memset(options, 0, section->struct_size);
	*(size_t *)options = section->struct_size;
	return options_change(section, text, options, problem);
}

int options_change(const struct option_section *section, const char *text, void *options,
		   char *problem)
{
	char *copy = strdup(text);
	int result = -ENOMEM;

	problem[0] = 0;
	if (copy)
		result = parse_tokens(section, copy, options, problem);
	free(copy);
	if (result)
		options_free(section, options);
	return result;
}

int options_copy_strings(const struct option_section *section, void *options)
{
	bool failed = false;

	for (size_t i = 0; i < section->field_count; i++) {
		char **string = member(options, section->fields[i].offset);

		if (section->fields[i].type != OPTION_STRING || !*string)
			continue;
		*string = failed ? NULL : strdup(*string);
		failed = failed || !*string;
	}
	if (failed)
		options_free(section, options);
	return failed ? -ENOMEM : 0;
}

void options_free(const struct option_section *section, void *options)
{
	for (size_t i = 0; i < section->field_count; i++)
		if (section->fields[i].type == OPTION_STRING)
			free(*(char **)member(options, section->fields[i].offset));
	memset(options, 0, section->struct_size);
	*(size_t *)options = section->struct_size;
}

int options_adopt(void *to, size_t to_size, const void *from)
{
	size_t from_size;

	if (!from)
		return -EINVAL;
	memcpy(&from_size, from, sizeof(from_size));
	if (from_size < sizeof(from_size))
		return -EINVAL;
	for (size_t i = to_size; i < from_size; i++)
		if (((const uint8_t *)from)[i])
			return -E2BIG;
	memset(to, 0, to_size);
	memcpy(to, from, from_size < to_size ? from_size : to_size);
	memcpy(to, &to_size, sizeof(to_size));
	return 0;
}
