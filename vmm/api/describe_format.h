/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_API_DESCRIBE_FORMAT_H
#define VMM_API_DESCRIBE_FORMAT_H

#include <stdio.h>

#include <cxvm/cxvm.h>

#include "vmm/machine/describe.h"

/* The description of a machine in one of the public forms. @text: free() it. Returns 0, -EINVAL
 * (format) or -ENOMEM. Pure. */
int description_format(const struct description *description, enum cxvm_format format, char **text);

/* describe_svg.c */
void description_svg(FILE *stream, const struct description *description);

#endif
