/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/config/text.h"

#include <errno.h>
#include <string.h>

/* The text that is left to read. */
struct rest {
	const char *at;
	const char *end;
};

static int refuse(const char **why, const char *reason)
{
	*why = reason;
	return -EINVAL;
}

static bool take(struct rest *rest, char wanted)
{
	if (rest->at == rest->end || *rest->at != wanted)
		return false;
	rest->at++;
	return true;
}

/* Numbers beyond @limit are refused while they are read: no digit overflows. */
static int take_number(struct rest *rest, uint32_t limit, uint32_t *value, const char **why)
{
	const char *start = rest->at;

	for (*value = 0; rest->at < rest->end && *rest->at >= '0' && *rest->at <= '9'; rest->at++) {
		*value = *value * 10 + (uint32_t)(*rest->at - '0');
		if (*value >= limit)
			return refuse(why, "a number is too large");
	}
	return rest->at == start ? refuse(why, "a number is missing") : 0;
}

/* "0-3,5", up to what is neither. */
static int take_ranges(struct rest *rest, cpu_set_t *numbers, const char **why)
{
	do {
		uint32_t first, last;

		if (take_number(rest, CPU_SETSIZE, &first, why))
			return -EINVAL;
		last = first;
		if (take(rest, '-') && take_number(rest, CPU_SETSIZE, &last, why))
			return -EINVAL;
		if (last < first)
			return refuse(why, "a range ends before it begins");
		for (; first <= last; first++) {
			if (CPU_ISSET(first, numbers))
				return refuse(why, "a number is there twice");
			CPU_SET(first, numbers);
		}
	} while (take(rest, ','));
	return 0;
}

int text_list(const char *text, size_t length, cpu_set_t *numbers, const char **why)
{
	struct rest rest = {text, text + length};
	bool bracket = take(&rest, '[');

	CPU_ZERO(numbers);
	while (rest.end > rest.at && (rest.end[-1] == '\n' || rest.end[-1] == ' '))
		rest.end--;
	if (take_ranges(&rest, numbers, why))
		return -EINVAL;
	if (bracket && !take(&rest, ']'))
		return refuse(why, "the closing bracket is missing");
	return rest.at == rest.end ? 0 : refuse(why, "numbers, ranges and commas are allowed");
}

/* "0@[0,2-3]" */
static int take_pinning(struct rest *rest, struct specification_cpus *cpus, const char **why)
{
	const char *list, *close;
	uint32_t vcpu;

	if (take_number(rest, MACHINE_MAX_VCPUS, &vcpu, why))
		return -EINVAL;
	list = rest->at + 1;
	if (!take(rest, '@') || !take(rest, '['))
		return refuse(why, "@[ must follow a vCPU");
	close = memchr(list, ']', (size_t)(rest->end - list));
	if (!close)
		return refuse(why, "the closing bracket is missing");
	if (cpus->pinned >> vcpu & 1)
		return refuse(why, "a vCPU is there twice");
	rest->at = close + 1;
	if (text_list(list, (size_t)(rest->at - list), &cpus->host_cpus[vcpu], why))
		return -EINVAL;
	cpus->pinned |= UINT64_C(1) << vcpu;
	return 0;
}

int text_affinity(const char *text, struct specification_cpus *cpus, const char **why)
{
	struct rest rest = {text, text + strlen(text)};
	bool bracket = take(&rest, '[');

	cpus->pinned = 0;
	memset(cpus->host_cpus, 0, sizeof(cpus->host_cpus));
	/* A comma at the end is harmless. */
	while (rest.at < rest.end && *rest.at != ']') {
		if (take_pinning(&rest, cpus, why))
			return -EINVAL;
		if (!take(&rest, ','))
			break;
	}
	if (bracket && !take(&rest, ']'))
		return refuse(why, "the closing bracket is missing");
	return rest.at == rest.end ? 0 : refuse(why, "a comma goes between two vCPUs");
}

static int hex_digit(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	digit = (char)(digit | 0x20);
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* One or two hexadecimal digits. */
static bool take_byte(struct rest *rest, uint8_t *byte)
{
	int digit = rest->at < rest->end ? hex_digit(*rest->at) : -1;

	if (digit < 0)
		return false;
	*byte = (uint8_t)digit;
	rest->at++;
	digit = rest->at < rest->end ? hex_digit(*rest->at) : -1;
	if (digit < 0)
		return true;
	*byte = (uint8_t)(*byte << 4 | digit);
	rest->at++;
	return true;
}

int text_mac(const char *text, uint8_t mac[6], const char **why)
{
	struct rest rest = {text, text + strlen(text)};

	for (int i = 0; i < 6; i++)
		if ((i && !take(&rest, ':')) || !take_byte(&rest, &mac[i]))
			return refuse(why, "six bytes are needed");
	if (rest.at != rest.end)
		return refuse(why, "six bytes are needed");
	return mac[0] & 1 ? refuse(why, "it is a multicast address") : 0;
}
