/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/cxl/component_registers.h"

#include <errno.h>
#include <string.h>

/* The array has its header and 31 entries of room before the first structure. */
#define CXL_FIRST_STRUCTURE   0x80u
#define CXL_ARRAY_MAX_ENTRIES (CXL_FIRST_STRUCTURE / 4 - 1)

/* CXL Link Version Supported and Received (8.2.4.19.1): 2 is CXL 2.0. */
#define CXL_LINK_CAPABILITY 0x22u

static struct cxl_component_register *cxl_component_register(struct cxl_component *component,
							     uint64_t offset)
{
	if (offset < CXL_COMPONENT_CACHEMEM || offset % 4 ||
	    offset - CXL_COMPONENT_CACHEMEM >= CXL_COMPONENT_CACHEMEM_SIZE)
		return NULL;
	return &component->registers[(offset - CXL_COMPONENT_CACHEMEM) / 4];
}

void cxl_component_define(struct cxl_component *component, uint32_t offset, uint32_t initial,
			  uint32_t writable, uint32_t write_1_to_clear, bool wide)
{
	struct cxl_component_register *reg = cxl_component_register(component, offset);

	if (!reg)
		return;
	*reg = (struct cxl_component_register){
		.value = initial,
		.initial = initial,
		.writable = writable,
		.write_1_to_clear = write_1_to_clear,
		.wide = wide,
	};
}

int cxl_component_add_capability(struct cxl_component *component, uint16_t id, uint8_t version,
				 uint32_t size)
{
	uint32_t offset = component->next_offset;
	uint32_t count = component->capability_count + 1;

	if (count > CXL_ARRAY_MAX_ENTRIES || size > CXL_COMPONENT_CACHEMEM_SIZE - offset)
		return -ENOSPC;
	component->capability_count = count;
	component->next_offset = (offset + size + 7) & ~7u;
	cxl_component_define(component, CXL_COMPONENT_CACHEMEM, CXL_ARRAY_HEADER(count), 0, 0,
			     false);
	cxl_component_define(component, CXL_COMPONENT_CACHEMEM + 4 * count,
			     CXL_ARRAY_ENTRY(id, version & 0xf, offset), 0, 0, false);
	return (int)(CXL_COMPONENT_CACHEMEM + offset);
}

static int cxl_component_add_ras(struct cxl_component *component)
{
	int result = cxl_component_add_capability(component, CXL_CAPABILITY_RAS, CXL_RAS_VERSION,
						  CXL_RAS_SIZE);
	uint32_t ras;

	if (result < 0)
		return result;
	ras = (uint32_t)result;
	component->ras_offset = ras;
	cxl_component_define(component, ras + CXL_RAS_UNCORRECTABLE_STATUS, 0, 0,
			     CXL_RAS_UNCORRECTABLE_BITS, false);
	cxl_component_define(component, ras + CXL_RAS_UNCORRECTABLE_MASK,
			     CXL_RAS_UNCORRECTABLE_BITS, CXL_RAS_UNCORRECTABLE_BITS, 0, false);
	cxl_component_define(component, ras + CXL_RAS_UNCORRECTABLE_SEVERITY,
			     CXL_RAS_UNCORRECTABLE_BITS, CXL_RAS_UNCORRECTABLE_BITS, 0, false);
	cxl_component_define(component, ras + CXL_RAS_CORRECTABLE_STATUS, 0, 0,
			     CXL_RAS_CORRECTABLE_BITS, false);
	cxl_component_define(component, ras + CXL_RAS_CORRECTABLE_MASK, CXL_RAS_CORRECTABLE_BITS,
			     CXL_RAS_CORRECTABLE_BITS, 0, false);
	return 0;
}

static int cxl_component_add_link(struct cxl_component *component)
{
	int result = cxl_component_add_capability(component, CXL_CAPABILITY_LINK, CXL_LINK_VERSION,
						  CXL_LINK_SIZE);
	uint32_t link;

	if (result < 0)
		return result;
	link = (uint32_t)result;
	component->link_offset = link;
	for (uint32_t i = 0; i < CXL_LINK_SIZE; i += 4)
		cxl_component_define(component, link + i, i ? 0 : CXL_LINK_CAPABILITY, 0, 0, true);
	return 0;
}

int cxl_component_init(struct cxl_component *component, const struct cxl_component_options *options)
{
	int result = 0;

	memset(component, 0, sizeof(*component));
	component->options = *options;
	component->next_offset = CXL_FIRST_STRUCTURE;
	cxl_component_define(component, CXL_COMPONENT_CACHEMEM, CXL_ARRAY_HEADER(0), 0, 0, false);
	if (options->ras)
		result = cxl_component_add_ras(component);
	if (result == 0 && options->link)
		result = cxl_component_add_link(component);
	if (result == 0 && options->hdm) {
		result = cxl_component_add_capability(
			component, CXL_CAPABILITY_HDM_DECODER, CXL_HDM_VERSION,
			HDM_DECODER_BLOCK_SIZE(options->hdm->options.count));
		if (result > 0) {
			component->hdm_offset = (uint32_t)result;
			result = 0;
		}
	}
	return result ? result : -pthread_mutex_init(&component->lock, NULL);
}

void cxl_component_destroy(struct cxl_component *component)
{
	pthread_mutex_destroy(&component->lock);
}

/* Is [offset, offset + size) in the HDM decoder structure? */
static bool cxl_component_in_hdm(const struct cxl_component *component, uint64_t offset)
{
	return component->hdm_offset && offset >= component->hdm_offset &&
	       offset - component->hdm_offset <
		       HDM_DECODER_BLOCK_SIZE(component->options.hdm->options.count);
}

static bool cxl_component_access_is_valid(uint64_t offset, unsigned int size)
{
	return (size == 1 || size == 2 || size == 4 || size == 8) && offset % size == 0 &&
	       offset < CXL_COMPONENT_BLOCK_SIZE;
}

uint64_t cxl_component_read(struct cxl_component *component, uint64_t offset, unsigned int size)
{
	uint64_t value = 0;

	atomic_fetch_add_explicit(&component->reads, 1, memory_order_relaxed);
	if (!cxl_component_access_is_valid(offset, size))
		return 0;
	/* Structures are 8-byte aligned: no access is half inside. */
	if (cxl_component_in_hdm(component, offset))
		return hdm_decoder_read(component->options.hdm,
					(uint32_t)(offset - component->hdm_offset), size);
	pthread_mutex_lock(&component->lock);
	for (unsigned int i = 0; i < size; i += 4) {
		const struct cxl_component_register *reg =
			cxl_component_register(component, (offset & ~3ull) + i);

		if (reg && (!reg->wide || size == 8))
			value |= (uint64_t)reg->value << (8 * i);
	}
	pthread_mutex_unlock(&component->lock);
	if (size < 4)
		value = value >> (8 * (offset & 3)) & ((1ull << (8 * size)) - 1);
	return value;
}

void cxl_component_write(struct cxl_component *component, uint64_t offset, uint64_t value,
			 unsigned int size)
{
	uint64_t bytes = size < 8 ? (1ull << (8 * size)) - 1 : UINT64_MAX;

	atomic_fetch_add_explicit(&component->writes, 1, memory_order_relaxed);
	if (!cxl_component_access_is_valid(offset, size))
		return;
	if (cxl_component_in_hdm(component, offset)) {
		hdm_decoder_write(component->options.hdm,
				  (uint32_t)(offset - component->hdm_offset), value, size);
		return;
	}
	value = (value & bytes) << (8 * (offset & 3));
	bytes <<= 8 * (offset & 3);
	pthread_mutex_lock(&component->lock);
	for (unsigned int i = 0; i < size; i += 4) {
		struct cxl_component_register *reg =
			cxl_component_register(component, (offset & ~3ull) + i);
		uint32_t mask = (uint32_t)(bytes >> (8 * i));
		uint32_t part = (uint32_t)(value >> (8 * i));

		if (!reg || (reg->wide && size != 8))
			continue;
		mask &= reg->writable;
		reg->value = (reg->value & ~mask) | (part & mask);
		reg->value &= ~(part & reg->write_1_to_clear);
	}
	pthread_mutex_unlock(&component->lock);
}

void cxl_component_report(struct cxl_component *component, uint32_t uncorrectable,
			  uint32_t correctable)
{
	if (!component->ras_offset)
		return;
	pthread_mutex_lock(&component->lock);
	cxl_component_register(component, component->ras_offset + CXL_RAS_UNCORRECTABLE_STATUS)
		->value |= uncorrectable & CXL_RAS_UNCORRECTABLE_BITS;
	cxl_component_register(component, component->ras_offset + CXL_RAS_CORRECTABLE_STATUS)
		->value |= correctable & CXL_RAS_CORRECTABLE_BITS;
	pthread_mutex_unlock(&component->lock);
}

void cxl_component_reset(struct cxl_component *component)
{
	pthread_mutex_lock(&component->lock);
	for (unsigned int i = 0; i < CXL_COMPONENT_CACHEMEM_SIZE / 4; i++)
		component->registers[i].value = component->registers[i].initial;
	pthread_mutex_unlock(&component->lock);
	if (component->options.hdm)
		hdm_decoder_reset(component->options.hdm);
}

static uint64_t cxl_component_bus_read(void *opaque, uint64_t offset, unsigned int size)
{
	return cxl_component_read(opaque, offset, size);
}

static void cxl_component_bus_write(void *opaque, uint64_t offset, uint64_t value,
				    unsigned int size)
{
	cxl_component_write(opaque, offset, value, size);
}

const struct bus_ops cxl_component_bus_ops = {
	.read = cxl_component_bus_read,
	.write = cxl_component_bus_write,
};
