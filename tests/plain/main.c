/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS_FAILED  1
#define STATUS_SKIPPED 77
#define TIMEOUT        120.0

static struct plain_test *tests;
static struct plain_suite *suites;
static bool failed;

void plain_add_test(struct plain_test *test)
{
	test->next = tests;
	tests = test;
}

void plain_add_suite(struct plain_suite *suite)
{
	suite->next = suites;
	suites = suite;
}

static void say(const char *file, int line, const char *what, const char *format, va_list arguments)
{
	fprintf(stderr, "%s:%d: not true: %s:", file, line, what);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
}

void plain_fatal(const char *file, int line, const char *what, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(file, line, what, format, arguments);
	va_end(arguments);
	_exit(STATUS_FAILED);
}

void plain_failed(const char *file, int line, const char *what, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(file, line, what, format, arguments);
	va_end(arguments);
	failed = true;
}

void plain_skip(const char *format, ...)
{
	va_list arguments;

	fputs("skipped:", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	_exit(STATUS_SKIPPED);
}

static const struct plain_options *suite_options(const char *name)
{
	static const struct plain_options none;

	for (const struct plain_suite *suite = suites; suite; suite = suite->next)
		if (strcmp(suite->name, name) == 0)
			return &suite->options;
	return &none;
}

static void run_child(const struct plain_test *test)
{
	const struct plain_options *suite = suite_options(test->suite);
	double timeout = test->options.timeout > 0 ? test->options.timeout : TIMEOUT;

	/* A sanitizer is slow. */
	alarm((unsigned int)(2 * timeout));
	if (suite->init)
		suite->init();
	if (test->options.init)
		test->options.init();
	test->run();
	if (test->options.fini)
		test->options.fini();
	if (suite->fini)
		suite->fini();
	/* Not _exit(): the sanitizer turns what it saw into the exit status. */
	exit(failed ? STATUS_FAILED : 0);
}

/* As Criterion: "--filter suite/test", "*" for any; none: all. */
static bool wanted(const struct plain_test *test, int count, char **arguments)
{
	char full[256];

	snprintf(full, sizeof(full), "%s/%s", test->suite, test->name);
	for (int i = 1; i + 1 < count; i++)
		if (strcmp(arguments[i], "--filter") == 0)
			return fnmatch(arguments[i + 1], full, 0) == 0;
	return true;
}

static unsigned int print_suite(const char *suite, bool print)
{
	unsigned int number = 0;

	for (const struct plain_test *test = tests; test; test = test->next) {
		if (strcmp(test->suite, suite) != 0 || test->options.disabled)
			continue;
		number++;
		if (print)
			printf("- %s\n", test->name);
	}
	return number;
}

/* As Criterion lists them, a suite where its first test is. */
static int list_tests(void)
{
	for (const struct plain_test *test = tests; test; test = test->next) {
		const struct plain_test *first = tests;

		while (strcmp(first->suite, test->suite) != 0)
			first = first->next;
		if (first != test)
			continue;
		printf("%s: %u tests\n", test->suite, print_suite(test->suite, false));
		print_suite(test->suite, true);
	}
	return 0;
}

int main(int count, char **arguments)
{
	unsigned int tested = 0, passed = 0, skipped = 0;

	if (count == 2 && strcmp(arguments[1], "--list") == 0)
		return list_tests();
	for (const struct plain_test *test = tests; test; test = test->next) {
		int status;
		pid_t child;

		if (test->options.disabled || !wanted(test, count, arguments))
			continue;
		fflush(NULL);
		child = fork();
		if (child == 0)
			run_child(test);
		if (child < 0 || waitpid(child, &status, 0) != child)
			return 2;
		if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_SKIPPED) {
			skipped++;
			continue;
		}
		tested++;
		if (test->options.signal
			    ? WIFSIGNALED(status) && WTERMSIG(status) == test->options.signal
			    : WIFEXITED(status) && WEXITSTATUS(status) == test->options.exit_code)
			passed++;
		else
			fprintf(stderr, "[FAIL] %s::%s: status 0x%x\n", test->suite, test->name,
				(unsigned int)status);
	}
	printf("Tested: %u | Passing: %u | Failing: %u | Skipped: %u\n", tested, passed,
	       tested - passed, skipped);
	return tested == passed ? 0 : 1;
}
