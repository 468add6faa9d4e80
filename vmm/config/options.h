/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_CONFIG_OPTIONS_H
#define VMM_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cxvm/cxvm.h>

#include "vmm/config/config.h"

/*
 * The one list of configuration fields. Each public option struct is a section; its fields carry
 * the key that the command line and JSON use, the type, and where the value lives in the struct.
 * Text parsing, JSON parsing, copying and freeing of strings, and the help texts are all driven by
 * it.
 */
enum option_type {
	OPTION_STRING,
	OPTION_BOOL,   /* on|off, true|false */
	OPTION_TOGGLE, /* enum cxvm_toggle: on|off; absent is the default */
	OPTION_U16,
	OPTION_U32,
	OPTION_U64,
	OPTION_BYTES,         /* u64 with suffix K, M, G, T (powers of 1024) */
	OPTION_MODE,          /* an enum, by name */
	OPTION_INT_WITH_FLAG, /* int from 0 on, and sets the bool that says it is given (use_fd) */
};

struct option_name {
	const char *name;
	int value;
};

struct option_field {
	const char *key;
	enum option_type type;
	size_t offset;
	size_t flag_offset;              /* OPTION_INT_WITH_FLAG: that bool */
	const struct option_name *names; /* OPTION_MODE: ends with a NULL name */
	const char *help;
};

struct option_section {
	const char *name;      /* "disk": command line and cxvm_set_option() */
	const char *json_name; /* "disks": member of the JSON document */
	size_t config_offset;  /* of the struct, or of the list, in struct machine_config */
	size_t count_offset;   /* of the list's count, when limit is not 0 */
	size_t limit;          /* how often it may occur (a JSON array); 0: it exists once */
	size_t struct_size;
	const char *first_key; /* the key that a bare first value belongs to, or NULL */
	const struct option_field *fields;
	size_t field_count;
	void (*taken)(struct machine_config *config); /* what else being given means; or NULL */
	const char *help;
};

extern const struct option_section option_sections[];
extern const size_t option_section_count;

/* NULL when there is none of that name. */
const struct option_section *option_section_find(const char *name);
const struct option_field *option_field_find(const struct option_section *section, const char *key,
					     size_t length);

#define OPTION_PROBLEM_BYTES 256u

/*
 * option_set() - store one value, given as text, in @options (a struct of @section). A string is
 * strdup()ed into it. Returns 0, -EINVAL with a sentence in @problem, or -ENOMEM.
 */
int option_set(const struct option_section *section, const struct option_field *field,
	       const char *value, void *options, char *problem);

/*
 * options_parse() - "key=value,key=value" into a zeroed struct of @section. A value in double
 * quotes may hold commas;
 * [..] brackets keep theirs. Returns 0, -EINVAL with @problem, -ENOMEM; strings are freed again on
 * failure.
 */
int options_parse(const struct option_section *section, const char *text, void *options,
		  char *problem);

/*
 * options_change() - the same over what @options holds already (its strings are its own): keys that
 * the text does not name keep their values. On failure it is zeroed.
 */
int options_change(const struct option_section *section, const char *text, void *options,
		   char *problem);

/* Replace every string of a struct by a copy / free them all and zero the struct (size stays). */
int options_copy_strings(const struct option_section *section, void *options);
void options_free(const struct option_section *section, void *options);

/*
 * options_adopt() - copy the caller's struct @from (any known or older size) over the zeroed @to of
 * the library's size. Returns 0, -EINVAL (size too small), -E2BIG (longer, and not zero in the
 * unknown part).
 */
int options_adopt(void *to, size_t to_size, const void *from);

#endif
