/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "passthrough/host/host.h"
#include "passthrough/transport/pci_address.h"

Test(pci_address, accepted_forms)
{
	static const char *const cases[][2] = {
		{"0000:17:00.0", "0000:17:00.0"},
		{"17:00.0", "0000:17:00.0"},
		{"17:0.7", "0000:17:00.7"},
		{"0:17:1f.7", "0000:17:1f.7"},
		{"ffff:FF:1F.7", "ffff:ff:1f.7"},
		{"/sys/bus/pci/devices/0000:17:00.0", "0000:17:00.0"},
		{"/sys/bus/pci/devices/10000:e1:00.0", "10000:e1:00.0"},
		/* The kernel numbers the domains of VMD and Hyper-V above ffff. */
		{"10000:e1:00.0", "10000:e1:00.0"},
		{"abcdef:00:00.1", "abcdef:00:00.1"},
		{"7fffffff:00:00.1", "7fffffff:00:00.1"},
		{"ffffffff:ff:1f.7", "ffffffff:ff:1f.7"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pci_address address;
		char text[PCI_ADDRESS_TEXT] = "", host[PCI_ADDRESS_TEXT] = "";

		cr_expect_eq(pci_address_parse(cases[i][0], &address), 0, "%s", cases[i][0]);
		pci_address_format(&address, text);
		cr_expect_str_eq(text, cases[i][1]);
		cr_expect_eq(host_parse_address(cases[i][0], host, sizeof(host)), 0, "%s",
			     cases[i][0]);
		cr_expect_str_eq(host, cases[i][1]);
	}
}

Test(pci_address, refused_forms)
{
	static const char *const cases[] = {
		"",
		"gpu",
		"17",
		"17:00",
		"17:00.",
		"17:00.8",
		"17:00.00",
		"17:20.0",
		"017:00.0",
		"1f0:00.0",
		":17:00.0",
		"0000::00.0",
		"0000:17:000.0",
		"0000:017:00.0",
		"0000:17:00.0 ",
		" 0000:17:00.0",
		"0000:17: 0.0",
		"0x17:00.0",
		"+17:00.0",
		"-1:00.0",
		"100000000:17:00.0",
		"0000:17:00.0/",
		"/sys/bus/pci/devices/",
		"0000:0000:17:00.0",
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pci_address address;
		char host[PCI_ADDRESS_TEXT];

		cr_expect_eq(pci_address_parse(cases[i], &address), -EINVAL, "%s", cases[i]);
		cr_expect_eq(host_parse_address(cases[i], host, sizeof(host)), -EINVAL, "%s",
			     cases[i]);
	}
}

Test(pci_address, numbers_and_small_buffers)
{
	struct pci_address address;
	char host[13];

	cr_assert_eq(pci_address_parse("0001:17:1f.7", &address), 0);
	cr_expect_eq(pci_address_number(&address), 0x000117ffu);
	cr_expect_eq(host_parse_address("17:00.0", host, sizeof(host)), 0);
	cr_expect_eq(host_parse_address("10000:17:00.0", host, sizeof(host)), -EINVAL);
}
