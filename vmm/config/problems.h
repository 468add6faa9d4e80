/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_CONFIG_PROBLEMS_H
#define VMM_CONFIG_PROBLEMS_H

/* Where the problems of a configuration go: each is one line with its cause and a fix. */
struct problems {
	void (*report)(void *opaque, const char *message); /* NULL: they are only counted */
	void *opaque;
	int count;
};

void problem_add(struct problems *problems, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
