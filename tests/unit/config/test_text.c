/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

#include "vmm/config/text.h"

static struct specification_cpus pinned;
static const char *why;

static bool found(uint32_t vcpu)
{
	return pinned.pinned >> vcpu & 1;
}

Test(text, an_affinity_names_host_cpus_of_vcpus)
{
	const char *text = "[0@[0,2-3],1@[4],10@[7]]";
	const cpu_set_t *cpus = &pinned.host_cpus[0];

	cr_assert_eq(text_affinity(text, &pinned, &why), 0);
	cr_expect(found(0));
	cr_expect_eq(CPU_COUNT(cpus), 3);
	cr_expect(CPU_ISSET(0, cpus) && CPU_ISSET(2, cpus) && CPU_ISSET(3, cpus));
	cpus = &pinned.host_cpus[1];
	cr_expect(found(1) && CPU_ISSET(4, cpus) && CPU_COUNT(cpus) == 1);
	cr_expect_not(found(2));
	cr_expect(found(10));
	cr_assert_eq(text_affinity("3@[1]", &pinned, &why), 0, "the outer brackets may be missing");
	cr_expect(found(3));
	cr_assert_eq(text_affinity("0@[1],", &pinned, &why), 0, "a comma at the end is harmless");
}

Test(text, an_affinity_that_cannot_be_read_is_refused)
{
	static const char *const cases[] = {"0",      "0@",
					    "0@[",    "0@[]",
					    "0@[1",   "0@[3-1]",
					    "x@[1]",  "0@[99999]",
					    "[0@[1]", "0@[1]x",
					    "0@[-1]", "0@[1,]",
					    "0@[1]]", "0@[18446744073709551616]",
					    "64@[0]", "0@[1],0@[2]",
					    "0@[1,1]"};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		why = NULL;
		cr_expect_eq(text_affinity(cases[i], &pinned, &why), -EINVAL, "%s", cases[i]);
		cr_expect_not_null(why, "%s", cases[i]);
	}
}

static int list(const char *text, cpu_set_t *numbers)
{
	return text_list(text, strlen(text), numbers, &why);
}

Test(text, one_list_with_and_without_brackets)
{
	static const struct {
		const char *text;
		uint64_t numbers;
	} cases[] = {
		{"0", 1},
		{"[0]", 1},
		{"0-3", 0xf},
		{"[0-3,5]", 0x2f},
		{"5,0-3", 0x2f},
		{"0-1,4\n", 0x13},
		{"[63]", UINT64_C(1) << 63},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cpu_set_t numbers;

		cr_assert_eq(list(cases[i].text, &numbers), 0, "%s: %s", cases[i].text, why);
		for (uint32_t j = 0; j < CPU_SETSIZE; j++)
			cr_assert_eq(!!CPU_ISSET(j, &numbers), j < 64 && cases[i].numbers >> j & 1,
				     "%s: %u", cases[i].text, j);
	}
}

Test(text, a_list_that_cannot_be_read_is_refused)
{
	static const char *const cases[] = {"",    "[]",    "[",   "[0",   "0]",     "0-",
					    "-1",  "1-0",   "0,",  "foo",  "0 1",    "[[0]]",
					    "0,0", "0-2,1", "0x1", "1024", "0-1024", "99999999999"};
	cpu_set_t numbers;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		why = NULL;
		cr_expect_eq(list(cases[i], &numbers), -EINVAL, "%s", cases[i]);
		cr_expect_not_null(why, "%s", cases[i]);
	}
}

Test(text, a_mac_address_is_six_unicast_bytes)
{
	static const uint8_t wanted[] = {0x52, 0x54, 0x00, 0x0a, 0xfe, 0xFF};
	static const char *const refused[] = {"",
					      "52:54",
					      "53:54:00:00:00:01",
					      "52:54:00:00:00:01:02",
					      "52:54:00:00:00:01 ",
					      "52:54:00:00:00:0g",
					      "52-54-00-00-00-01",
					      ":::::",
					      "52:54:00:00:00:001",
					      "52:54:00:00:00:"};
	uint8_t mac[6];

	cr_assert_eq(text_mac("52:54:00:0a:Fe:FF", mac, &why), 0);
	cr_assert_eq(memcmp(mac, wanted, sizeof(mac)), 0);
	cr_assert_eq(text_mac("52:54:0:a:fe:ff", mac, &why), 0, "one digit is enough");
	cr_assert_eq(memcmp(mac, wanted, sizeof(mac)), 0);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		cr_expect_eq(text_mac(refused[i], mac, &why), -EINVAL, "%s", refused[i]);
}
