/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <errno.h>

#include "vmm/machine/affinity.h"

Test(affinity, lists_and_ranges)
{
	const char *text = "[0@[0,2-3],1@[4],10@[7]]";
	cpu_set_t cpus;
	bool found;

	cr_assert_eq(affinity_parse(text, 0, &cpus, &found), 0);
	cr_expect(found);
	cr_expect_eq(CPU_COUNT(&cpus), 3);
	cr_expect(CPU_ISSET(0, &cpus) && CPU_ISSET(2, &cpus) && CPU_ISSET(3, &cpus));
	cr_assert_eq(affinity_parse(text, 1, &cpus, &found), 0);
	cr_expect(found && CPU_ISSET(4, &cpus) && CPU_COUNT(&cpus) == 1);
	cr_assert_eq(affinity_parse(text, 2, &cpus, &found), 0);
	cr_expect_not(found);
	cr_assert_eq(affinity_parse("3@[1]", 3, &cpus, &found), 0,
		     "the outer brackets may be missing");
	cr_expect(found);
}

Test(affinity, malformed)
{
	static const char *const cases[] = {
		"0",       "0@",     "0@[",    "0@[]",      "0@[1",
		"0@[3-1]", "0@[1],", "x@[1]",  "0@[99999]", "[0@[1]",
		"0@[1]x",  "0@[-1]", "0@[1,]", "0@[1]]",    "0@[18446744073709551616]"};
	cpu_set_t cpus;
	bool found;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (i != 6) /* a comma at the end is harmless */
			cr_expect_eq(affinity_parse(cases[i], 0, &cpus, &found), -EINVAL, "%s",
				     cases[i]);
}
