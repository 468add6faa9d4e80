/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vmm/machine/part.h"

/* What was done to which part: "c1" connects the first one, "a2" adds the second one. */
static char done[256];

/* A part is told what to do by its section: where it fails, and with what. */
struct order {
	int number;
	int connect_result;
	int add_result;
	bool half; /* a failed step leaves something behind */
};

static void note(char what, const struct machine_part *part)
{
	size_t used = strlen(done);
	const struct order *order = part->wanted;

	snprintf(done + used, sizeof(done) - used, "%s%c%d", used ? " " : "", what, order->number);
}

static int step(struct machine_part *part, int result)
{
	const struct order *order = part->wanted;

	if (!result || order->half)
		part->state = done;
	return result;
}

static int fake_connect(struct machine_part *part)
{
	note('c', part);
	return step(part, ((const struct order *)part->wanted)->connect_result);
}

static int fake_add(struct machine_part *part)
{
	note('a', part);
	return step(part, ((const struct order *)part->wanted)->add_result);
}

static void fake_describe(const struct machine_part *part, struct description *description)
{
	cr_assert_null(description);
	note('d', part);
}

static void fake_pause(struct machine_part *part)
{
	note('p', part);
}

static void fake_resume(struct machine_part *part)
{
	note('r', part);
}

static void fake_flush(struct machine_part *part)
{
	note('f', part);
}

static void fake_remove(struct machine_part *part)
{
	cr_assert_not_null(part->state);
	note('x', part);
}

/* Has every step, and has only those that every kind has. */
static const struct machine_part_ops full = {
	.name = "full",
	.connect = fake_connect,
	.add = fake_add,
	.describe = fake_describe,
	.pause = fake_pause,
	.resume = fake_resume,
	.flush = fake_flush,
	.remove = fake_remove,
};
static const struct machine_part_ops plain = {
	.name = "plain",
	.add = fake_add,
	.remove = fake_remove,
};

static void three(struct machine_parts *parts, const struct order orders[3])
{
	const struct machine_part_ops *const kinds[] = {&full, &plain, &full};

	done[0] = '\0';
	*parts = (struct machine_parts){.count = 0};
	for (size_t i = 0; i < 3; i++)
		cr_assert_eq(machine_parts_append(parts, kinds[i], NULL, &orders[i]), 0);
}

Test(part, every_step_in_its_order)
{
	static const struct order orders[] = {{.number = 1}, {.number = 2}, {.number = 3}};
	static struct machine_parts parts;

	three(&parts, orders);
	cr_assert_eq(machine_parts_connect(&parts), 0);
	cr_assert_eq(machine_parts_add(&parts), 0);
	machine_parts_describe(&parts, NULL);
	machine_parts_pause(&parts);
	machine_parts_resume(&parts);
	machine_parts_flush(&parts);
	machine_parts_remove(&parts);
	cr_assert_str_eq(done, "c1 c3 a1 a2 a3 d1 d3 p1 p3 r3 r1 f1 f3 x3 x2 x1");
	cr_assert_eq(parts.count, 0u);
	machine_parts_remove(&parts);
	cr_assert_str_eq(done, "c1 c3 a1 a2 a3 d1 d3 p1 p3 r3 r1 f1 f3 x3 x2 x1");
}

Test(part, a_failure_takes_away_in_reverse_what_was_done)
{
	static const struct {
		struct order orders[3];
		int connected, added;
		const char *done;
	} cases[] = {
		{{{1, -EBUSY, 0, false}, {.number = 2}, {.number = 3}}, -EBUSY, 0, "c1"},
		{{{1, -EBUSY, 0, true}, {.number = 2}, {.number = 3}}, -EBUSY, 0, "c1 x1"},
		{{{.number = 1}, {.number = 2}, {3, -EIO, 0, false}}, -EIO, 0, "c1 c3 x1"},
		{{{.number = 1}, {2, 0, -EINVAL, false}, {.number = 3}},
		 0,
		 -EINVAL,
		 "c1 c3 a1 a2 x3 x1"},
		{{{.number = 1}, {2, 0, -EINVAL, true}, {.number = 3}},
		 0,
		 -EINVAL,
		 "c1 c3 a1 a2 x3 x2 x1"},
		{{{.number = 1}, {.number = 2}, {3, 0, -ENOMEM, true}},
		 0,
		 -ENOMEM,
		 "c1 c3 a1 a2 a3 x3 x2 x1"},
	};
	static struct machine_parts parts;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		three(&parts, cases[i].orders);
		cr_expect_eq(machine_parts_connect(&parts), cases[i].connected, "case %zu", i);
		if (!cases[i].connected)
			cr_expect_eq(machine_parts_add(&parts), cases[i].added, "case %zu", i);
		cr_expect_str_eq(done, cases[i].done, "case %zu: %s", i, done);
		cr_expect_eq(parts.count, 0u, "case %zu", i);
	}
}

Test(part, next_of_a_kind)
{
	static const struct order orders[] = {{.number = 1}, {.number = 2}, {.number = 3}};
	static struct machine_parts parts;
	const struct machine_part *part;

	three(&parts, orders);
	part = machine_part_next(&parts, &full, NULL);
	cr_assert_eq(part, &parts.list[0]);
	part = machine_part_next(&parts, &full, part);
	cr_assert_eq(part, &parts.list[2]);
	cr_assert_null(machine_part_next(&parts, &full, part));
	cr_assert_eq(machine_part_next(&parts, &plain, NULL), &parts.list[1]);
}

Test(part, no_more_than_there_is_room_for)
{
	static const struct order order = {.number = 1};
	static struct machine_parts parts;

	for (size_t i = 0; i < MACHINE_MAX_PARTS; i++)
		cr_assert_eq(machine_parts_append(&parts, &plain, NULL, &order), 0);
	cr_assert_eq(machine_parts_append(&parts, &plain, NULL, &order), -ENOSPC);
	cr_assert_eq(parts.count, MACHINE_MAX_PARTS);
}
