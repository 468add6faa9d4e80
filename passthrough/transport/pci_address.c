/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/transport/pci_address.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A hexadecimal number of at most @digits digits; *@text moves behind it. */
static bool take_number(const char **text, unsigned int digits, unsigned long *value)
{
	size_t length = strspn(*text, "0123456789abcdefABCDEF");

	if (!length || length > digits)
		return false;
	*value = strtoul(*text, NULL, 16);
	*text += length;
	return true;
}

static bool take_character(const char **text, char wanted)
{
	if (**text != wanted)
		return false;
	(*text)++;
	return true;
}

int pci_address_parse(const char *text, struct pci_address *address)
{
	const char *slash = strrchr(text, '/');
	unsigned long domain, bus, slot, function;
	const char *start = slash ? slash + 1 : text;
	const char *at = start;
	size_t digits;

	if (!take_number(&at, 8, &domain))
		return -EINVAL;
	digits = (size_t)(at - start);
	if (!take_character(&at, ':') || !take_number(&at, 2, &slot))
		return -EINVAL;
	if (take_character(&at, ':')) {
		bus = slot;
		if (!take_number(&at, 2, &slot))
			return -EINVAL;
	} else {
		/* What was taken for the domain is the bus. */
		if (digits > 2)
			return -EINVAL;
		bus = domain;
		domain = 0;
	}
	if (!take_character(&at, '.') || !take_number(&at, 1, &function) || *at)
		return -EINVAL;
	if (slot > 31 || function > 7)
		return -EINVAL;
	*address = (struct pci_address){(uint32_t)domain, (uint8_t)bus, (uint8_t)slot,
					(uint8_t)function};
	return 0;
}

void pci_address_format(const struct pci_address *address, char text[PCI_ADDRESS_TEXT])
{
	snprintf(text, PCI_ADDRESS_TEXT, "%04x:%02x:%02x.%u", address->domain, address->bus,
		 address->slot & 31u, address->function & 7u);
}
