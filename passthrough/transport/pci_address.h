/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_TRANSPORT_PCI_ADDRESS_H
#define PASSTHROUGH_TRANSPORT_PCI_ADDRESS_H

#include <stddef.h>
#include <stdint.h>

/* The address of a PCI function of the host. */
struct pci_address {
	uint32_t domain; /* up to 32 bits: the kernel numbers those of VMD and Hyper-V above ffff */
	uint8_t bus;
	uint8_t slot;     /* 0 to 31 */
	uint8_t function; /* 0 to 7 */
};

#define PCI_ADDRESS_TEXT 17u /* bytes of the longest text, NUL included */

/*
 * pci_address_parse() - hexadecimal "DDDD:BB:SS.F" or "BB:SS.F" (domain 0), or a path whose last
 * part is one of them ("/sys/bus/pci/devices/0000:17:00.0"). The domain has up to 8 digits, bus and
 * slot have up to 2, slot is at most 1f and the function at most 7. Nothing else stands before,
 * between or behind. Returns 0 or -EINVAL. Pure.
 */
int pci_address_parse(const char *text, struct pci_address *address);

/* As the kernel writes it: "0000:17:00.0", with more digits where the domain has more. */
void pci_address_format(const struct pci_address *address, char text[PCI_ADDRESS_TEXT]);

/* One number for comparisons: as PCI has it, domain, bus, slot and function in 32 bits; a domain
 * above ffff is cut, which nobody can tell from VFIO's answers either. */
static inline uint32_t pci_address_number(const struct pci_address *address)
{
	return address->domain << 16 | (uint32_t)address->bus << 8 | (uint32_t)address->slot << 3 |
	       address->function;
}

#endif
