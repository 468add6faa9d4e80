/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "devices/virtio/rng.h"
#include "guest.h"

static struct guest guest;

static void setup(void)
{
	struct virtio_rng_options options = {.name = "rng7"};
	struct virtio_device *device;

	guest_init(&guest, true);
	options.environment = guest_environment(&guest, NULL);
	cr_assert_eq(virtio_rng_create(&options, &device), 0);
	cr_assert_eq(device->type, VIRTIO_ID_RNG);
	cr_assert_str_eq(device->name, "rng7");
	cr_assert_eq(guest_start(&guest, device, 8, 0), 0);
}

static void teardown(void)
{
	guest_fini(&guest);
}

TestSuite(virtio_rng, .init = setup, .fini = teardown, .timeout = 20);

Test(virtio_rng, fills_all_buffers)
{
	uint64_t gpa = guest_alloc(&guest, 512), again = guest_alloc(&guest, 512);
	struct guest_buffer buffers[] = {{gpa, 200, true}, {gpa + 200, 312, true}};
	struct guest_buffer second = {again, 512, true};
	struct vring_used_elem used;
	uint8_t zero[32] = {0};
	unsigned int i;

	guest_add(&guest, &guest.queues[0], buffers, 2);
	cr_assert(guest_transact(&guest, 0, &used));
	cr_assert_eq(used.len, 512);
	for (i = 0; i < 512; i += 32)
		cr_assert_neq(memcmp(guest_at(&guest, gpa + i, 32), zero, 32), 0, "at %u", i);
	guest_add(&guest, &guest.queues[0], &second, 1);
	cr_assert(guest_transact(&guest, 0, &used));
	cr_assert_neq(memcmp(guest_at(&guest, gpa, 512), guest_at(&guest, again, 512), 512), 0);
}

Test(virtio_rng, huge_request_is_cut)
{
	uint64_t gpa = guest_alloc(&guest, 1u << 20);
	struct guest_buffer buffer = {gpa, 1u << 20, true};
	struct vring_used_elem used;

	guest_add(&guest, &guest.queues[0], &buffer, 1);
	cr_assert(guest_transact(&guest, 0, &used));
	cr_assert_eq(used.len, 65536);
}

Test(virtio_rng, readable_buffer_gets_nothing)
{
	struct guest_buffer buffer = {guest_alloc(&guest, 64), 64, false};
	struct vring_used_elem used;

	guest_add(&guest, &guest.queues[0], &buffer, 1);
	cr_assert(guest_transact(&guest, 0, &used));
	cr_assert_eq(used.len, 0);
	cr_assert_not(guest.needs_reset);
}

Test(virtio_rng, broken_ring_asks_for_a_reset_and_works_after_it)
{
	struct virtio_device *device = guest.device;
	struct guest_buffer bad = {0, 64, true}, good;
	struct vring_used_elem used;

	guest_add(&guest, &guest.queues[0], &bad, 1);
	cr_assert_not(guest_transact(&guest, 0, &used));
	cr_assert(guest.needs_reset);
	guest_stop(&guest);
	cr_assert_eq(guest_start(&guest, device, 8, 0), 0);
	good = (struct guest_buffer){guest_alloc(&guest, 64), 64, true};
	guest_add(&guest, &guest.queues[0], &good, 1);
	cr_assert(guest_transact(&guest, 0, &used));
	cr_assert_eq(used.len, 64);
}

/* A guest that offers buffers as fast as they are filled must not keep the loop: stop, the power
 * button and other devices wait for it. */
Test(virtio_rng, one_callback_is_bounded_and_comes_back_by_itself)
{
	struct guest_buffer buffer = {guest_alloc(&guest, 65536), 65536, true};
	struct vring_used_elem used;
	unsigned int i, answered = 0;

	for (i = 0; i < 8; i++)
		guest_add(&guest, &guest.queues[0], &buffer, 1);
	guest.device->ops->queue_notify(guest.device, 0);
	while (guest_used(&guest, &guest.queues[0], &used))
		answered++;
	cr_assert_geq(answered, 1);
	cr_assert_leq(answered, 4, "%u requests of 64 KiB in one callback", answered);
	for (i = 0; i < 100 && answered < 8; i++) {
		cr_assert(guest_run(&guest, 5000));
		while (guest_used(&guest, &guest.queues[0], &used))
			answered++;
	}
	cr_assert_eq(answered, 8);
}
