/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "core/bytes.h"
#include "devices/pci/msi.h"
#include "devices/pci/msix.h"
#include "tests/unit/passthrough/transport/info_image.h"
#include "passthrough/view/config_space.h"
#include "tests/unit/devices/pci/capabilities.h"

static uint8_t config[4096];
static struct config_facts facts;
static struct pci_device device;
static const char *why;
static unsigned int hidden_count;

static void on_hidden(void *opaque, bool extended, uint16_t id, const char *reason)
{
	(void)opaque;
	(void)extended;
	(void)id;
	cr_assert_not_null(reason);
	hidden_count++;
}

static void make(void)
{
	memset(config, 0, sizeof(config));
	bytes_put_le32(config, 0xcafe1af4);
	bytes_put_le32(config + 8, 0x03020001);
	bytes_put_le32(config + 0x10, 0xc);
	bytes_put_le32(config + 0x18, 0x1);
	bytes_put_le32(config + 0x1c, 0x4);
	bytes_put_le32(config + 0x2c, 0x12345678);
	config[6] = 0x10;
	config[0x34] = 0x40;
	config[0x3d] = 1;
	bytes_put_le32(config + 0x40, 0x00034801); /* PM */
	bytes_put_le32(config + 0x48, 0x00026010); /* Express v2 */
	bytes_put_le32(config + 0x4c, 0x00008001);
	config[0x49] = 0xa0;
	bytes_put_le32(config + 0xa0, 0x0007b011); /* MSI-X, 8 vectors */
	bytes_put_le32(config + 0xa4, 0x2000);
	bytes_put_le32(config + 0xa8, 0x3000);
	bytes_put_le32(config + 0xb0, 0x0008c009); /* vendor, 8 bytes */
	bytes_put_le32(config + 0xb4, 0xfeedbeef);
	bytes_put_le32(config + 0xc0, 0x0086d805);  /* MSI, 64-bit, 8 vectors */
	bytes_put_le32(config + 0xd8, 0x00000003);  /* VPD: hidden */
	bytes_put_le32(config + 0x100, 0x18020001); /* AER: hidden */
	bytes_put_le32(config + 0x180, 0x1d010003); /* serial number */
	bytes_put_le32(config + 0x184, 0x11111111);
	bytes_put_le32(config + 0x1d0, 0x20010023); /* CXL device DVSEC */
	bytes_put_le32(config + 0x1d4, 0x1e98 | 2 << 16 | 0x3cu << 20 >> 0);
	bytes_put_le16(config + 0x1da, 0x1e);
	bytes_put_le32(config + 0x200, 0x2401000f); /* ATS: hidden */
	bytes_put_le32(config + 0x240, 0x26010023); /* vendor DVSEC: hidden */
	bytes_put_le32(config + 0x244, 0x10de | 0x10u << 20);
	bytes_put_le32(config + 0x260, 0x00010023); /* register locator */
	bytes_put_le32(config + 0x264, 0x1e98 | 0x14u << 20);
	bytes_put_le16(config + 0x268, 8);
	bytes_put_le32(config + 0x26c, 0x100);
}

static void build(void)
{
	struct pci_msix_options msix = {0};
	struct pci_msi_options msi = {0};

	hidden_count = 0;
	device.name = "test";
	pci_device_init(&device, facts.vendor, facts.device, facts.class_code, facts.revision,
			facts.subsystem_vendor, facts.subsystem_device);
	if (facts.msix.offset) {
		msix.vectors = facts.msix.vectors;
		msix.table_bar = facts.msix.table_bar;
		msix.table_offset = facts.msix.table_offset;
		msix.pba_bar = facts.msix.pba_bar;
		msix.pba_offset = facts.msix.pba_offset;
		msix.capability_offset = facts.msix.offset;
		pci_msix_init(&device, &msix);
	}
	if (facts.msi.offset) {
		msi.vectors = facts.msi.vectors;
		msi.address_64 = facts.msi.address_64;
		msi.maskable = facts.msi.maskable;
		msi.capability_offset = facts.msi.offset;
		pci_msi_init(&device, &msi);
	}
	config_space_build(&device, &facts, config, 4096, true, on_hidden, NULL);
}

static void destroy(void)
{
	pci_msix_destroy(&device);
	pci_msi_destroy(&device);
}

Test(config_space, facts_of_a_snapshot_are_found)
{
	make();
	cr_assert_eq(config_space_parse(&facts, config, 4096, &why), 0);
	cr_expect_eq(facts.vendor, 0x1af4);
	cr_expect_eq(facts.class_code, 0x030200u);
	cr_expect(facts.bars[0].wide && facts.bars[0].prefetchable && !facts.bars[0].io);
	cr_expect(facts.bars[2].io);
	cr_expect(facts.bars[3].wide && !facts.bars[3].prefetchable);
	cr_expect_eq(facts.msix.offset, 0xa0);
	cr_expect_eq(facts.msix.vectors, 8);
	cr_expect_eq(facts.msix.table_offset, 0x2000u);
	cr_expect_eq(facts.msi.vectors, 8);
	cr_expect(facts.msi.address_64);
	cr_expect_eq(facts.cxl_dvsec, 0x1d0);
	cr_expect_eq(facts.cxl_dvsec_length, 0x3c);
	cr_expect_eq(facts.express, 0x48);
}

/* PCIe 7.5.3.3, PCI AF ECN, PCI PM 3.2.4: which resets the device itself has. */
Test(config_space, ways_to_reset)
{
	make();
	cr_assert_eq(config_space_parse(&facts, config, 4096, &why), 0);
	cr_expect_not(facts.function_reset);
	cr_expect(facts.power_reset);
	bytes_put_le16(config + 0x44, PCI_PM_CTRL_NO_SOFT_RESET);
	bytes_put_le32(config + 0x4c, PCI_EXP_DEVCAP_FLR);
	cr_assert_eq(config_space_parse(&facts, config, 4096, &why), 0);
	cr_expect(facts.function_reset);
	cr_expect_not(facts.power_reset);
	bytes_put_le32(config + 0x4c, 0);
	bytes_put_le32(config + 0xb0, 0x02060013 | 0xc000); /* Advanced Features, FLR */
	config[0xb0 + PCI_AF_CAP] = PCI_AF_CAP_FLR;
	cr_assert_eq(config_space_parse(&facts, config, 4096, &why), 0);
	cr_expect(facts.function_reset);
}

Test(config_space, the_guest_sees_what_the_table_says)
{
	make();
	cr_assert_eq(config_space_parse(&facts, config, 4096, &why), 0);
	build();
	cr_expect_eq(device.config[0x34], 0x40);
	cr_expect_eq(pci_find_capability(device.config, PCI_CAP_ID_PM), 0x40);
	cr_expect_eq(pci_find_capability(device.config, PCI_CAP_ID_EXP), 0x48);
	cr_expect_eq(pci_find_capability(device.config, PCI_CAP_ID_MSIX), 0xa0);
	cr_expect_eq(pci_find_capability(device.config, PCI_CAP_ID_VNDR), 0xb0);
	cr_expect_eq(bytes_get_le32(device.config + 0xb4), 0xfeedbeefu);
	cr_expect_eq(pci_find_capability(device.config, PCI_CAP_ID_MSI), 0xc0);
	cr_expect_eq(pci_find_capability(device.config, PCI_CAP_ID_VPD), 0);
	cr_expect(bytes_get_le32(device.config + 0x48 + PCI_EXP_DEVCAP) & PCI_EXP_DEVCAP_FLR);
	/* AER is hidden: a null capability leads to the first visible one. */
	cr_expect_eq(bytes_get_le32(device.config + 0x100), 0x180u << 20);
	cr_expect_eq(pci_find_ext_capability(device.config, PCI_EXT_CAP_ID_ERR), 0);
	cr_expect_eq(pci_find_ext_capability(device.config, PCI_EXT_CAP_ID_ATS), 0);
	cr_expect_eq(pci_find_ext_capability(device.config, PCI_EXT_CAP_ID_DSN), 0x180);
	cr_expect_eq(pci_find_dvsec(device.config, 0x1e98, 0), 0x1d0);
	cr_expect_eq(pci_find_dvsec(device.config, 0x1e98, 8), 0x260);
	cr_expect_eq(pci_find_dvsec(device.config, 0x10de, 0), 0);
	cr_expect_eq(hidden_count, 4u);
	destroy();
}

Test(config_space, impossible_snapshots_are_refused)
{
#define REFUSED(change)                                                                            \
	do {                                                                                       \
		make();                                                                            \
		change;                                                                            \
		cr_expect_eq(config_space_parse(&facts, config, 4096, &why), -EPROTO, #change);    \
		cr_expect_not_null(why);                                                           \
	} while (0)
	REFUSED(bytes_put_le16(config, 0xffff));
	REFUSED(bytes_put_le16(config, 0));
	REFUSED(config[0x0e] = 1);
	REFUSED(bytes_put_le32(config + 0xa4, 6));
	REFUSED(bytes_put_le32(config + 0xa8, 7));
	REFUSED(config[0xb0] = PCI_CAP_ID_MSIX);
	REFUSED((config[0xa1] = 0xf8, config[0xf8] = PCI_CAP_ID_MSI));
	REFUSED(bytes_put_le16(config + 0xc2, 0x8c));
	make();
	cr_expect_eq(config_space_parse(&facts, config, 255, &why), -EPROTO);
	cr_expect_eq(config_space_parse(&facts, config, 256, &why), 0, "conventional only");
	cr_expect_eq(facts.cxl_dvsec, 0);
}

static unsigned int list_length(void)
{
	uint32_t at = device.config[0x34];
	unsigned int count = 0;

	while (at && count < 100) {
		at = device.config[at + 1];
		count++;
	}
	return count;
}

Test(config_space, loops_do_not_reach_the_guest)
{
	make();
	config[0xb1] = 0x40;
	cr_assert_eq(config_space_parse(&facts, config, 4096, &why), -EPROTO,
		     "the same MSI-X twice");
	make();
	config[0x49] = 0x40; /* PM and Express point to each other */
	cr_assert_eq(config_space_parse(&facts, config, 4096, &why), 0);
	build();
	cr_expect_eq(list_length(), 2u);
	destroy();
	make();
	bytes_put_le32(config + 0x1d0, 0x18010023); /* back to the serial number */
	cr_assert_eq(config_space_parse(&facts, config, 4096, &why), 0);
	build();
	cr_expect_eq(bytes_get_le32(device.config + 0x1d0) >> 20, 0u);
	destroy();
}

Test(config_space, random_images_build_finite_lists)
{
	unsigned int seed = 7;

	for (int round = 0; round < 20000; round++) {
		unsigned int hops = 0;
		uint32_t at;

		make();
		for (int i = 0; i < 8; i++) {
			config[0x34 + (unsigned int)rand_r(&seed) % 0xcc] = (uint8_t)rand_r(&seed);
			config[0x100 + (unsigned int)rand_r(&seed) % 0xf00] =
				(uint8_t)rand_r(&seed);
			config[0x100 + (unsigned int)rand_r(&seed) % 0x180] =
				(uint8_t)rand_r(&seed);
		}
		if (config_space_parse(&facts, config, 4096, &why))
			continue;
		build();
		cr_assert_lt(list_length(), 50u);
		for (at = 0x100; at && hops < 500; hops++)
			at = bytes_get_le32(device.config + at) >> 20;
		cr_assert_lt(hops, 500u);
		destroy();
	}
}
