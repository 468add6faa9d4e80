/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/mman.h>

#include "fake_transport.h"
#include "tests/unit/core/fake_kvm.h"
#include "passthrough/device/internal.h"

#define GPA  0x400000000ull
#define PAGE 0x1000u

static struct fake_transport fake;
static struct passthrough_device device;
static struct address_space_ops spying;
static unsigned int unmapped_while_guest_has_it;

static void count_window(void *opaque, const struct guest_window *window)
{
	(void)window;
	++*(unsigned int *)opaque;
}

static unsigned int in_guest(void)
{
	unsigned int count = 0;

	guest_memory_visit_windows(device.environment.memory, count_window, &count);
	return count;
}

static int spy_unmap(struct address_space *space, uint64_t address, uint64_t size)
{
	(void)space;
	(void)address;
	(void)size;
	unmapped_while_guest_has_it += in_guest();
	fake.dma_count--;
	return 0;
}

static void up(uint32_t room)
{
	fake_init(&fake);
	fake_start(&fake);
	spying = *fake.space.ops;
	spying.unmap = spy_unmap;
	fake.space.ops = &spying;
	memset(&device, 0, sizeof(device));
	device.id = (char *)(uintptr_t) "gpu0";
	device.transport = &fake.transport;
	pthread_mutex_init(&device.lock, NULL);
	cr_assert_eq(guest_memory_create(&device.environment.memory, NULL, NULL), 0);
	cr_assert_eq(windows_create(&device, room), 0);
	unmapped_while_guest_has_it = 0;
}

static void down(void)
{
	windows_take_all(&device);
	cr_expect_eq(in_guest(), 0u);
	cr_expect_eq(fake.dma_count, 0u);
	windows_destroy(&device);
	guest_memory_destroy(device.environment.memory);
	pthread_mutex_destroy(&device.lock);
	fake_free(&fake);
}

static struct window *mapped(uint64_t offset, uint64_t size)
{
	struct window *window = window_add(&device, GUEST_WINDOW_REGISTERS, 0, offset, size);

	cr_assert_not_null(window);
	cr_assert_eq(window_map(&device, window), 0);
	return window;
}

static bool is_mapped(void *address)
{
	unsigned char pages[1];

	return mincore(address, PAGE, pages) == 0;
}

/* KVM would go on reading and writing there: nobody else may get these addresses. */
Test(window, addresses_of_a_slot_that_stays_are_kept)
{
	struct fake_kvm kvm;
	struct window *window, slice = {0};
	void *host;

	up(2);
	guest_memory_destroy(device.environment.memory);
	fake_kvm_init(&kvm);
	cr_assert_eq(guest_memory_create(&device.environment.memory, &kvm.vm, NULL), 0);
	window = mapped(0, PAGE);
	host = window->host;
	*(volatile uint8_t *)host = 7;
	cr_assert_eq(window_give(&device, window, GPA), 0);
	kvm.fail_request = KVM_SET_USER_MEMORY_REGION;
	kvm.fail_errno = ENOMEM;
	window_take(&device, window);
	cr_expect(window->in_guest, "it is still there");
	cr_expect_eq(window_give(&device, window, GPA + PAGE), -EBUSY);
	slice.in_guest = true;
	cr_expect_eq(window_slice(&slice, window, 0, PAGE), -EBUSY);
	windows_unmap(&device);
	cr_expect(is_mapped(host));
	cr_expect_eq(*(volatile uint8_t *)host, 0, "and the device is gone from it");
	/* A later try may work. */
	kvm.fail_request = 0;
	window_take(&device, window);
	cr_expect_not(window->in_guest);
	munmap(host, PAGE);
	down();
	fake_kvm_destroy(&kvm);
}

Test(window, taken_from_the_guest_before_the_device)
{
	struct window *window;

	up(1);
	window = mapped(0, PAGE);
	cr_assert_eq(window_give(&device, window, GPA), 0);
	cr_expect(window->in_guest && window->in_dma);
	window_take(&device, window);
	cr_expect_eq(unmapped_while_guest_has_it, 0u);
	cr_expect_not(window->in_guest || window->in_dma);
	/* Nobody has it: nothing to take. */
	window_take(&device, window);
	down();
}

Test(window, one_that_the_guest_cannot_have_reaches_nobody)
{
	struct window *first, *second;

	up(2);
	first = mapped(0, 2 * PAGE);
	second = mapped(2 * PAGE, PAGE);
	cr_assert_eq(window_give(&device, first, GPA), 0);
	cr_expect_eq(window_give(&device, second, GPA + PAGE), -EEXIST);
	cr_expect_not(second->in_guest || second->in_dma);
	cr_expect_eq(fake.dma_count, 1u);
	cr_expect_eq(window_give(&device, second, GPA + 2 * PAGE), 0);
	down();
}

Test(window, found_where_the_guest_has_it_and_nowhere_else)
{
	struct window *first, *second;

	up(2);
	first = mapped(0, PAGE);
	second = mapped(PAGE, PAGE);
	cr_expect_null(window_find(&device, PASSTHROUGH_GPA_UNKNOWN));
	cr_assert_eq(window_give(&device, second, GPA), 0);
	cr_expect_eq(window_find(&device, GPA), second);
	cr_expect_eq(window_find(&device, GPA + PAGE - 1), second);
	cr_expect_null(window_find(&device, GPA + PAGE));
	cr_expect_null(window_find(&device, GPA - 1));
	cr_expect_eq(window_find(&device, PASSTHROUGH_GPA_UNKNOWN), second);
	cr_expect_null(window_find_broken(&device));
	fake.broken_mapping = true;
	cr_expect_eq(window_find_broken(&device), second);
	window_take(&device, second);
	cr_expect_null(window_find(&device, GPA));
	cr_expect_null(window_find_broken(&device));
	cr_expect_not(first->in_guest);
	down();
}

Test(window, a_failed_dma_map_is_renewed_by_nobody)
{
	struct window *window;

	up(1);
	window = mapped(0, PAGE);
	fake.fail[FAKE_DMA_MAP] = -EFAULT;
	cr_assert_eq(window_give(&device, window, GPA), 0);
	cr_expect(window->in_guest && !window->in_dma);
	fake.fail[FAKE_DMA_MAP] = 0;
	window_renew(&device, window);
	cr_expect_eq(fake.dma_count, 0u);
	window_take(&device, window);
	cr_assert_eq(window_give(&device, window, GPA), 0);
	window_renew(&device, window);
	cr_expect_eq(fake.dma_count, 1u);
	down();
}

Test(window, a_slice_ends_with_the_mapping_that_it_is_of)
{
	struct window *whole, *slice;

	up(2);
	whole = mapped(0, 4 * PAGE);
	slice = window_add(&device, GUEST_WINDOW_DPA, 0, 0, 0);
	cr_assert_eq(window_slice(slice, whole, PAGE, 2 * PAGE), 0);
	cr_expect_eq((uint8_t *)slice->host - (uint8_t *)whole->host, PAGE);
	cr_expect_eq(slice->fd_offset, whole->fd_offset + PAGE);
	cr_expect_null(slice->reserved, "it unmaps nothing of its own");
	windows_unmap(&device);
	cr_expect_eq(window_give(&device, slice, GPA), -ENODEV);
	cr_expect_eq(window_slice(slice, whole, 0, PAGE), -ENODEV);
	cr_expect_null(window_add(&device, GUEST_WINDOW_DPA, 0, 0, 0),
		       "no more than there is room for");
	down();
}
