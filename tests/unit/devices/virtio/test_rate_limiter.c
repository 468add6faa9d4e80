/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>

#include "devices/virtio/rate_limiter.h"

#define MS 1000000ull
#define S  (1000 * MS)

static struct rate_limiter make(uint64_t bw, uint64_t burst, uint64_t bw_ms, uint64_t ops,
				uint64_t ops_ms)
{
	struct rate_limiter_options options = {
		.bandwidth = {.size = bw, .one_time_burst = burst, .refill_time = bw_ms},
		.ops = {.size = ops, .refill_time = ops_ms},
	};
	struct rate_limiter limiter;

	cr_assert_eq(rate_limiter_init(&limiter, &options, 0), 0);
	return limiter;
}

Test(rate_limiter, unlimited_never_waits)
{
	struct rate_limiter limiter = make(0, 0, 0, 0, 0);
	unsigned int i;

	cr_assert_not(rate_limiter_active(&limiter));
	for (i = 0; i < 1000; i++)
		cr_assert_eq(rate_limiter_take(&limiter, UINT64_MAX, 0), 0);
}

Test(rate_limiter, size_without_refill_time_is_refused)
{
	struct rate_limiter_options options = {.ops = {.size = 1}};
	struct rate_limiter limiter;

	cr_assert_eq(rate_limiter_init(&limiter, &options, 0), -EINVAL);
	options.ops.refill_time = UINT64_MAX;
	cr_assert_eq(rate_limiter_init(&limiter, &options, 0), -EINVAL);
	options.ops = (struct token_bucket_options){.size = UINT64_MAX, .refill_time = 1};
	cr_assert_eq(rate_limiter_init(&limiter, &options, 0), -EINVAL);
}

Test(rate_limiter, operations_are_spread_over_the_refill_time)
{
	struct rate_limiter limiter = make(0, 0, 0, 10, 1000);
	unsigned int i;

	cr_assert(rate_limiter_active(&limiter));
	for (i = 0; i < 10; i++)
		cr_assert_eq(rate_limiter_take(&limiter, 1, 0), 0);
	cr_assert_eq(rate_limiter_take(&limiter, 1, 0), 100 * MS);
	cr_assert_eq(rate_limiter_take(&limiter, 1, 40 * MS), 60 * MS);
	cr_assert_eq(rate_limiter_take(&limiter, 1, 100 * MS), 0);
	cr_assert_eq(rate_limiter_take(&limiter, 1, 100 * MS), 100 * MS);
}

Test(rate_limiter, burst_is_spent_once)
{
	struct rate_limiter limiter = make(1000, 500, 1000, 0, 0);

	cr_assert_eq(rate_limiter_take(&limiter, 1500, 0), 0);
	cr_assert_eq(rate_limiter_take(&limiter, 100, 0), 100 * MS);
	cr_assert_eq(rate_limiter_take(&limiter, 1000, 10 * S), 0); /* full again, without burst */
	cr_assert_gt(rate_limiter_take(&limiter, 1, 10 * S), 0);
}

Test(rate_limiter, larger_than_the_bucket_passes_and_is_repaid)
{
	struct rate_limiter limiter = make(1000, 0, 1000, 0, 0);

	cr_assert_eq(rate_limiter_take(&limiter, 5000, 0), 0); /* full: passes, owes 4000 */
	cr_assert_eq(rate_limiter_take(&limiter, 1, 0), 4001 * MS);
	cr_assert_eq(rate_limiter_take(&limiter, 1, 4001 * MS), 0);
	/* Not full: must wait until it is. */
	cr_assert_eq(rate_limiter_take(&limiter, 5000, 4001 * MS), 1000 * MS);
}

Test(rate_limiter, nothing_is_taken_when_one_bucket_is_short)
{
	struct rate_limiter limiter = make(1000, 0, 1000, 1, 1000);

	cr_assert_eq(rate_limiter_take(&limiter, 10, 0), 0);
	cr_assert_eq(rate_limiter_take(&limiter, 900, 0), 1 * S); /* no operation left */
	cr_assert_eq(limiter.bandwidth.tokens, 990);
}

Test(rate_limiter, long_run_keeps_the_rate)
{
	struct rate_limiter limiter = make(7, 0, 3, 0, 0); /* awkward: 7 bytes in 3 ms */
	uint64_t now = 0, bytes = 0;

	while (now < 3 * S) {
		uint64_t wait = rate_limiter_take(&limiter, 1, now);

		if (wait)
			now += wait;
		else
			bytes++;
	}
	cr_assert(bytes >= 7000 && bytes <= 7008, "%llu", (unsigned long long)bytes);
}

Test(rate_limiter, time_that_goes_back_gives_nothing)
{
	struct rate_limiter limiter = make(0, 0, 0, 1, 1000);

	cr_assert_eq(rate_limiter_take(&limiter, 1, 5 * S), 0);
	cr_assert_eq(rate_limiter_take(&limiter, 1, 1 * S), 1 * S);
}
