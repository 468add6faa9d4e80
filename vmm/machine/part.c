/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/machine/part.h"

#include <errno.h>

int machine_parts_append(struct machine_parts *parts, const struct machine_part_ops *ops,
			 struct machine *machine, const void *wanted)
{
	if (parts->count == MACHINE_MAX_PARTS)
		return -ENOSPC;
	parts->list[parts->count++] = (struct machine_part){
		.ops = ops,
		.machine = machine,
		.wanted = wanted,
	};
	return 0;
}

int machine_parts_connect(struct machine_parts *parts)
{
	int result = 0;

	for (size_t i = 0; i < parts->count && !result; i++)
		if (parts->list[i].ops->connect)
			result = parts->list[i].ops->connect(&parts->list[i]);
	if (result)
		machine_parts_remove(parts);
	return result;
}

int machine_parts_add(struct machine_parts *parts)
{
	int result = 0;

	for (size_t i = 0; i < parts->count && !result; i++)
		result = parts->list[i].ops->add(&parts->list[i]);
	if (result)
		machine_parts_remove(parts);
	return result;
}

int machine_parts_begin(struct machine_parts *parts)
{
	int result = 0;

	for (size_t i = 0; i < parts->count && !result; i++)
		if (parts->list[i].ops->begin)
			result = parts->list[i].ops->begin(&parts->list[i]);
	return result;
}

void machine_parts_describe(const struct machine_parts *parts, struct description *description)
{
	for (size_t i = 0; i < parts->count; i++)
		if (parts->list[i].ops->describe)
			parts->list[i].ops->describe(&parts->list[i], description);
}

void machine_parts_pause(struct machine_parts *parts)
{
	for (size_t i = 0; i < parts->count; i++)
		if (parts->list[i].ops->pause)
			parts->list[i].ops->pause(&parts->list[i]);
}

void machine_parts_resume(struct machine_parts *parts)
{
	for (size_t i = parts->count; i > 0; i--)
		if (parts->list[i - 1].ops->resume)
			parts->list[i - 1].ops->resume(&parts->list[i - 1]);
}

void machine_parts_flush(struct machine_parts *parts)
{
	for (size_t i = 0; i < parts->count; i++)
		if (parts->list[i].ops->flush)
			parts->list[i].ops->flush(&parts->list[i]);
}

void machine_parts_remove(struct machine_parts *parts)
{
	while (parts->count) {
		struct machine_part *part = &parts->list[--parts->count];

		if (part->state)
			part->ops->remove(part);
		part->state = NULL;
	}
}

struct machine_part *machine_part_next(const struct machine_parts *parts,
				       const struct machine_part_ops *ops,
				       const struct machine_part *from)
{
	size_t i = from ? (size_t)(from - parts->list) + 1 : 0;

	while (i < parts->count && parts->list[i].ops != ops)
		i++;
	return i < parts->count ? (struct machine_part *)&parts->list[i] : NULL;
}
