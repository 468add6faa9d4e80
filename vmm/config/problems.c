/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/config/problems.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/log.h"

void problem_add(struct problems *problems, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	log_one_line(text);
	problems->count++;
	if (problems->report)
		problems->report(problems->opaque, text);
}
