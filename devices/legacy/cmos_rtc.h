/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_LEGACY_CMOS_RTC_H
#define DEVICES_LEGACY_CMOS_RTC_H

#include <stdint.h>

#include "core/bus.h"
#include "core/log.h"

/*
 * The MC146818 real-time clock and its battery-backed bytes behind ports 0x70 (index) and 0x71
 * (data). Universal time; binary and BCD, 24 and 12 hour mode; century in byte 0x32. A guest that
 * sets the clock changes its own view only. No interrupt: alarm and periodic flags are readable in
 * register C but nothing is raised.
 */
#define CMOS_RTC_PORT    0x70u
#define CMOS_RTC_CENTURY 0x32u /* for the FADT */

struct cmos_rtc_options {
	struct bus *bus;
	const struct logger *logger;
	/* Host time in nanoseconds since 1970; NULL: CLOCK_REALTIME. */
	uint64_t (*now)(void *opaque);
	void *now_opaque;
};

struct cmos_rtc;

/* Returns 0, -ENOMEM, or the error of bus_add(). Before the vCPUs run. */
int cmos_rtc_create(struct cmos_rtc **rtc, const struct cmos_rtc_options *options);

/* vCPUs must be stopped. NULL is allowed. */
void cmos_rtc_destroy(struct cmos_rtc *rtc);

#endif
