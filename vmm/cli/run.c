/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/cli.h"
#include "vmm/cli/sandbox.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

/* From the power button that SIGTERM presses to the forced stop. */
#define GRACE_DEFAULT "power_off_grace_ms=10000"
#define CONFIG_MAX    ((size_t)1 << 20)

enum run_action { ACTION_RUN, ACTION_CHECK, ACTION_DESCRIBE };

struct run_arguments {
	struct cli_log log;
	enum cxvm_log_level level;
	enum run_action action;
	enum cxvm_format format;
	struct sandbox sandbox;
	bool sandbox_given;
};

/* For the signal handlers: the machine that this process runs, and what ended it. */
static struct cxvm *volatile running;
static volatile sig_atomic_t ended_by;

static void on_signal(int number)
{
	int saved_errno = errno;

	/* The first SIGTERM asks the guest, when there is one already; SIGINT, or a second SIGTERM,
	 * does not ask. */
	if (running && (number != SIGTERM || ended_by || cxvm_power_button(running)))
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

/* To the end, because it may be a pipe. NULL when it is empty, too long or cannot be read. */
static char *read_text(FILE *file, size_t *length)
{
	char *text = malloc(CONFIG_MAX + 1);

	*length = text ? fread(text, 1, CONFIG_MAX + 1, file) : 0;
	if (*length && *length <= CONFIG_MAX && !ferror(file))
		return text;
	free(text);
	return NULL;
}

static int load_config(struct cxvm *vm, const char *path)
{
	FILE *file = fopen(path, "re");
	int result = CLI_BAD_CONFIG;
	size_t length;
	char *text;

	if (!file) {
		fprintf(stderr, "cxvm: cannot open the configuration %s: %s\n", path,
			strerror(errno));
		return result;
	}
	text = read_text(file, &length);
	if (!text)
		fprintf(stderr,
			"cxvm: cannot read the configuration %s: it must be 1 byte to 1 MiB of "
			"text\n",
			path);
	else if (!cxvm_load_json(vm, text, length))
		result = CLI_OK;
	free(text);
	fclose(file);
	return result;
}

/* Options of the command itself; returns 1 when it was one, 0 when not, < 0 as -status. */
static int own_option(struct run_arguments *arguments, const char *name, const char *value,
		      bool first_pass)
{
	if (!strcmp(name, "sandbox")) {
		if (!value || (strcmp(value, "on") && strcmp(value, "off")))
			return -usage("--sandbox takes on or off, not '%s'", value ? value : "");
		arguments->sandbox.on = !strcmp(value, "on");
		arguments->sandbox_given = true;
		return 1;
	}
	if (!strcmp(name, "user")) {
		if (!value || sandbox_parse_user(value, &arguments->sandbox))
			return -usage("--user takes a user and perhaps a group (1000, name, "
				      "name:group) of this host, not '%s'",
				      value ? value : "");
		return 1;
	}
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

struct flag {
	const char *name;
	const char *section; /* of the library */
	const char *key;     /* the flag is this key of the section; NULL: its value is the text */
	bool repeated;       /* several values may follow one flag */
	bool needs_value;
};

static const struct flag flags[] = {
	{"cpus", "cpus", NULL, false, true},
	{"memory", "memory", NULL, false, true},
	{"numa", "numa", NULL, true, true},
	{"payload", "payload", NULL, false, true},
	{"disk", "disk", NULL, true, true},
	{"net", "net", NULL, true, true},
	{"vsock", "vsock", NULL, false, true},
	{"serial", "serial", NULL, false, true},
	{"console", "console", NULL, false, true},
	{"rng", "rng", NULL, false, true},
	{"balloon", "balloon", NULL, false, true},
	{"device", "device", NULL, true, true},
	{"platform", "platform", NULL, false, true},
	{"kernel", "payload", "kernel", false, true},
	{"initrd", "payload", "initramfs", false, true},
	{"initramfs", "payload", "initramfs", false, true},
	{"cmdline", "payload", "cmdline", false, true},
	{"cpu-features", "cpus", "features", false, true},
	{"seccomp", "platform", "seccomp", false, true},
	{"boot-timer", "platform", "boot_timer", false, false},
	{"debug-exit", "platform", "debug_exit", false, false},
	{"power-off-grace-ms", "platform", "power_off_grace_ms", false, true},
};

static const struct flag *find_flag(const char *name)
{
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (!strcmp(flags[i].name, name))
			return &flags[i];
	return NULL;
}

/* Returns 0 or a status. */
static int take_flag(struct cxvm *vm, const struct flag *flag, const char *value)
{
	char *text;
	int result;

	if (!flag->key)
		return cxvm_set_option(vm, flag->section, value) ? CLI_BAD_CONFIG : CLI_OK;
	if (value && strchr(value, '"'))
		return usage("--%s: double quotes are not possible here; use --config", flag->name);
	if (asprintf(&text, "%s=\"%s\"", flag->key, value ? value : "on") < 0)
		return CLI_FAILED;
	result = cxvm_set_option(vm, flag->section, text);
	free(text);
	return result ? CLI_BAD_CONFIG : CLI_OK;
}

static bool is_value(const char *argument)
{
	return argument && strncmp(argument, "--", 2) && strcmp(argument, "-v");
}

/* One "--name", "--name value", "--name value value" or "--name=value" at argv[*at], which is left
 * at the last argument used. @vm is NULL in the first pass, which looks at the command's own
 * options only. Returns 0 or a status. */
static int take_option(struct cxvm *vm, struct run_arguments *arguments, char **argv, int *at)
{
	const char *equals = strchr(argv[*at], '='), *value = equals ? equals + 1 : NULL;
	const struct flag *flag;
	char name[32];
	size_t length = strcspn(argv[*at] + 2, "=");
	int result;

	/* A longer one is no option of ours, and stays none when it is cut. */
	if (length >= sizeof(name))
		length = sizeof(name) - 1;
	memcpy(name, argv[*at] + 2, length);
	name[length] = '\0';
	if (!equals && is_value(argv[*at + 1]))
		value = argv[++*at];
	flag = find_flag(name);
	if (!strcmp(name, "dry-run") && !value) {
		arguments->action = ACTION_DESCRIBE;
		return CLI_OK;
	}
	result = own_option(arguments, name, value, !vm);
	if (result)
		return result < 0 ? -result : CLI_OK;
	if (!flag && strcmp(name, "config"))
		return usage("there is no option --%s", name);
	if (!value && (!flag || flag->needs_value))
		return usage("--%s needs a value", name);
	do {
		if (vm && flag)
			result = take_flag(vm, flag, value);
		else if (vm)
			result = load_config(vm, value);
		if (result)
			return result;
		/* cloud-hypervisor's grammar: --disk path=a path=b */
		value = flag && flag->repeated && !equals && is_value(argv[*at + 1]) ? argv[++*at]
										     : NULL;
	} while (value);
	return CLI_OK;
}

/* Two passes, the first without a machine: everything but the log options may log. Returns 0 or a
 * status. */
static int parse_arguments(int argc, char **argv, struct cxvm *vm, struct run_arguments *arguments)
{
	for (int i = 1; i < argc; i++) {
		int status = CLI_OK;

		if (!strcmp(argv[i], "-v")) {
			if (!vm && arguments->level < CXVM_LOG_DEBUG)
				arguments->level++;
		} else if (!strncmp(argv[i], "--", 2)) {
			status = take_option(vm, arguments, argv, &i);
		} else if (i > 1 || arguments->action == ACTION_RUN) {
			status = usage("unexpected argument '%s'", argv[i]);
		} else if (vm) {
			status = load_config(vm, argv[i]); /* cxvm check vm.json */
		}
		if (status)
			return status;
	}
	return CLI_OK;
}

int cli_status_of_error(int error)
{
	switch (error) {
	case -EINVAL:
	case -ENOENT:
	case -EISDIR:
	case -EBUSY:
	case -ENOTSUP:
	case -ENOSPC:
	case -E2BIG:
	case -EBADF:
	case -EADDRINUSE:
	case -ECONNREFUSED:
	case -ENOTDIR:
	case -ENAMETOOLONG:
	case -ELOOP:
		return CLI_BAD_CONFIG;
	case -ENOEXEC:
		return CLI_BAD_KERNEL;
	case -ENODEV:
	case -ENXIO:
	case -EACCES:
	case -EPERM:
	case -ENOSYS:
		return CLI_NO_KVM;
	default:
		return CLI_FAILED;
	}
}

static int describe(struct cxvm *vm, enum cxvm_format format)
{
	char *text;
	int error = cxvm_describe(vm, format, &text);

	if (error)
		return cli_status_of_error(error);
	fputs(text, stdout);
	free(text);
	return CLI_OK;
}

static enum cxvm_log_level level_of_exit(enum cxvm_exit_reason reason)
{
	switch (reason) {
	case CXVM_EXIT_PANIC:
	case CXVM_EXIT_CRASH:
		return CXVM_LOG_WARNING;
	case CXVM_EXIT_VMM_FAULT:
		return CXVM_LOG_ERROR;
	default:
		return CXVM_LOG_INFO;
	}
}

static int status_of_exit(const struct cxvm_exit *ended, const struct run_arguments *arguments)
{
	enum cxvm_log_level level = level_of_exit(ended->reason);

	if (ended->message[0] && level <= arguments->level)
		cli_log_message((void *)(uintptr_t)&arguments->log, level, "machine",
				ended->message);
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

static int run(struct cxvm *vm, struct run_arguments *arguments)
{
	struct cxvm_exit ended = {.size = sizeof(ended)};
	struct sigaction action = {.sa_handler = on_signal};
	int error;

	if (!arguments->sandbox_given)
		arguments->sandbox.on = arguments->sandbox.has_user && geteuid() == 0;
	if (arguments->sandbox.has_user && !arguments->sandbox.on && geteuid() == 0)
		return usage("%s", "--user is the sandbox's: leave --sandbox=off out");
	error = cxvm_set_confine(vm, sandbox_enter, &arguments->sandbox);
	if (error)
		return cli_status_of_error(error);
	running = vm;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (cxvm_uses_stdio(vm))
		cli_terminal_raw();
	error = cxvm_run(vm, &ended);
	cli_terminal_restore();
	running = NULL;
	return error ? cli_status_of_error(error) : status_of_exit(&ended, arguments);
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

	status = parse_arguments(argc, argv, NULL, &arguments);
	if (status)
		return status;
	options.log_opaque = &arguments.log;
	options.log_level = arguments.level;
	if (cxvm_create(&vm, &options))
		return CLI_FAILED;
	status = cxvm_set_option(vm, "platform", GRACE_DEFAULT) ? CLI_FAILED : CLI_OK;
	if (!status)
		status = parse_arguments(argc, argv, vm, &arguments);
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
