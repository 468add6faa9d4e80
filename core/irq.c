/* SPDX-License-Identifier: Apache-2.0 */
#include "core/irq.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* What Linux has had since 4.19 (KVM_MAX_IRQ_ROUTES); used when KVM does not say, or says more. */
#define IRQ_GSI_MAX 4096u

struct irq_msi {
	bool allocated;
	bool routed;
	struct irq_message message;
	uint32_t attached; /* irqfds on it now */
};

struct irq_attachment {
	uint32_t gsi;
	int fd;
};

struct irq_router {
	struct kvm_vm *vm;
	const struct irq_lines *lines;
	const struct logger *logger;
	struct log_ratelimit limit; /* a guest masks and unmasks vectors as it likes */
	pthread_mutex_t lock;
	struct irq_msi *msis; /* index 0 is the GSI after the lines */
	uint32_t msi_count;   /* in use or once used */
	uint32_t msi_capacity;
	uint32_t msi_limit;
	/*
	 * The kernel's table differs from ours. It is brought up to date only when a message
	 * could be delivered through the difference: routes of GSIs without an irqfd wait.
	 */
	bool stale;
	struct irq_attachment *attachments;
	size_t attachment_count;
	size_t attachment_capacity;
	struct kvm_irq_routing *table; /* scratch, kept between calls */
	uint32_t table_capacity;
};

static int router_irqfd(const struct irq_router *router, uint32_t gsi, int fd, int resample_fd,
			bool assign)
{
	struct kvm_irqfd request = {
		.fd = (uint32_t)fd,
		.gsi = gsi,
	};

	if (!router->vm)
		return 0;
	if (!assign) {
		request.flags = KVM_IRQFD_FLAG_DEASSIGN;
	} else if (resample_fd >= 0) {
		request.flags = KVM_IRQFD_FLAG_RESAMPLE;
		request.resamplefd = (uint32_t)resample_fd;
	}
	return kvm_vm_ioctl(router->vm, KVM_IRQFD, &request);
}

void irq_router_destroy(struct irq_router *router)
{
	if (!router)
		return;
	for (size_t i = 0; i < router->attachment_count; i++)
		router_irqfd(router, router->attachments[i].gsi, router->attachments[i].fd, -1,
			     false);
	pthread_mutex_destroy(&router->lock);
	free(router->table);
	free(router->attachments);
	free(router->msis);
	free(router);
}

/* The record of an allocated MSI GSI, or NULL. Caller holds the lock. */
static struct irq_msi *router_msi(struct irq_router *router, uint32_t gsi)
{
	struct irq_msi *msi;

	if (gsi < router->lines->count || gsi - router->lines->count >= router->msi_count)
		return NULL;
	msi = &router->msis[gsi - router->lines->count];
	return msi->allocated ? msi : NULL;
}

static int router_grow(struct irq_router *router)
{
	uint32_t capacity = router->msi_capacity ? router->msi_capacity * 2 : 64;
	struct irq_msi *msis;

	if (capacity > router->msi_limit)
		capacity = router->msi_limit;
	msis = reallocarray(router->msis, capacity, sizeof(*msis));
	if (!msis)
		return -ENOSPC;
	router->msis = msis;
	router->msi_capacity = capacity;
	return 0;
}

int irq_alloc_gsi(struct irq_router *router, uint32_t *gsi)
{
	uint32_t index;
	int result = 0;

	pthread_mutex_lock(&router->lock);
	for (index = 0; index < router->msi_count; index++)
		if (!router->msis[index].allocated)
			break;
	if (index == router->msi_limit) {
		log_limited(
			router->logger, &router->limit, LOG_LEVEL_ERROR, "irq",
			"all %u MSI interrupts of the machine are in use: give the devices fewer "
			"queues or vectors",
			router->msi_limit);
		result = -ENOSPC;
		goto unlock;
	}
	if (index == router->msi_capacity) {
		result = router_grow(router);
		if (result < 0)
			goto unlock;
	}
	if (index == router->msi_count)
		router->msi_count++;
	router->msis[index] = (struct irq_msi){.allocated = true};
	*gsi = router->lines->count + index;
unlock:
	pthread_mutex_unlock(&router->lock);
	return result;
}

void irq_free_gsi(struct irq_router *router, uint32_t gsi)
{
	struct irq_msi *msi;

	pthread_mutex_lock(&router->lock);
	msi = router_msi(router, gsi);
	if (msi) {
		if (msi->routed)
			router->stale = true;
		*msi = (struct irq_msi){0};
	}
	pthread_mutex_unlock(&router->lock);
}

/* Hand the whole table to KVM, in one call. Caller holds the lock. */
static int router_commit(struct irq_router *router)
{
	const uint32_t lines = router->lines->count;
	uint32_t count = lines;
	struct kvm_irq_routing_entry *entry;
	int result;

	if (!router->vm) {
		router->stale = false;
		return 0;
	}
	if (router->table_capacity < lines + router->msi_count || !router->table) {
		uint32_t capacity = lines + router->msi_capacity;
		struct kvm_irq_routing *table =
			realloc(router->table, sizeof(*table) + capacity * sizeof(*entry));

		if (!table)
			return -ENOMEM;
		router->table = table;
		router->table_capacity = capacity;
	}
	memset(router->table, 0,
	       sizeof(*router->table) + (lines + router->msi_count) * sizeof(*entry));
	entry = router->table->entries;
	for (uint32_t pin = 0; pin < lines; pin++, entry++) {
		entry->gsi = pin;
		entry->type = KVM_IRQ_ROUTING_IRQCHIP;
		entry->u.irqchip.irqchip = router->lines->irqchip;
		entry->u.irqchip.pin = pin;
	}
	for (uint32_t i = 0; i < router->msi_count; i++) {
		const struct irq_msi *msi = &router->msis[i];

		if (!msi->allocated || !msi->routed)
			continue;
		entry->gsi = lines + i;
		entry->type = KVM_IRQ_ROUTING_MSI;
		entry->u.msi.address_lo = (uint32_t)msi->message.address;
		entry->u.msi.address_hi = (uint32_t)(msi->message.address >> 32);
		entry->u.msi.data = msi->message.data;
		if (router->lines->msi_needs_device) {
			entry->flags = KVM_MSI_VALID_DEVID;
			entry->u.msi.devid = msi->message.device;
		}
		entry++;
		count++;
	}
	router->table->nr = count;
	result = kvm_vm_ioctl(router->vm, KVM_SET_GSI_ROUTING, router->table);
	if (result < 0) {
		log_limited(router->logger, &router->limit, LOG_LEVEL_ERROR, "irq",
			    "KVM_SET_GSI_ROUTING with %u entries failed: %s", count,
			    strerror(-result));
		return result;
	}
	router->stale = false;
	return 0;
}

int irq_router_create(struct irq_router **router, struct kvm_vm *vm, const struct irq_lines *lines,
		      const struct logger *logger)
{
	struct irq_router *created = calloc(1, sizeof(*created));
	uint32_t limit = IRQ_GSI_MAX;
	int result;

	if (!created)
		return -ENOMEM;
	created->vm = vm;
	created->lines = lines;
	created->logger = logger;
	created->limit = (struct log_ratelimit)LOG_RATELIMIT_DEFAULT;
	if (vm) {
		int routes = kvm_vm_check_extension(vm, KVM_CAP_IRQ_ROUTING);

		if (routes > (int)lines->count && (uint32_t)routes < limit)
			limit = (uint32_t)routes;
	}
	created->msi_limit = limit - lines->count;
	if (pthread_mutex_init(&created->lock, NULL) != 0) {
		free(created);
		return -ENOMEM;
	}
	/* In place of the routes that came with the controllers. */
	result = router_commit(created);
	if (result < 0) {
		irq_router_destroy(created);
		return result;
	}
	*router = created;
	return 0;
}

static bool same_message(const struct irq_message *left, const struct irq_message *right)
{
	return left->address == right->address && left->data == right->data &&
	       left->device == right->device;
}

int irq_set_msi_route(struct irq_router *router, uint32_t gsi, const struct irq_message *message)
{
	struct irq_msi *msi;
	int result = 0;

	pthread_mutex_lock(&router->lock);
	msi = router_msi(router, gsi);
	if (!msi) {
		result = -EINVAL;
	} else if (!msi->routed || !same_message(&msi->message, message)) {
		struct irq_msi before = *msi;

		msi->routed = true;
		msi->message = *message;
		router->stale = true;
		if (msi->attached) {
			result = router_commit(router);
			if (result < 0)
				*msi = before;
		}
	}
	pthread_mutex_unlock(&router->lock);
	return result;
}

static int router_remember(struct irq_router *router, uint32_t gsi, int fd)
{
	if (router->attachment_count == router->attachment_capacity) {
		size_t capacity =
			router->attachment_capacity ? router->attachment_capacity * 2 : 64;
		struct irq_attachment *grown =
			reallocarray(router->attachments, capacity, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		router->attachments = grown;
		router->attachment_capacity = capacity;
	}
	router->attachments[router->attachment_count++] =
		(struct irq_attachment){.gsi = gsi, .fd = fd};
	return 0;
}

/* Caller holds the lock. Returns the index, or attachment_count. */
static size_t router_find_fd(const struct irq_router *router, int fd)
{
	size_t i;

	for (i = 0; i < router->attachment_count; i++)
		if (router->attachments[i].fd == fd)
			break;
	return i;
}

int irq_attach(struct irq_router *router, uint32_t gsi, int fd, int resample_fd)
{
	struct irq_msi *msi;
	int result = 0;

	if (fd < 0)
		return -EINVAL;
	if (resample_fd >= 0 && router->vm && !router->vm->has_irqfd_resample)
		return -EINVAL;

	pthread_mutex_lock(&router->lock);
	msi = router_msi(router, gsi);
	if ((!msi && gsi >= router->lines->count) || (msi && resample_fd >= 0)) {
		result = -EINVAL;
		goto unlock;
	}
	if (router_find_fd(router, fd) < router->attachment_count) {
		result = -EBUSY;
		goto unlock;
	}
	/* Routes first: an eventfd that is signalled already is injected while it is attached. */
	if (msi && router->stale) {
		result = router_commit(router);
		if (result < 0)
			goto unlock;
	}
	result = router_remember(router, gsi, fd);
	if (result < 0)
		goto unlock;
	result = router_irqfd(router, gsi, fd, resample_fd, true);
	if (result < 0)
		router->attachment_count--;
	else if (msi)
		msi->attached++;
unlock:
	pthread_mutex_unlock(&router->lock);
	return result;
}

int irq_detach(struct irq_router *router, uint32_t gsi, int fd)
{
	struct irq_msi *msi;
	size_t index;
	int result;

	pthread_mutex_lock(&router->lock);
	index = router_find_fd(router, fd);
	if (index == router->attachment_count || router->attachments[index].gsi != gsi) {
		result = -ENOENT;
		goto unlock;
	}
	result = router_irqfd(router, gsi, fd, -1, false);
	if (result < 0)
		goto unlock;
	router->attachments[index] = router->attachments[--router->attachment_count];
	msi = router_msi(router, gsi);
	if (msi && msi->attached)
		msi->attached--;
unlock:
	pthread_mutex_unlock(&router->lock);
	return result;
}

int irq_set_line(struct irq_router *router, uint32_t gsi, bool level)
{
	struct kvm_irq_level request = {
		.irq = router->lines->line_base + gsi,
		.level = level,
	};

	if (gsi >= router->lines->count)
		return -EINVAL;
	if (!router->vm)
		return 0;
	return kvm_vm_ioctl(router->vm, KVM_IRQ_LINE, &request);
}
