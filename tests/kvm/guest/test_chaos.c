/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

static uint64_t state;

static uint32_t random32(void)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(state >> 33);
}

/* Ports that end the machine on purpose. */
static bool deadly(uint32_t port)
{
	return port == 0x64 || (port >= 0xf4 && port < 0xf8) || port == 0x505 ||
	       (port >= 0x600 && port < 0x610) || (port >= 0xcf8 && port < 0xd00);
}

/* Random accesses everywhere: the machine must survive and still tell right from wrong. */
void guest_main(void)
{
	uint32_t id = pci_read32(0, 0);

	state = guest_option("seed", 1);
	for (uint32_t i = 0; i < guest_option("rounds", 3000); i++) {
		uint32_t port = random32() & 0xffff, value = random32();
		uint32_t bdf = BDF(0, random32() % 8, 0), offset = random32() % 4096;
		uint64_t at = 0xc0000000ull + random32() % 0x20000000u;

		if (i % 2)
			port &= 0x7ff;
		if (!deadly(port) && !deadly(port + 1) && !deadly(port + 3)) {
			outb((uint16_t)port, (uint8_t)value);
			inw((uint16_t)port);
			outl((uint16_t)port, value);
		}
		pci_write32(bdf, offset & ~3u, value);
		mmio_write16(ECAM + ((uint64_t)bdf << 12) + offset, (uint16_t)value);
		pci_read32(bdf, offset & ~3u);
		mmio_write32(at, value);
		mmio_read64(at);
	}
	CHECK_EQ(pci_read32(0, 0), id);
}
