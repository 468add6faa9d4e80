/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_PLAIN_CRITERION_CRITERION_H
#define TESTS_PLAIN_CRITERION_CRITERION_H

/*
 * The part of Criterion's interface that our tests use, for builds in which Criterion itself does
 * not run (it crashes under ThreadSanitizer before the first test). Each test is a child process;
 * the exit status carries the sanitizer's verdict.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct plain_options {
	void (*init)(void);
	void (*fini)(void);
	double timeout;
	const char *description;
	bool disabled;
	int signal;
	int exit_code;
};

struct plain_test {
	const char *suite;
	const char *name;
	void (*run)(void);
	struct plain_options options;
	struct plain_test *next;
};

struct plain_suite {
	const char *name;
	struct plain_options options;
	struct plain_suite *next;
};

void plain_add_test(struct plain_test *test);
void plain_add_suite(struct plain_suite *suite);
void plain_fatal(const char *file, int line, const char *what, const char *format, ...)
	__attribute__((format(printf, 4, 5), noreturn));
void plain_failed(const char *file, int line, const char *what, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void plain_skip(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#define Test(suite_, name_, ...)                                                                   \
	static void plain_run_##suite_##_##name_(void);                                            \
	static struct plain_test plain_test_##suite_##_##name_ = {                                 \
		.suite = #suite_,                                                                  \
		.name = #name_,                                                                    \
		.run = plain_run_##suite_##_##name_,                                               \
		.options = {.init = NULL, ##__VA_ARGS__},                                          \
	};                                                                                         \
	__attribute__((constructor)) static void plain_add_##suite_##_##name_(void)                \
	{                                                                                          \
		plain_add_test(&plain_test_##suite_##_##name_);                                    \
	}                                                                                          \
	static void plain_run_##suite_##_##name_(void)

#define TestSuite(suite_, ...)                                                                     \
	static struct plain_suite plain_suite_##suite_ = {                                         \
		.name = #suite_, .options = {.init = NULL, ##__VA_ARGS__}};                        \
	__attribute__((constructor)) static void plain_add_##suite_(void)                          \
	{                                                                                          \
		plain_add_suite(&plain_suite_##suite_);                                            \
	}                                                                                          \
	struct plain_suite

#define PLAIN(ok, report, what, ...)                                                               \
	do {                                                                                       \
		if (!(ok))                                                                         \
			report(__FILE__, __LINE__, what, " " __VA_ARGS__);                         \
	} while (0)

#define cr_assert(a, ...)           PLAIN(!!(a), plain_fatal, #a, __VA_ARGS__)
#define cr_assert_not(a, ...)       PLAIN(!(a), plain_fatal, "!" #a, __VA_ARGS__)
#define cr_assert_eq(a, b, ...)     PLAIN((a) == (b), plain_fatal, #a " == " #b, __VA_ARGS__)
#define cr_assert_neq(a, b, ...)    PLAIN((a) != (b), plain_fatal, #a " != " #b, __VA_ARGS__)
#define cr_assert_lt(a, b, ...)     PLAIN((a) < (b), plain_fatal, #a " < " #b, __VA_ARGS__)
#define cr_assert_leq(a, b, ...)    PLAIN((a) <= (b), plain_fatal, #a " <= " #b, __VA_ARGS__)
#define cr_assert_gt(a, b, ...)     PLAIN((a) > (b), plain_fatal, #a " > " #b, __VA_ARGS__)
#define cr_assert_geq(a, b, ...)    PLAIN((a) >= (b), plain_fatal, #a " >= " #b, __VA_ARGS__)
#define cr_assert_null(a, ...)      PLAIN((a) == NULL, plain_fatal, #a " is NULL", __VA_ARGS__)
#define cr_assert_not_null(a, ...)  PLAIN((a) != NULL, plain_fatal, #a " is not NULL", __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) PLAIN(strcmp(a, b) == 0, plain_fatal, #a " is " #b, __VA_ARGS__)
#define cr_assert_str_empty(a, ...) PLAIN((a)[0] == '\0', plain_fatal, #a " is empty", __VA_ARGS__)
#define cr_assert_fail(...)         PLAIN(false, plain_fatal, "reached", __VA_ARGS__)
#define cr_expect(a, ...)           PLAIN(!!(a), plain_failed, #a, __VA_ARGS__)
#define cr_expect_not(a, ...)       PLAIN(!(a), plain_failed, "!" #a, __VA_ARGS__)
#define cr_expect_eq(a, b, ...)     PLAIN((a) == (b), plain_failed, #a " == " #b, __VA_ARGS__)
#define cr_expect_neq(a, b, ...)    PLAIN((a) != (b), plain_failed, #a " != " #b, __VA_ARGS__)
#define cr_expect_lt(a, b, ...)     PLAIN((a) < (b), plain_failed, #a " < " #b, __VA_ARGS__)
#define cr_expect_leq(a, b, ...)    PLAIN((a) <= (b), plain_failed, #a " <= " #b, __VA_ARGS__)
#define cr_expect_gt(a, b, ...)     PLAIN((a) > (b), plain_failed, #a " > " #b, __VA_ARGS__)
#define cr_expect_geq(a, b, ...)    PLAIN((a) >= (b), plain_failed, #a " >= " #b, __VA_ARGS__)
#define cr_expect_null(a, ...)      PLAIN((a) == NULL, plain_failed, #a " is NULL", __VA_ARGS__)
#define cr_expect_not_null(a, ...)  PLAIN((a) != NULL, plain_failed, #a " is not NULL", __VA_ARGS__)
#define cr_expect_str_eq(a, b, ...)                                                                \
	PLAIN(strcmp(a, b) == 0, plain_failed, #a " is " #b, __VA_ARGS__)
#define cr_expect_str_empty(a, ...) PLAIN((a)[0] == '\0', plain_failed, #a " is empty", __VA_ARGS__)
#define cr_assert_arr_eq(a, b, bytes, ...)                                                         \
	PLAIN(memcmp(a, b, bytes) == 0, plain_fatal, #a " is " #b, __VA_ARGS__)
#define cr_skip_test(...) plain_skip(" " __VA_ARGS__)
#define cr_skip(...)      plain_skip(" " __VA_ARGS__)
#define cr_log_info(...)  ((void)fprintf(stderr, "warning: " __VA_ARGS__))

#endif
