/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/cli.h"

#include <string.h>
#include <time.h>

static const char *const level_names[] = {"error", "warn", "info", "debug"};

int cli_log_level(const char *text, enum cxvm_log_level *level)
{
	if (!strcmp(text, "warning"))
		text = "warn";
	for (int i = 0; i < 4; i++) {
		if (!strcmp(text, level_names[i])) {
			*level = (enum cxvm_log_level)i;
			return 0;
		}
	}
	return -1;
}

/* Bytes of the UTF-8 sequence at @text (RFC 3629, 4), 0 when it is none: paths may hold any bytes,
 * and a message may have been cut inside a sequence. */
static size_t utf8_length(const unsigned char *text)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t length;

	if (text[0] < 0x80)
		return 1;
	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;
	length = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
	/* No overlong forms, no surrogates, nothing above U+10FFFF. */
	if (text[0] == 0xe0)
		low = 0xa0;
	else if (text[0] == 0xed)
		high = 0x9f;
	else if (text[0] == 0xf0)
		low = 0x90;
	else if (text[0] == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < length; i++, low = 0x80, high = 0xbf)
		if (text[i] < low || text[i] > high)
			return 0;
	return length;
}

/* JSON string escaping (RFC 8259, 7); what is no UTF-8 becomes U+FFFD. */
static void append_json(char *line, size_t size, size_t *used, const char *text)
{
	for (; *text && *used + 8 < size; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte == '"' || byte == '\\') {
			line[(*used)++] = '\\';
			line[(*used)++] = (char)byte;
		} else if (byte < 0x20) {
			*used += (size_t)snprintf(line + *used, size - *used, "\\u%04x", byte);
		} else if (!utf8_length((const unsigned char *)text)) {
			*used += (size_t)snprintf(line + *used, size - *used, "\\ufffd");
		} else {
			size_t length = utf8_length((const unsigned char *)text);

			memcpy(line + *used, text, length);
			*used += length;
			text += length - 1;
		}
	}
	line[*used] = 0;
}

void cli_log_message(void *opaque, enum cxvm_log_level level, const char *object,
		     const char *message)
{
	const struct cli_log *log = opaque;
	struct timespec now;
	struct tm utc;
	char stamp[40], line[2400];
	size_t used;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	used = strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(stamp + used, sizeof(stamp) - used, ".%03ldZ", now.tv_nsec / 1000000);
	if (!log->json) {
		/* A raw terminal needs the carriage return; elsewhere it does no harm in a log
		 * line's end. */
		snprintf(line, sizeof(line), "%s %-5s %s: %s\n", stamp, level_names[level & 3],
			 object, message);
		fputs(line, log->stream);
		return;
	}
	used = (size_t)snprintf(line, sizeof(line),
				"{\"time\":\"%s\",\"level\":\"%s\",\"object\":\"", stamp,
				level_names[level & 3]);
	append_json(line, sizeof(line) - 64, &used, object);
	used += (size_t)snprintf(line + used, sizeof(line) - used, "\",\"message\":\"");
	append_json(line, sizeof(line) - 8, &used, message);
	snprintf(line + used, sizeof(line) - used, "\"}\n");
	fputs(line, log->stream);
}
