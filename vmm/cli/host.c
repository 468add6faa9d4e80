/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/cli.h"

#include <stdlib.h>
#include <string.h>

struct host_arguments {
	struct cxvm_host_options options;
	enum cxvm_format format;
	const char **devices; /* the arguments that are no options */
	size_t count;
};

static int usage(const char *format, const char *what)
{
	fprintf(stderr, "cxvm host: ");
	fprintf(stderr, format, what);
	fprintf(stderr, "; see cxvm host --help\n");
	return CLI_USAGE;
}

/* "--name VALUE" or "--name=VALUE" at argv[*at]. NULL when it is another option or has no value. */
static const char *value_of(char **argv, int *at, const char *name)
{
	size_t length = strlen(name);

	if (strncmp(argv[*at], name, length) != 0)
		return NULL;
	if (argv[*at][length] == '=')
		return argv[*at] + length + 1;
	return argv[*at][length] || !argv[*at + 1] ? NULL : argv[++*at];
}

static int parse(int argc, char **argv, struct host_arguments *arguments)
{
	for (int i = 2; i < argc; i++) {
		const char *value;

		if (!strcmp(argv[i], "--json"))
			arguments->format = CXVM_FORMAT_JSON;
		else if (!strcmp(argv[i], "--all"))
			arguments->options.all = true;
		else if ((value = value_of(argv, &i, "--root")))
			arguments->options.root = value;
		else if ((value = value_of(argv, &i, "--driver")))
			arguments->options.driver = value;
		else if (argv[i][0] == '-')
			return usage("there is no option '%s', or it needs a value", argv[i]);
		else
			arguments->devices[arguments->count++] = argv[i];
	}
	return CLI_OK;
}

static int execute(const char *verb, const struct host_arguments *arguments, char **text)
{
	if (!strcmp(verb, "list"))
		return cxvm_host_list(&arguments->options, arguments->format, text);
	if (!strcmp(verb, "check"))
		return cxvm_host_check(&arguments->options, arguments->format, text);
	if (!strcmp(verb, "bind"))
		return cxvm_host_bind(&arguments->options, arguments->devices, arguments->count,
				      arguments->format, text);
	return cxvm_host_unbind(&arguments->options, arguments->devices, arguments->count,
				arguments->format, text);
}

static int run_verb(const char *verb, const struct host_arguments *arguments)
{
	bool changes = !strcmp(verb, "bind") || !strcmp(verb, "unbind");
	char *text = NULL;
	int result;

	if (!changes && strcmp(verb, "list") != 0 && strcmp(verb, "check") != 0)
		return usage("there is no 'cxvm host %s'", verb);
	if (changes && !arguments->count)
		return usage("%s needs the address of a device", verb);
	if (!changes && arguments->count)
		return usage("unexpected argument '%s'", arguments->devices[0]);
	if (arguments->options.driver && strcmp(verb, "bind") != 0)
		return usage("--driver is an option of bind, not of %s", verb);
	if (arguments->options.all && strcmp(verb, "list") != 0)
		return usage("--all is an option of list, not of %s", verb);
	result = execute(verb, arguments, &text);
	/* A refusal is a message for people, and a result for programs. */
	if (text)
		fputs(text, result < 0 && arguments->format == CXVM_FORMAT_TEXT ? stderr : stdout);
	else
		fprintf(stderr, "cxvm host %s: %s\n", verb, strerror(-result));
	free(text);
	if (result > 0)
		return CLI_BAD_CONFIG;
	return result ? cli_status_of_error(result) : CLI_OK;
}

int cli_host(int argc, char **argv)
{
	struct host_arguments arguments = {.options = {.size = sizeof(arguments.options)}};
	int status;

	if (argc < 2)
		return usage("say list, check, bind or unbind%s", "");
	arguments.devices = calloc((size_t)argc, sizeof(*arguments.devices));
	if (!arguments.devices)
		return CLI_FAILED;
	status = parse(argc, argv, &arguments);
	if (!status)
		status = run_verb(argv[1], &arguments);
	free(arguments.devices);
	return status;
}
