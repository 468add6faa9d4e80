/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/config/options.h"
#include "vmm/api/vm.h"

#define DEFAULT_MEMORY_BYTES   (UINT64_C(512) << 20)
#define DEFAULT_HUGEPAGE_BYTES (UINT64_C(2) << 20)
#define DEFAULT_QUEUE_SIZE     128u
#define DEFAULT_NET_QUEUE_SIZE 256u

/* Copies the caller's struct and its strings; @keep must be of the section's type and zero. */
static int adopt(struct cxvm *vm, const char *section_name, void *keep, const void *options)
{
	const struct option_section *section = option_section_find(section_name);
	int result;

	result = options_adopt(keep, section->struct_size, options);
	if (result) {
		memset(keep, 0, section->struct_size);
		log_error(&vm->logger, section_name,
			  result == -E2BIG ? "the option struct is newer than this library and "
					     "sets what it does not know"
					   : "the option struct's size member is not set");
		return result;
	}
	result = options_copy_strings(section, keep);
	if (result)
		memset(keep, 0, section->struct_size);
	return result;
}

int vm_options_begin(const struct cxvm *vm, const struct option_section *section, void *options)
{
	if (section->repeated)
		memset(options, 0, section->struct_size);
	else
		memcpy(options, (const uint8_t *)&vm->config + section->config_offset,
		       section->struct_size);
	*(size_t *)options = section->struct_size;
	return options_copy_strings(section, options);
}

static int configurable(struct cxvm *vm)
{
	if (!vm)
		return -EINVAL;
	return atomic_load(&vm->state) == CXVM_STATE_CREATED && !atomic_load(&vm->machine) ? 0
											   : -EBUSY;
}

/* Replaces a section that exists once; the old one stays when the new one is refused. */
#define SET_ONCE(vm, section_name, target, options)                                                \
	({                                                                                         \
		__typeof__(target) fresh = {0};                                                    \
		int set_result = configurable(vm);                                                 \
                                                                                                   \
		if (!set_result)                                                                   \
			set_result = adopt(vm, section_name, &fresh, options);                     \
		if (!set_result) {                                                                 \
			options_free(option_section_find(section_name), &(target));                \
			(target) = fresh;                                                          \
		}                                                                                  \
		set_result;                                                                        \
	})

#define ADD_ONE(vm, section_name, list, count, limit, options)                                     \
	({                                                                                         \
		int add_result = configurable(vm);                                                 \
                                                                                                   \
		if (!add_result && (count) == (limit)) {                                           \
			log_error(&(vm)->logger, section_name, "at most %u of these are possible", \
				  limit);                                                          \
			add_result = -ENOSPC;                                                      \
		}                                                                                  \
		if (!add_result)                                                                   \
			add_result = adopt(vm, section_name, &(list)[count], options);             \
		if (!add_result)                                                                   \
			(count)++;                                                                 \
		add_result;                                                                        \
	})

int cxvm_set_cpus(struct cxvm *vm, const struct cxvm_cpus *cpus)
{
	return SET_ONCE(vm, "cpus", vm->config.cpus, cpus);
}

int cxvm_set_memory(struct cxvm *vm, const struct cxvm_memory *memory)
{
	return SET_ONCE(vm, "memory", vm->config.memory, memory);
}

int cxvm_add_numa_node(struct cxvm *vm, const struct cxvm_numa_node *node)
{
	return ADD_ONE(vm, "numa", vm->config.nodes, vm->config.node_count, MACHINE_MAX_NODES,
		       node);
}

int cxvm_set_payload(struct cxvm *vm, const struct cxvm_payload *payload)
{
	return SET_ONCE(vm, "payload", vm->config.payload, payload);
}

int cxvm_add_disk(struct cxvm *vm, const struct cxvm_disk *disk)
{
	return ADD_ONE(vm, "disk", vm->config.disks, vm->config.disk_count, MACHINE_MAX_DISKS,
		       disk);
}

int cxvm_add_net(struct cxvm *vm, const struct cxvm_net *net)
{
	return ADD_ONE(vm, "net", vm->config.nets, vm->config.net_count, MACHINE_MAX_NETS, net);
}

int cxvm_set_vsock(struct cxvm *vm, const struct cxvm_vsock *vsock)
{
	int result = SET_ONCE(vm, "vsock", vm->config.vsock, vsock);

	if (!result)
		vm->config.has_vsock = true;
	return result;
}

int cxvm_set_serial(struct cxvm *vm, const struct cxvm_console *serial)
{
	return SET_ONCE(vm, "serial", vm->config.serial, serial);
}

int cxvm_set_console(struct cxvm *vm, const struct cxvm_console *console)
{
	return SET_ONCE(vm, "console", vm->config.console, console);
}

int cxvm_set_rng(struct cxvm *vm, const struct cxvm_rng *rng)
{
	return SET_ONCE(vm, "rng", vm->config.rng, rng);
}

int cxvm_set_balloon(struct cxvm *vm, const struct cxvm_balloon *balloon)
{
	int result = SET_ONCE(vm, "balloon", vm->config.balloon, balloon);

	/* Who configures a balloon wants one. */
	if (!result && vm->config.balloon.enabled == CXVM_DEFAULT)
		vm->config.balloon.enabled = CXVM_ON;
	return result;
}

int cxvm_add_device(struct cxvm *vm, const struct cxvm_device *device)
{
	return ADD_ONE(vm, "device", vm->config.devices, vm->config.device_count,
		       MACHINE_MAX_DEVICES, device);
}

int cxvm_set_platform(struct cxvm *vm, const struct cxvm_platform *platform)
{
	return SET_ONCE(vm, "platform", vm->config.platform, platform);
}

static int default_id(const char **id, const char *prefix, size_t index)
{
	char *text;

	if (*id)
		return 0;
	if (asprintf(&text, "%s%zu", prefix, index) < 0)
		return -ENOMEM;
	*id = text;
	return 0;
}

int vm_config_defaults(struct machine_config *config)
{
	int result = 0;

	if (!config->cpus.boot_vcpus) {
		const uint32_t product = (config->cpus.sockets ? config->cpus.sockets : 1) *
					 (config->cpus.cores ? config->cpus.cores : 1) *
					 (config->cpus.threads ? config->cpus.threads : 1);

		config->cpus.boot_vcpus = product;
	}
	if (!config->memory.bytes)
		config->memory.bytes = DEFAULT_MEMORY_BYTES;
	if (!config->memory.hugepage_size)
		config->memory.hugepage_size = DEFAULT_HUGEPAGE_BYTES;
	if (config->serial.mode == CXVM_CONSOLE_DEFAULT)
		config->serial.mode = CXVM_CONSOLE_NULL;
	if (config->console.mode == CXVM_CONSOLE_DEFAULT)
		config->console.mode = CXVM_CONSOLE_OFF;
	for (size_t i = 0; i < config->disk_count && !result; i++) {
		struct cxvm_disk *disk = &config->disks[i];

		result = default_id(&disk->id, "disk", i);
		if (!disk->queue_size)
			disk->queue_size = DEFAULT_QUEUE_SIZE;
		if (!disk->num_queues)
			disk->num_queues = 1;
	}
	for (size_t i = 0; i < config->net_count && !result; i++) {
		result = default_id(&config->nets[i].id, "net", i);
		if (!config->nets[i].queue_size)
			config->nets[i].queue_size = DEFAULT_NET_QUEUE_SIZE;
	}
	for (size_t i = 0; i < config->device_count && !result; i++)
		result = default_id(&config->devices[i].id, "dev", i);
	return result;
}

/* Calls @act for every option struct of a configuration until one fails. */
static int for_each_struct(struct machine_config *config,
			   int (*act)(const struct option_section *section, void *options))
{
	const struct {
		const char *section;
		void *list;
		size_t count;
	} lists[] = {
		{"cpus", &config->cpus, 1},
		{"memory", &config->memory, 1},
		{"payload", &config->payload, 1},
		{"numa", config->nodes, config->node_count},
		{"disk", config->disks, config->disk_count},
		{"net", config->nets, config->net_count},
		{"vsock", &config->vsock, 1},
		{"serial", &config->serial, 1},
		{"console", &config->console, 1},
		{"rng", &config->rng, 1},
		{"balloon", &config->balloon, 1},
		{"device", config->devices, config->device_count},
		{"platform", &config->platform, 1},
	};
	int result = 0;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		const struct option_section *section = option_section_find(lists[i].section);

		for (size_t j = 0; j < lists[i].count; j++) {
			void *options = (uint8_t *)lists[i].list + j * section->struct_size;
			/* After a failure the rest must not keep the strings of another. */
			int failed = result ? (memset(options, 0, section->struct_size), 0)
					    : act(section, options);

			result = result ? result : failed;
		}
	}
	return result;
}

static int free_struct(const struct option_section *section, void *options)
{
	options_free(section, options);
	return 0;
}

int vm_config_copy(struct machine_config *to, const struct machine_config *from)
{
	int result;

	memcpy(to, from, sizeof(*to));
	result = for_each_struct(to, options_copy_strings);
	if (result)
		vm_config_free(to);
	return result;
}

void vm_config_free(struct machine_config *config)
{
	for_each_struct(config, free_struct);
	memset(config, 0, sizeof(*config));
}
