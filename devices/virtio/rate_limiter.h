/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_VIRTIO_RATE_LIMITER_H
#define DEVICES_VIRTIO_RATE_LIMITER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Two token buckets, bytes and operations, with the field names of Firecracker's and
 * cloud-hypervisor's rate_limiter. A bucket of size 0 does not limit. Pure: the caller passes the
 * time. Not locked.
 */
struct token_bucket_options {
	uint64_t size;           /* tokens that the bucket holds; 0: no limit */
	uint64_t one_time_burst; /* extra tokens at the beginning, never refilled */
	uint64_t refill_time;    /* milliseconds in which an empty bucket becomes full */
};

struct rate_limiter_options {
	struct token_bucket_options bandwidth; /* bytes */
	struct token_bucket_options ops;
};

struct token_bucket {
	uint64_t size;
	uint64_t one_time_burst;
	uint64_t refill_ns;
	int64_t tokens; /* below 0: owed by a request larger than the bucket */
	uint64_t last_ns;
	uint64_t remainder; /* of a token, in parts of refill_ns */
};

struct rate_limiter {
	struct token_bucket bandwidth;
	struct token_bucket ops;
};

/* Returns 0 or -EINVAL: a size without a refill_time, or numbers beyond 2^62. */
int rate_limiter_init(struct rate_limiter *limiter, const struct rate_limiter_options *options,
		      uint64_t now_ns);

bool rate_limiter_active(const struct rate_limiter *limiter);

/*
 * rate_limiter_take() - pay for one operation of @bytes. Returns 0 (paid) or the nanoseconds after
 * which asking again makes sense; then nothing was taken. A request that is larger than the bucket
 * passes when the bucket is full and delays the next ones.
 */
uint64_t rate_limiter_take(struct rate_limiter *limiter, uint64_t bytes, uint64_t now_ns);

/*
 * For what is only known when it has happened (received packets): rate_limiter_wait() says when the
 * next one may be looked for, rate_limiter_charge() pays afterwards, on credit if need be.
 */
uint64_t rate_limiter_wait(struct rate_limiter *limiter, uint64_t now_ns);
void rate_limiter_charge(struct rate_limiter *limiter, uint64_t bytes);

#endif
