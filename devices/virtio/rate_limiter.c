/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/rate_limiter.h"

#include <errno.h>

#define MAX_TOKENS (1ull << 62)
#define MAX_MS     (1ull << 40)

__extension__ typedef unsigned __int128 wide;

static int bucket_init(struct token_bucket *bucket, const struct token_bucket_options *options,
		       uint64_t now_ns)
{
	*bucket = (struct token_bucket){0};
	if (options->size == 0)
		return 0;
	if (options->refill_time == 0 || options->refill_time > MAX_MS ||
	    options->size > MAX_TOKENS || options->one_time_burst > MAX_TOKENS)
		return -EINVAL;
	bucket->size = options->size;
	bucket->one_time_burst = options->one_time_burst;
	bucket->refill_ns = options->refill_time * 1000000u;
	bucket->tokens = (int64_t)options->size;
	bucket->last_ns = now_ns;
	return 0;
}

static void bucket_refill(struct token_bucket *bucket, uint64_t now_ns)
{
	uint64_t missing = bucket->size - (uint64_t)bucket->tokens; /* wraps right below 0 */
	wide parts;
	wide gained;

	if (now_ns <= bucket->last_ns)
		return;
	parts = (wide)(now_ns - bucket->last_ns) * bucket->size + bucket->remainder;
	gained = parts / bucket->refill_ns;
	bucket->last_ns = now_ns;
	if (gained >= missing) {
		bucket->tokens = (int64_t)bucket->size;
		bucket->remainder = 0;
	} else {
		bucket->tokens += (int64_t)gained;
		bucket->remainder = (uint64_t)(parts % bucket->refill_ns);
	}
}

/* Nanoseconds until @amount may be taken; 0: now. */
static uint64_t bucket_wait(struct token_bucket *bucket, uint64_t amount, uint64_t now_ns)
{
	uint64_t wanted, missing;
	wide wait;

	if (bucket->size == 0)
		return 0;
	bucket_refill(bucket, now_ns);
	wanted = amount > bucket->one_time_burst ? amount - bucket->one_time_burst : 0;
	if (wanted > bucket->size)
		wanted = bucket->size;
	if (wanted == 0 || bucket->tokens >= (int64_t)wanted)
		return 0;
	missing = (uint64_t)((int64_t)wanted - bucket->tokens);
	/* The part of a token that is there already counts. */
	wait = ((wide)missing * bucket->refill_ns - bucket->remainder + bucket->size - 1) /
	       bucket->size;
	return wait > MAX_TOKENS ? MAX_TOKENS : (uint64_t)wait;
}

static void bucket_pay(struct token_bucket *bucket, uint64_t amount)
{
	uint64_t burst = amount < bucket->one_time_burst ? amount : bucket->one_time_burst;

	if (bucket->size == 0)
		return;
	bucket->one_time_burst -= burst;
	bucket->tokens -= (int64_t)(amount - burst);
}

int rate_limiter_init(struct rate_limiter *limiter, const struct rate_limiter_options *options,
		      uint64_t now_ns)
{
	int result = bucket_init(&limiter->bandwidth, &options->bandwidth, now_ns);

	return result ? result : bucket_init(&limiter->ops, &options->ops, now_ns);
}

bool rate_limiter_active(const struct rate_limiter *limiter)
{
	return limiter->bandwidth.size || limiter->ops.size;
}

uint64_t rate_limiter_take(struct rate_limiter *limiter, uint64_t bytes, uint64_t now_ns)
{
	uint64_t for_bytes, for_ops;

	if (bytes > UINT32_MAX)
		bytes = UINT32_MAX; /* the longest chain; keeps the debt far from overflow */
	for_bytes = bucket_wait(&limiter->bandwidth, bytes, now_ns);
	for_ops = bucket_wait(&limiter->ops, 1, now_ns);
	if (for_bytes || for_ops)
		return for_bytes > for_ops ? for_bytes : for_ops;
	bucket_pay(&limiter->bandwidth, bytes);
	bucket_pay(&limiter->ops, 1);
	return 0;
}

uint64_t rate_limiter_wait(struct rate_limiter *limiter, uint64_t now_ns)
{
	uint64_t for_bytes = bucket_wait(&limiter->bandwidth, 1, now_ns);
	uint64_t for_ops = bucket_wait(&limiter->ops, 1, now_ns);

	return for_bytes > for_ops ? for_bytes : for_ops;
}

void rate_limiter_charge(struct rate_limiter *limiter, uint64_t bytes)
{
	bucket_pay(&limiter->bandwidth, bytes);
	bucket_pay(&limiter->ops, 1);
}
