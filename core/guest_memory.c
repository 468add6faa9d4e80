/* SPDX-License-Identifier: Apache-2.0 */
#include "core/guest_memory.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/ranges.h"
#include "core/guest_lent.h"
#include "core/guest_ram.h"

/* Of the block array: a fixed one, so that guest_memory_blocks() stays valid. */
#define RAM_BLOCKS_MAX   128u
#define WINDOW_NAME_SIZE 48u
#define WINDOWS_INITIAL  64u

struct memory_window {
	struct guest_window window; /* its name points into this struct's heap copy */
	char *name;
	uint32_t id;
	uint32_t slot;
};

struct guest_memory {
	struct kvm_vm *vm;
	const struct logger *logger;
	struct log_ratelimit limit; /* a guest moves BARs and decoders as it likes */
	uint64_t page_size;

	struct guest_ram_block blocks[RAM_BLOCKS_MAX];     /* ascending by gpa */
	struct guest_ram_mapping mappings[RAM_BLOCKS_MAX]; /* of the block of the same index */
	uint32_t block_slots[RAM_BLOCKS_MAX];
	size_t block_count;
	struct guest_lent lent; /* device memory used as RAM */

	pthread_mutex_t lock;          /* for everything below */
	struct memory_window *windows; /* ascending by gpa */
	size_t window_count;
	size_t window_capacity;
	uint32_t next_id;
	uint64_t *slots_used; /* one bit each */
	uint32_t slot_count;
};

int guest_memory_create(struct guest_memory **memory, struct kvm_vm *vm,
			const struct logger *logger)
{
	struct guest_memory *created = calloc(1, sizeof(*created));

	if (!created)
		return -ENOMEM;
	created->vm = vm;
	created->logger = logger;
	created->limit = (struct log_ratelimit)LOG_RATELIMIT_DEFAULT;
	created->page_size = (uint64_t)sysconf(_SC_PAGESIZE);
	created->next_id = 1;
	created->slot_count = vm ? vm->max_memory_slots : 32764;
	created->slots_used = calloc((created->slot_count + 63) / 64, sizeof(uint64_t));
	/* Room for the usual number of windows now: mapping one then makes no other system call. */
	created->window_capacity = WINDOWS_INITIAL;
	created->windows = calloc(WINDOWS_INITIAL, sizeof(*created->windows));
	if (!created->slots_used || !created->windows ||
	    pthread_mutex_init(&created->lock, NULL) != 0 || guest_lent_init(&created->lent) < 0) {
		free(created->slots_used);
		free(created->windows);
		free(created);
		return -ENOMEM;
	}
	*memory = created;
	return 0;
}

/* The lowest free slot, marked used; -ENOSPC. Caller holds the lock. */
static int slot_take(struct guest_memory *memory, uint32_t *slot)
{
	for (uint32_t word = 0; word < (memory->slot_count + 63) / 64; word++) {
		uint32_t number;

		if (memory->slots_used[word] == UINT64_MAX)
			continue;
		number = word * 64 + (uint32_t)__builtin_ctzll(~memory->slots_used[word]);
		if (number >= memory->slot_count)
			break;
		memory->slots_used[word] |= UINT64_C(1) << (number % 64);
		*slot = number;
		return 0;
	}
	log_limited(memory->logger, &memory->limit, LOG_LEVEL_ERROR, "memory",
		    "all %u memory slots of KVM are in use", memory->slot_count);
	return -ENOSPC;
}

static void slot_give_back(struct guest_memory *memory, uint32_t slot)
{
	/* Two owners of a slot would take each other's memory from the guest. */
	assert(memory->slots_used[slot / 64] & UINT64_C(1) << (slot % 64));
	memory->slots_used[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
}

/* size 0 takes the slot away. */
static int slot_set(struct guest_memory *memory, uint32_t slot, uint64_t gpa, uint64_t size,
		    const void *host, bool readonly)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = readonly ? KVM_MEM_READONLY : 0,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uint64_t)(uintptr_t)host,
	};

	if (!memory->vm)
		return 0;
	return kvm_vm_ioctl(memory->vm, KVM_SET_USER_MEMORY_REGION, &region);
}

void guest_memory_destroy(struct guest_memory *memory)
{
	if (!memory)
		return;
	for (size_t i = 0; i < memory->window_count; i++) {
		slot_set(memory, memory->windows[i].slot, memory->windows[i].window.gpa, 0, NULL,
			 false);
		free(memory->windows[i].name);
	}
	for (size_t i = 0; i < memory->block_count; i++) {
		slot_set(memory, memory->block_slots[i], memory->blocks[i].gpa, 0, NULL, false);
		guest_ram_unmap(&memory->mappings[i]);
	}
	guest_lent_destroy(&memory->lent);
	pthread_mutex_destroy(&memory->lock);
	free(memory->slots_used);
	free(memory->windows);
	free(memory);
}

static uint64_t block_start(const void *blocks, size_t index)
{
	return ((const struct guest_ram_block *)blocks)[index].gpa;
}

/* The number of blocks that start at or below @gpa. */
static size_t blocks_upper_bound(const struct guest_memory *memory, uint64_t gpa)
{
	return ranges_upper_bound(memory->blocks, memory->block_count, gpa, block_start);
}

static uint64_t window_start(const void *windows, size_t index)
{
	return ((const struct memory_window *)windows)[index].window.gpa;
}

/* The number of windows that start at or below @gpa. Caller holds the lock. */
static size_t windows_upper_bound(const struct guest_memory *memory, uint64_t gpa)
{
	return ranges_upper_bound(memory->windows, memory->window_count, gpa, window_start);
}

/* 0 when [gpa, gpa + size) is free, else -EEXIST with a message. Caller holds the lock. */
static int memory_check_free(struct guest_memory *memory, const char *name, uint64_t gpa,
			     uint64_t size)
{
	/* Only the last one that starts at or below the range's end can reach into it. */
	size_t block = blocks_upper_bound(memory, gpa + (size - 1));
	size_t window = windows_upper_bound(memory, gpa + (size - 1));

	if (block > 0 && ranges_overlap(gpa, size, memory->blocks[block - 1].gpa,
					memory->blocks[block - 1].size)) {
		log_limited(memory->logger, &memory->limit, LOG_LEVEL_WARNING, "memory",
			    "%s at 0x%" PRIx64 " (0x%" PRIx64 " bytes) overlaps RAM at 0x%" PRIx64
			    ": refused",
			    name, gpa, size, memory->blocks[block - 1].gpa);
		return -EEXIST;
	}
	if (window > 0 && ranges_overlap(gpa, size, memory->windows[window - 1].window.gpa,
					 memory->windows[window - 1].window.size)) {
		log_limited(memory->logger, &memory->limit, LOG_LEVEL_WARNING, "memory",
			    "%s at 0x%" PRIx64 " (0x%" PRIx64 " bytes) overlaps %s at 0x%" PRIx64
			    ": refused",
			    name, gpa, size, memory->windows[window - 1].window.name,
			    memory->windows[window - 1].window.gpa);
		return -EEXIST;
	}
	return 0;
}

static bool ram_options_valid(const struct guest_memory *memory,
			      const struct guest_ram_options *options)
{
	uint64_t page_size = options->page_size ? options->page_size : memory->page_size;
	uint64_t last;

	return is_power_of_two(page_size) && page_size >= memory->page_size && options->size != 0 &&
	       is_aligned(options->gpa, memory->page_size) &&
	       is_aligned(options->size, page_size) &&
	       /* Else hugetlb pages cannot lie at congruent host addresses. */
	       is_aligned(options->gpa, page_size) &&
	       range_last(options->gpa, options->size, &last);
}

int guest_memory_add_ram(struct guest_memory *memory, const struct guest_ram_options *options)
{
	struct guest_ram_mapping mapping;
	uint32_t slot;
	size_t position;
	int result;

	if (!ram_options_valid(memory, options)) {
		log_error(memory->logger, "memory",
			  "RAM at 0x%" PRIx64 ", size 0x%" PRIx64 ": not a multiple of the page "
			  "size, empty, or beyond the address space",
			  options->gpa, options->size);
		return -EINVAL;
	}
	pthread_mutex_lock(&memory->lock);
	result = memory_check_free(memory, "RAM", options->gpa, options->size);
	if (result < 0)
		goto unlock;
	if (memory->block_count == RAM_BLOCKS_MAX) {
		log_error(memory->logger, "memory", "more than %u RAM blocks", RAM_BLOCKS_MAX);
		result = -ENOSPC;
		goto unlock;
	}
	result = slot_take(memory, &slot);
	if (result < 0)
		goto unlock;
	result = guest_ram_map(options, memory->logger, &mapping);
	if (result < 0)
		goto give_back;
	result = slot_set(memory, slot, options->gpa, options->size, mapping.host, false);
	if (result < 0) {
		log_error(memory->logger, "memory",
			  "RAM at 0x%" PRIx64 ": KVM_SET_USER_MEMORY_REGION failed: %s",
			  options->gpa, strerror(-result));
		guest_ram_unmap(&mapping);
		goto give_back;
	}
	position = blocks_upper_bound(memory, options->gpa);
	memmove(&memory->blocks[position + 1], &memory->blocks[position],
		(memory->block_count - position) * sizeof(memory->blocks[0]));
	memmove(&memory->mappings[position + 1], &memory->mappings[position],
		(memory->block_count - position) * sizeof(memory->mappings[0]));
	memmove(&memory->block_slots[position + 1], &memory->block_slots[position],
		(memory->block_count - position) * sizeof(memory->block_slots[0]));
	memory->blocks[position] = (struct guest_ram_block){
		.gpa = options->gpa,
		.size = options->size,
		.host = mapping.host,
		.fd = mapping.fd,
		.fd_offset = 0,
		.page_size =
			options->page_size ? options->page_size : (uint64_t)sysconf(_SC_PAGESIZE),
		.node = options->node,
	};
	memory->mappings[position] = mapping;
	memory->block_slots[position] = slot;
	memory->block_count++;
	result = 0;
	goto unlock;

give_back:
	slot_give_back(memory, slot);
unlock:
	pthread_mutex_unlock(&memory->lock);
	return result;
}

int guest_memory_lend(struct guest_memory *memory, uint64_t gpa, uint64_t size, void *host)
{
	return guest_lent_add(&memory->lent, gpa, size, host);
}

int guest_memory_take_back(struct guest_memory *memory, void *host, size_t size)
{
	return guest_lent_take_back(&memory->lent, host, size);
}

/* The block that holds @gpa, or NULL. */
static const struct guest_ram_block *memory_block(const struct guest_memory *memory, uint64_t gpa)
{
	size_t position = blocks_upper_bound(memory, gpa);
	const struct guest_ram_block *block;

	if (position > 0) {
		block = &memory->blocks[position - 1];
		if (gpa - block->gpa < block->size)
			return block;
	}
	return guest_lent_find(&memory->lent, gpa);
}

void *guest_memory_at(const struct guest_memory *memory, uint64_t gpa, uint64_t length)
{
	const struct guest_ram_block *block = memory_block(memory, gpa);

	/* The room to the block's end is compared, not the sum, which a guest could wrap. */
	if (!block || length == 0 || length > block->size - (gpa - block->gpa))
		return NULL;
	return (uint8_t *)block->host + (gpa - block->gpa);
}

/*
 * The longest piece of [gpa, gpa + length) that starts at @gpa and lies in one block; NULL when
 * @gpa is in none. @length is not 0.
 */
static void *memory_piece(const struct guest_memory *memory, uint64_t gpa, uint64_t length,
			  size_t *piece)
{
	const struct guest_ram_block *block = memory_block(memory, gpa);
	uint64_t room;

	if (!block)
		return NULL;
	room = block->size - (gpa - block->gpa);
	*piece = (size_t)(length < room ? length : room);
	return (uint8_t *)block->host + (gpa - block->gpa);
}

int guest_memory_read(const struct guest_memory *memory, uint64_t gpa, void *buffer,
		      uint64_t length)
{
	uint8_t *bytes = buffer;
	uint64_t end;

	if (__builtin_add_overflow(gpa, length, &end))
		return -EFAULT;
	while (length > 0) {
		size_t piece;
		const void *host = memory_piece(memory, gpa, length, &piece);

		if (!host)
			return -EFAULT;
		memcpy(bytes, host, piece);
		bytes += piece;
		gpa += piece;
		length -= piece;
	}
	return 0;
}

int guest_memory_write(struct guest_memory *memory, uint64_t gpa, const void *buffer,
		       uint64_t length)
{
	const uint8_t *bytes = buffer;
	uint64_t end;

	if (__builtin_add_overflow(gpa, length, &end))
		return -EFAULT;
	while (length > 0) {
		size_t piece;
		void *host = memory_piece(memory, gpa, length, &piece);

		if (!host)
			return -EFAULT;
		memcpy(host, bytes, piece);
		bytes += piece;
		gpa += piece;
		length -= piece;
	}
	return 0;
}

const struct guest_ram_block *guest_memory_blocks(const struct guest_memory *memory, size_t *count)
{
	*count = memory->block_count;
	return memory->blocks;
}

static bool window_valid(const struct guest_memory *memory, const struct guest_window *window)
{
	uint64_t last;

	return window->size != 0 && is_aligned(window->gpa, memory->page_size) &&
	       is_aligned(window->size, memory->page_size) &&
	       is_aligned((uint64_t)(uintptr_t)window->host, memory->page_size) &&
	       range_last(window->gpa, window->size, &last);
}

/* Room for one more window. Caller holds the lock. */
static int windows_reserve(struct guest_memory *memory)
{
	struct memory_window *grown;

	if (memory->window_count < memory->window_capacity)
		return 0;
	grown = reallocarray(memory->windows, memory->window_capacity * 2, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	memory->windows = grown;
	memory->window_capacity *= 2;
	return 0;
}

int guest_memory_map_window(struct guest_memory *memory, const struct guest_window *window,
			    uint32_t *id)
{
	struct memory_window entry = {.window = *window};
	size_t position;
	int result;

	if (!window_valid(memory, window))
		return -EINVAL;
	entry.name = strndup(window->name ? window->name : "window", WINDOW_NAME_SIZE);
	if (!entry.name)
		return -ENOMEM;
	entry.window.name = entry.name;

	pthread_mutex_lock(&memory->lock);
	result = memory_check_free(memory, entry.name, window->gpa, window->size);
	if (result == 0)
		result = windows_reserve(memory);
	if (result == 0)
		result = slot_take(memory, &entry.slot);
	if (result < 0)
		goto fail;
	result = slot_set(memory, entry.slot, window->gpa, window->size, window->host,
			  window->readonly);
	if (result < 0) {
		log_limited(memory->logger, &memory->limit, LOG_LEVEL_ERROR, "memory",
			    "%s at 0x%" PRIx64 " (0x%" PRIx64
			    " bytes): KVM_SET_USER_MEMORY_REGION failed: %s",
			    entry.name, window->gpa, window->size, strerror(-result));
		slot_give_back(memory, entry.slot);
		goto fail;
	}
	entry.id = memory->next_id++;
	position = windows_upper_bound(memory, window->gpa);
	memmove(&memory->windows[position + 1], &memory->windows[position],
		(memory->window_count - position) * sizeof(entry));
	memory->windows[position] = entry;
	memory->window_count++;
	*id = entry.id;
	pthread_mutex_unlock(&memory->lock);
	return 0;

fail:
	pthread_mutex_unlock(&memory->lock);
	free(entry.name);
	return result;
}

int guest_memory_unmap_window(struct guest_memory *memory, uint32_t id)
{
	char *name = NULL;
	size_t index;
	int result = -ENOENT;

	pthread_mutex_lock(&memory->lock);
	for (index = 0; index < memory->window_count; index++)
		if (memory->windows[index].id == id)
			break;
	if (index == memory->window_count)
		goto unlock;
	result = slot_set(memory, memory->windows[index].slot, memory->windows[index].window.gpa, 0,
			  NULL, false);
	if (result < 0) {
		/* The guest still reaches it: it must stay in the list, and its mapping alive. */
		log_limited(memory->logger, &memory->limit, LOG_LEVEL_ERROR, "memory",
			    "%s: removing its memory slot failed: %s", memory->windows[index].name,
			    strerror(-result));
		goto unlock;
	}
	slot_give_back(memory, memory->windows[index].slot);
	name = memory->windows[index].name;
	memmove(&memory->windows[index], &memory->windows[index + 1],
		(memory->window_count - index - 1) * sizeof(memory->windows[0]));
	memory->window_count--;
unlock:
	pthread_mutex_unlock(&memory->lock);
	free(name);
	return result;
}

void guest_memory_visit_windows(struct guest_memory *memory,
				void (*visit)(void *opaque, const struct guest_window *window),
				void *opaque)
{
	pthread_mutex_lock(&memory->lock);
	for (size_t i = 0; i < memory->window_count; i++)
		visit(opaque, &memory->windows[i].window);
	pthread_mutex_unlock(&memory->lock);
}
