/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARCH_X86_64_PLATFORM_H
#define ARCH_X86_64_PLATFORM_H

#include "arch/arch.h"

/* What the ACPI tables say about the platform devices. @acpi points into static storage afterwards.
 */
void platform_describe(const struct arch_platform *platform, struct acpi_machine *acpi);

#endif
