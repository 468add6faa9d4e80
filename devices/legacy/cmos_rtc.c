/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/legacy/cmos_rtc.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"

#define CMOS_SIZE 128u

/* MC146818A data sheet, "Address map". */
enum {
	RTC_SECONDS = 0x00,
	RTC_SECONDS_ALARM = 0x01,
	RTC_MINUTES = 0x02,
	RTC_MINUTES_ALARM = 0x03,
	RTC_HOURS = 0x04,
	RTC_HOURS_ALARM = 0x05,
	RTC_DAY_OF_WEEK = 0x06,
	RTC_DAY_OF_MONTH = 0x07,
	RTC_MONTH = 0x08,
	RTC_YEAR = 0x09,
	RTC_REG_A = 0x0a,
	RTC_REG_B = 0x0b,
	RTC_REG_C = 0x0c,
	RTC_REG_D = 0x0d,
};

#define REG_A_UIP     0x80u
#define REG_A_DEFAULT 0x26u /* 32.768 kHz, 1024 Hz */
#define REG_B_SET     0x80u
#define REG_B_DM      0x04u /* binary, else BCD */
#define REG_B_24H     0x02u
#define REG_C_UF      0x10u
#define REG_D_VRT     0x80u /* the battery is good */
#define HOURS_PM      0x80u

/* UIP is seen 244 us before the update (data sheet, "Update cycle"). */
#define UPDATE_NANOSECONDS 244000u

struct cmos_rtc {
	struct bus_region region;
	struct bus *bus;
	uint64_t (*now)(void *opaque);
	void *now_opaque;

	pthread_mutex_t lock; /* for everything below */
	uint8_t index;
	uint8_t bytes[CMOS_SIZE]; /* the time registers count only while SET holds the clock */
	int64_t offset;           /* seconds that the guest's clock is ahead of the host's */
	int64_t last_update;      /* second that register C was read in */
};

static uint64_t system_now(void *opaque)
{
	(void)opaque;
	return clock_calendar_ns();
}

static int64_t rtc_seconds(const struct cmos_rtc *rtc)
{
	return (int64_t)(rtc->now(rtc->now_opaque) / CLOCK_NS_PER_SECOND) + rtc->offset;
}

static uint8_t rtc_encode(const struct cmos_rtc *rtc, int value)
{
	if (rtc->bytes[RTC_REG_B] & REG_B_DM)
		return (uint8_t)value;
	return (uint8_t)((unsigned int)(value / 10) << 4 | (unsigned int)(value % 10));
}

static int rtc_decode(const struct cmos_rtc *rtc, uint8_t byte)
{
	if (rtc->bytes[RTC_REG_B] & REG_B_DM)
		return byte;
	return (byte >> 4) * 10 + (byte & 0x0f);
}

static uint8_t rtc_encode_hours(const struct cmos_rtc *rtc, int hours)
{
	uint8_t byte;

	if (rtc->bytes[RTC_REG_B] & REG_B_24H)
		return rtc_encode(rtc, hours);
	byte = rtc_encode(rtc, hours % 12 == 0 ? 12 : hours % 12);
	return hours >= 12 ? byte | HOURS_PM : byte;
}

static int rtc_decode_hours(const struct cmos_rtc *rtc, uint8_t byte)
{
	if (rtc->bytes[RTC_REG_B] & REG_B_24H)
		return rtc_decode(rtc, byte);
	return rtc_decode(rtc, byte & 0x7f) % 12 + (byte & HOURS_PM ? 12 : 0);
}

/* The running clock into the time registers. */
static void rtc_latch(struct cmos_rtc *rtc)
{
	time_t seconds = (time_t)rtc_seconds(rtc);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm))
		return;
	rtc->bytes[RTC_SECONDS] = rtc_encode(rtc, tm.tm_sec);
	rtc->bytes[RTC_MINUTES] = rtc_encode(rtc, tm.tm_min);
	rtc->bytes[RTC_HOURS] = rtc_encode_hours(rtc, tm.tm_hour);
	rtc->bytes[RTC_DAY_OF_WEEK] = rtc_encode(rtc, tm.tm_wday + 1);
	rtc->bytes[RTC_DAY_OF_MONTH] = rtc_encode(rtc, tm.tm_mday);
	rtc->bytes[RTC_MONTH] = rtc_encode(rtc, tm.tm_mon + 1);
	rtc->bytes[RTC_YEAR] = rtc_encode(rtc, tm.tm_year % 100);
	rtc->bytes[CMOS_RTC_CENTURY] = rtc_encode(rtc, (tm.tm_year + 1900) / 100);
}

/* The time registers into the running clock. Impossible dates are normalised by timegm(). */
static void rtc_adopt(struct cmos_rtc *rtc)
{
	struct tm tm = {
		.tm_sec = rtc_decode(rtc, rtc->bytes[RTC_SECONDS]),
		.tm_min = rtc_decode(rtc, rtc->bytes[RTC_MINUTES]),
		.tm_hour = rtc_decode_hours(rtc, rtc->bytes[RTC_HOURS]),
		.tm_mday = rtc_decode(rtc, rtc->bytes[RTC_DAY_OF_MONTH]),
		.tm_mon = rtc_decode(rtc, rtc->bytes[RTC_MONTH]) - 1,
		.tm_year = rtc_decode(rtc, rtc->bytes[CMOS_RTC_CENTURY]) * 100 +
			   rtc_decode(rtc, rtc->bytes[RTC_YEAR]) - 1900,
	};

	rtc->offset += (int64_t)timegm(&tm) - rtc_seconds(rtc);
}

static bool rtc_is_time(uint8_t index)
{
	switch (index) {
	case RTC_SECONDS:
	case RTC_MINUTES:
	case RTC_HOURS:
	case RTC_DAY_OF_WEEK:
	case RTC_DAY_OF_MONTH:
	case RTC_MONTH:
	case RTC_YEAR:
	case CMOS_RTC_CENTURY:
		return true;
	default:
		return false;
	}
}

static bool rtc_is_set(const struct cmos_rtc *rtc)
{
	return rtc->bytes[RTC_REG_B] & REG_B_SET;
}

static uint8_t rtc_read_data(struct cmos_rtc *rtc)
{
	uint8_t value;

	if (rtc_is_time(rtc->index) && !rtc_is_set(rtc))
		rtc_latch(rtc);
	value = rtc->bytes[rtc->index];
	switch (rtc->index) {
	case RTC_REG_A:
		if (!rtc_is_set(rtc) && rtc->now(rtc->now_opaque) % CLOCK_NS_PER_SECOND >=
						CLOCK_NS_PER_SECOND - UPDATE_NANOSECONDS)
			value |= REG_A_UIP;
		break;
	case RTC_REG_C:
		value = 0;
		if (!rtc_is_set(rtc) && rtc_seconds(rtc) != rtc->last_update) {
			value = REG_C_UF;
			rtc->last_update = rtc_seconds(rtc);
		}
		break;
	case RTC_REG_D:
		value = REG_D_VRT;
		break;
	default:
		break;
	}
	return value;
}

static void rtc_write_data(struct cmos_rtc *rtc, uint8_t value)
{
	bool was_set = rtc_is_set(rtc);

	switch (rtc->index) {
	case RTC_REG_A:
		rtc->bytes[RTC_REG_A] = value & (uint8_t)~REG_A_UIP;
		return;
	case RTC_REG_B:
		if (!was_set && (value & REG_B_SET))
			rtc_latch(rtc);
		rtc->bytes[RTC_REG_B] = value;
		if (was_set && !(value & REG_B_SET))
			rtc_adopt(rtc);
		return;
	case RTC_REG_C:
	case RTC_REG_D:
		return;
	default:
		break;
	}
	if (rtc_is_time(rtc->index) && !was_set) {
		/* Without SET one register of the running clock changes. The weekday follows from
		 * the date. */
		rtc_latch(rtc);
		rtc->bytes[rtc->index] = value;
		rtc_adopt(rtc);
		return;
	}
	rtc->bytes[rtc->index] = value;
}

static uint64_t rtc_read(void *opaque, uint64_t offset, unsigned int size)
{
	struct cmos_rtc *rtc = opaque;
	uint64_t value = UINT64_MAX;

	/* Byte registers; the index port is write-only. */
	pthread_mutex_lock(&rtc->lock);
	if (offset == 1 && size == 1)
		value = rtc_read_data(rtc);
	else if (offset == 0 && size == 2)
		value = 0xff | (uint64_t)rtc_read_data(rtc) << 8;
	pthread_mutex_unlock(&rtc->lock);
	return value;
}

static void rtc_write(void *opaque, uint64_t offset, uint64_t value, unsigned int size)
{
	struct cmos_rtc *rtc = opaque;

	pthread_mutex_lock(&rtc->lock);
	/* Bit 7 of the index masks the NMI, which this machine does not have. */
	if (offset == 0)
		rtc->index = value & (CMOS_SIZE - 1);
	if (offset == 1)
		rtc_write_data(rtc, (uint8_t)value);
	else if (size == 2)
		rtc_write_data(rtc, (uint8_t)(value >> 8));
	pthread_mutex_unlock(&rtc->lock);
}

static const struct bus_ops rtc_ops = {
	.read = rtc_read,
	.write = rtc_write,
};

int cmos_rtc_create(struct cmos_rtc **rtc, const struct cmos_rtc_options *options)
{
	struct cmos_rtc *created = calloc(1, sizeof(*created));
	int result;

	if (!created)
		return -ENOMEM;
	created->bus = options->bus;
	created->now = options->now ? options->now : system_now;
	created->now_opaque = options->now_opaque;
	created->bytes[RTC_REG_A] = REG_A_DEFAULT;
	created->bytes[RTC_REG_B] = REG_B_24H; /* BCD, as PC firmware leaves it */
	created->region = (struct bus_region){
		.name = "rtc",
		.base = CMOS_RTC_PORT,
		.size = 2,
		.ops = &rtc_ops,
		.opaque = created,
	};
	if (pthread_mutex_init(&created->lock, NULL) != 0) {
		free(created);
		return -ENOMEM;
	}
	result = bus_add(options->bus, &created->region);
	if (result < 0) {
		log_error(options->logger, "rtc", "port 0x%x is taken: %s", CMOS_RTC_PORT,
			  strerror(-result));
		pthread_mutex_destroy(&created->lock);
		free(created);
		return result;
	}
	*rtc = created;
	return 0;
}

void cmos_rtc_destroy(struct cmos_rtc *rtc)
{
	if (!rtc)
		return;
	bus_remove(rtc->bus, &rtc->region);
	pthread_mutex_destroy(&rtc->lock);
	free(rtc);
}
