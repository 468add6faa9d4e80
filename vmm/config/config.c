/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/config/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/config/options.h"

static void *first_of(const struct machine_config *config, const struct option_section *section)
{
	return (uint8_t *)(uintptr_t)config + section->config_offset;
}

static size_t *count_of(const struct machine_config *config, const struct option_section *section)
{
	return (size_t *)(void *)((uint8_t *)(uintptr_t)config + section->count_offset);
}

/* Copies the caller's struct and its strings into @keep, which is zero after a failure. */
static int adopt(const struct option_section *section, void *keep, const void *options,
		 const struct logger *logger)
{
	int result = options_adopt(keep, section->struct_size, options);

	if (result)
		log_error(logger, section->name,
			  result == -E2BIG ? "the option struct is newer than this library and "
					     "sets what it does not know"
					   : "the option struct's size member is not set");
	else
		result = options_copy_strings(section, keep);
	if (result)
		memset(keep, 0, section->struct_size);
	return result;
}

static int add_one(struct machine_config *config, const struct option_section *section,
		   const void *options, const struct logger *logger)
{
	size_t *count = count_of(config, section);
	int result;

	if (*count == section->limit) {
		log_error(logger, section->name, "at most %zu of these are possible",
			  section->limit);
		return -ENOSPC;
	}
	result =
		adopt(section, (uint8_t *)first_of(config, section) + *count * section->struct_size,
		      options, logger);
	if (!result)
		++*count;
	return result;
}

/* The old one stays when the new one is refused. */
static int set_once(struct machine_config *config, const struct option_section *section,
		    const void *options, const struct logger *logger)
{
	void *target = first_of(config, section), *fresh = malloc(section->struct_size);
	int result = fresh ? adopt(section, fresh, options, logger) : -ENOMEM;

	if (!result) {
		options_free(section, target);
		memcpy(target, fresh, section->struct_size);
		if (section->taken)
			section->taken(config);
	}
	free(fresh);
	return result;
}

int config_put(struct machine_config *config, const struct option_section *section,
	       const void *options, const struct logger *logger)
{
	return section->limit ? add_one(config, section, options, logger)
			      : set_once(config, section, options, logger);
}

int config_begin(const struct machine_config *config, const struct option_section *section,
		 void *options)
{
	if (section->limit)
		memset(options, 0, section->struct_size);
	else
		memcpy(options, first_of(config, section), section->struct_size);
	*(size_t *)options = section->struct_size;
	return options_copy_strings(section, options);
}

int config_put_text(struct machine_config *config, const char *section_name, const char *text,
		    const struct logger *logger)
{
	const struct option_section *section = option_section_find(section_name);
	char problem[OPTION_PROBLEM_BYTES];
	void *options;
	int result;

	if (!section) {
		log_error(logger, "config", "there is no section '%s'", section_name);
		return -EINVAL;
	}
	options = malloc(section->struct_size);
	if (!options)
		return -ENOMEM;
	result = config_begin(config, section, options);
	if (!result) {
		result = options_change(section, text, options, problem);
		if (result && problem[0])
			log_error(logger, "config", "%s", problem);
	}
	if (!result) {
		result = config_put(config, section, options, logger);
		options_free(section, options);
	}
	free(options);
	return result;
}

int config_copy(struct machine_config *to, const struct machine_config *from)
{
	bool failed = false;

	memcpy(to, from, sizeof(*to));
	for (size_t i = 0; i < option_section_count; i++) {
		const struct option_section *section = &option_sections[i];
		size_t count = section->limit ? *count_of(to, section) : 1;

		for (size_t j = 0; j < count; j++) {
			void *options = (uint8_t *)first_of(to, section) + j * section->struct_size;

			/* After a failure the rest must not keep the strings of another. */
			if (failed)
				memset(options, 0, section->struct_size);
			else
				failed = options_copy_strings(section, options);
		}
	}
	if (failed)
		config_free(to);
	return failed ? -ENOMEM : 0;
}

void config_free(struct machine_config *config)
{
	for (size_t i = 0; i < option_section_count; i++) {
		const struct option_section *section = &option_sections[i];
		size_t count = section->limit ? *count_of(config, section) : 1;

		for (size_t j = 0; j < count; j++)
			options_free(section, (uint8_t *)first_of(config, section) +
						      j * section->struct_size);
	}
	memset(config, 0, sizeof(*config));
}
