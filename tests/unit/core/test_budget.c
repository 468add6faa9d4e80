/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "core/budget.h"

Test(budget, chains_bytes_and_time_each_end_it)
{
	struct budget budget;

	budget = budget_start(&(struct budget_limits){.chains = 2});
	cr_assert_not(budget_spent(&budget));
	budget_charge(&budget, 1, UINT64_MAX - 1);
	cr_assert_not(budget_spent(&budget));
	budget_charge(&budget, 1, 0);
	cr_assert(budget_spent(&budget));

	budget = budget_start(&(struct budget_limits){.chains = 100, .bytes = 4096});
	budget_charge(&budget, 0, 4095);
	cr_assert_not(budget_spent(&budget));
	budget_charge(&budget, 0, UINT64_MAX);
	cr_assert(budget_spent(&budget));

	budget = budget_start(&(struct budget_limits){.chains = 100, .time_ns = 1});
	cr_assert_not(budget_spent(&budget)); /* the first piece is always done */
	while (clock_now_ns() < budget.end_ns)
		;
	budget_charge(&budget, 0, 0);
	cr_assert(budget_spent(&budget));
	cr_assert_eq(budget.chains, 100);
}
