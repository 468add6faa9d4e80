/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define GRACE_MS_DEFAULT 10000u
#define CONFIG_MAX       (1l << 20)

enum run_action { ACTION_RUN, ACTION_CHECK, ACTION_DESCRIBE };

struct run_arguments {
	struct cli_log log;
	enum cxvm_log_level level;
	enum run_action action;
	enum cxvm_format format;
};

/* For the signal handlers: the machine that this process runs, and what ended it. */
static struct cxvm *volatile running;
static volatile sig_atomic_t ended_by;

static void on_signal(int number)
{
	int saved_errno = errno;

	/* The first SIGTERM asks the guest; SIGINT, or a second SIGTERM, does not ask. */
	if (running && number == SIGTERM && !ended_by)
		cxvm_power_button(running);
	else if (running)
		cxvm_stop(running);
	ended_by = number;
	errno = saved_errno;
}

static int usage(const char *format, const char *what)
{
	fprintf(stderr, "cxvm run: ");
	fprintf(stderr, format, what);
	fprintf(stderr, "; see cxvm run --help\n");
	return CLI_USAGE;
}

static int load_config(struct cxvm *vm, const char *path)
{
	char *text = NULL;
	long size = 0;
	FILE *file = fopen(path, "r");
	int result;

	if (!file) {
		fprintf(stderr, "cxvm: cannot open the configuration %s: %s\n", path,
			strerror(errno));
		return CLI_BAD_CONFIG;
	}
	if (!fseek(file, 0, SEEK_END))
		size = ftell(file);
	if (size > 0 && size <= CONFIG_MAX && !fseek(file, 0, SEEK_SET))
		text = malloc((size_t)size);
	if (!text || fread(text, 1, (size_t)size, file) != (size_t)size) {
		fprintf(stderr,
			"cxvm: cannot read the configuration %s: it must be a file of 1 byte to 1 "
			"MiB\n",
			path);
		result = CLI_BAD_CONFIG;
	} else {
		result = cxvm_load_json(vm, text, (size_t)size) ? CLI_BAD_CONFIG : CLI_OK;
	}
	free(text);
	fclose(file);
	return result;
}

/* Options of the command itself; returns 1 when it was one, 0 when not, < 0 as -status. */
static int own_option(struct run_arguments *arguments, const char *name, const char *value,
		      bool first_pass)
{
	if (!strcmp(name, "boot-timer") && first_pass && arguments->level < CXVM_LOG_INFO)
		arguments->level = CXVM_LOG_INFO; /* its lines are of that level */
	if (!strcmp(name, "log-level")) {
		if (!value || cli_log_level(value, &arguments->level))
			return -usage("--log-level takes error, warn, info or debug, not '%s'",
				      value ? value : "");
		return 1;
	}
	if (!strcmp(name, "log-format")) {
		if (!value || (strcmp(value, "text") && strcmp(value, "json")))
			return -usage("--log-format takes text or json, not '%s'",
				      value ? value : "");
		arguments->log.json = !strcmp(value, "json");
		return 1;
	}
	if (!strcmp(name, "format")) {
		static const char *const formats[] = {"text", "json", "svg"};

		for (int i = 0; value && i < 3; i++) {
			if (!strcmp(value, formats[i])) {
				arguments->format = (enum cxvm_format)i;
				return 1;
			}
		}
		return -usage("--format takes text, json or svg, not '%s'", value ? value : "");
	}
	if (!strcmp(name, "log-file")) {
		FILE *stream;

		if (!first_pass)
			return 1;
		stream = value ? fopen(value, "ae") : NULL;
		if (!stream)
			return -usage("cannot open the log file '%s'", value ? value : "");
		setvbuf(stream, NULL, _IOLBF, 0);
		arguments->log.stream = stream;
		return 1;
	}
	return 0;
}

struct alias {
	const char *flag;
	const char *section;
	const char *key;
	bool needs_value;
};

/* Flags that are one key of a section; they are collected so that --kernel and --cmdline fill one
 * payload. */
static const struct alias aliases[] = {
	{"kernel", "payload", "kernel", true},
	{"initrd", "payload", "initramfs", true},
	{"initramfs", "payload", "initramfs", true},
	{"cmdline", "payload", "cmdline", true},
	{"seccomp", "platform", "seccomp", true},
	{"boot-timer", "platform", "boot_timer", false},
	{"debug-exit", "platform", "debug_exit", false},
	{"power-off-grace-ms", "platform", "power_off_grace_ms", true},
};

static const struct alias *find_alias(const char *name)
{
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (!strcmp(aliases[i].flag, name))
			return &aliases[i];
	return NULL;
}

/* Text of the sections that are put together from several flags. */
struct gathered {
	char *payload;
	char *platform;
};

static int gather(char **text, const char *key, const char *value)
{
	char *longer;

	if (asprintf(&longer, "%s%s%s=\"%s\"", *text ? *text : "", *text ? "," : "", key, value) <
	    0)
		return -CLI_FAILED;
	free(*text);
	*text = longer;
	return 0;
}

static int take_flag(struct cxvm *vm, struct gathered *gathered, const char *name,
		     const char *value)
{
	const struct alias *alias = find_alias(name);

	if (alias) {
		if (alias->needs_value && !value)
			return -usage("--%s needs a value", name);
		if (value && strchr(value, '"'))
			return -usage("--%s: double quotes are not possible here; use --config",
				      name);
		return gather(!strcmp(alias->section, "payload") ? &gathered->payload
								 : &gathered->platform,
			      alias->key, value ? value : "on");
	}
	if (!strcmp(name, "config"))
		return value ? -load_config(vm, value) : -usage("--%s needs a file", name);
	if (!value)
		return -usage("'--%s' needs a value, or is no option", name);
	return cxvm_set_option(vm, name, value) ? -CLI_BAD_CONFIG : 0;
}

/* Two passes: logging first, because everything else may log. */
static int parse_arguments(int argc, char **argv, struct cxvm *vm, struct gathered *gathered,
			   struct run_arguments *arguments)
{
	for (int i = 1; i < argc; i++) {
		const char *name = argv[i];
		const char *value =
			i + 1 < argc && strncmp(argv[i + 1], "--", 2) ? argv[i + 1] : NULL;
		int result;

		if (!strcmp(name, "-v")) {
			if (!vm && arguments->level < CXVM_LOG_DEBUG)
				arguments->level++;
			continue;
		}
		if (strncmp(name, "--", 2)) {
			/* cxvm check vm.json */
			if (i > 1 || arguments->action == ACTION_RUN)
				return usage("unexpected argument '%s'", name);
			result = vm ? load_config(vm, name) : CLI_OK;
			if (result)
				return result;
			continue;
		}
		name += 2;
		if (!strcmp(name, "dry-run")) {
			arguments->action = ACTION_DESCRIBE;
			continue;
		}
		result = own_option(arguments, name, value, !vm);
		if (result < 0)
			return -result;
		do {
			if (vm && !result) {
				int taken = take_flag(vm, gathered, name, value);

				if (taken)
					return -taken;
			}
			if (value)
				i++;
			/* cloud-hypervisor's grammar: --disk path=a path=b */
			value = value && i + 1 < argc && strncmp(argv[i + 1], "--", 2) &&
						strcmp(argv[i + 1], "-v")
					? argv[i + 1]
					: NULL;
		} while (value);
	}
	return CLI_OK;
}

static int configure(int argc, char **argv, struct cxvm *vm, struct run_arguments *arguments)
{
	struct gathered gathered = {NULL, NULL};
	int status = parse_arguments(argc, argv, vm, &gathered, arguments);

	if (!status && gathered.payload && cxvm_set_option(vm, "payload", gathered.payload))
		status = CLI_BAD_CONFIG;
	if (!status && gathered.platform && cxvm_set_option(vm, "platform", gathered.platform))
		status = CLI_BAD_CONFIG;
	free(gathered.payload);
	free(gathered.platform);
	return status;
}

static int describe(struct cxvm *vm, enum cxvm_format format)
{
	char *text;

	if (cxvm_describe(vm, format, &text))
		return CLI_BAD_CONFIG;
	fputs(text, stdout);
	free(text);
	return CLI_OK;
}

static int status_of_error(int error)
{
	switch (error) {
	case -EINVAL:
	case -ENOENT:
	case -EISDIR:
	case -EBUSY:
	case -ENOTSUP:
	case -ENOSPC:
	case -E2BIG:
		return CLI_BAD_CONFIG;
	case -ENOEXEC:
		return CLI_BAD_KERNEL;
	case -ENODEV:
	case -EACCES:
	case -EPERM:
	case -ENOSYS:
		return CLI_NO_KVM;
	default:
		return CLI_FAILED;
	}
}

static int status_of_exit(const struct cxvm_exit *ended, const struct cli_log *log)
{
	if (ended->message[0])
		cli_log_message((void *)(uintptr_t)log, CXVM_LOG_INFO, "machine", ended->message);
	switch (ended->reason) {
	case CXVM_EXIT_POWEROFF:
		return CLI_OK;
	case CXVM_EXIT_REBOOT:
		return CLI_GUEST_REBOOT;
	case CXVM_EXIT_PANIC:
		return CLI_GUEST_PANIC;
	case CXVM_EXIT_CRASH:
		return CLI_GUEST_CRASH;
	case CXVM_EXIT_STOPPED:
		return ended_by ? CLI_SIGNAL_BASE + ended_by : CLI_FAILED;
	case CXVM_EXIT_DEBUG:
		return (int)(ended->code & 0x7f);
	default:
		return CLI_VMM_FAULT;
	}
}

static int run(struct cxvm *vm, const struct run_arguments *arguments)
{
	struct cxvm_exit ended = {.size = sizeof(ended)};
	struct sigaction action = {.sa_handler = on_signal};
	int error;

	running = vm;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	cli_terminal_raw();
	error = cxvm_run(vm, &ended);
	cli_terminal_restore();
	running = NULL;
	return error ? status_of_error(error) : status_of_exit(&ended, &arguments->log);
}

static void print_problem(void *opaque, const char *message)
{
	(void)opaque;
	printf("%s\n", message);
}

static int check(struct cxvm *vm)
{
	int problems = cxvm_check(vm, print_problem, NULL);

	if (problems < 0)
		return CLI_FAILED;
	printf("%d problem%s\n", problems, problems == 1 ? "" : "s");
	return problems ? CLI_BAD_CONFIG : CLI_OK;
}

static int with_machine(int argc, char **argv, enum run_action action)
{
	struct run_arguments arguments = {
		.log = {.stream = stderr},
		.level = CXVM_LOG_WARNING,
		.action = action,
	};
	struct cxvm_create_options options = {.size = sizeof(options), .log = cli_log_message};
	struct cxvm *vm;
	int status;

	status = parse_arguments(argc, argv, NULL, NULL, &arguments);
	if (status)
		return status;
	options.log_opaque = &arguments.log;
	options.log_level = arguments.level;
	if (cxvm_create(&vm, &options))
		return CLI_FAILED;
	status = configure(argc, argv, vm, &arguments);
	if (!status && arguments.action == ACTION_CHECK)
		status = check(vm);
	else if (!status && arguments.action == ACTION_DESCRIBE)
		status = describe(vm, arguments.format);
	else if (!status)
		status = run(vm, &arguments);
	cxvm_destroy(vm);
	return status;
}

int cli_run(int argc, char **argv)
{
	return with_machine(argc, argv, ACTION_RUN);
}

int cli_check(int argc, char **argv)
{
	return with_machine(argc, argv, ACTION_CHECK);
}

int cli_inspect(int argc, char **argv)
{
	return with_machine(argc, argv, ACTION_DESCRIBE);
}
