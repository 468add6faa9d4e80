/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/config/config.h"

#include <errno.h>
#include <stdlib.h>

#include "vmm/api/vm.h"
#include "vmm/config/options.h"
#include "vmm/config/probe.h"
#include "vmm/config/specify.h"

static int configurable(struct cxvm *vm)
{
	if (!vm)
		return -EINVAL;
	return atomic_load(&vm->state) == CXVM_STATE_CREATED && !atomic_load(&vm->machine) ? 0
											   : -EBUSY;
}

static int put(struct cxvm *vm, const char *section, const void *options)
{
	int result = configurable(vm);

	return result ? result
		      : config_put(&vm->config, option_section_find(section), options, &vm->logger);
}

int cxvm_set_cpus(struct cxvm *vm, const struct cxvm_cpus *cpus)
{
	return put(vm, "cpus", cpus);
}

int cxvm_set_memory(struct cxvm *vm, const struct cxvm_memory *memory)
{
	return put(vm, "memory", memory);
}

int cxvm_add_numa_node(struct cxvm *vm, const struct cxvm_numa_node *node)
{
	return put(vm, "numa", node);
}

int cxvm_set_payload(struct cxvm *vm, const struct cxvm_payload *payload)
{
	return put(vm, "payload", payload);
}

int cxvm_add_disk(struct cxvm *vm, const struct cxvm_disk *disk)
{
	return put(vm, "disk", disk);
}

int cxvm_add_net(struct cxvm *vm, const struct cxvm_net *net)
{
	return put(vm, "net", net);
}

int cxvm_set_vsock(struct cxvm *vm, const struct cxvm_vsock *vsock)
{
	return put(vm, "vsock", vsock);
}

int cxvm_set_serial(struct cxvm *vm, const struct cxvm_console *serial)
{
	return put(vm, "serial", serial);
}

int cxvm_set_console(struct cxvm *vm, const struct cxvm_console *console)
{
	return put(vm, "console", console);
}

int cxvm_set_rng(struct cxvm *vm, const struct cxvm_rng *rng)
{
	return put(vm, "rng", rng);
}

int cxvm_set_balloon(struct cxvm *vm, const struct cxvm_balloon *balloon)
{
	return put(vm, "balloon", balloon);
}

int cxvm_add_device(struct cxvm *vm, const struct cxvm_device *device)
{
	return put(vm, "device", device);
}

int cxvm_set_platform(struct cxvm *vm, const struct cxvm_platform *platform)
{
	return put(vm, "platform", platform);
}

int cxvm_set_option(struct cxvm *vm, const char *section, const char *text)
{
	int result = section && text ? configurable(vm) : -EINVAL;

	return result ? result : config_put_text(&vm->config, section, text, &vm->logger);
}

int cxvm_load_json(struct cxvm *vm, const char *text, size_t length)
{
	int result = text ? configurable(vm) : -EINVAL;

	return result ? result : config_put_json(&vm->config, text, length, &vm->logger);
}

bool cxvm_uses_stdio(const struct cxvm *vm)
{
	return vm && (vm->config.serial.mode == CXVM_CONSOLE_STDIO ||
		      vm->config.console.mode == CXVM_CONSOLE_STDIO);
}

static void log_problem(void *opaque, const char *message)
{
	const struct cxvm *vm = opaque;

	log_error(&vm->logger, "config", "%s", message);
}

int vm_specify(const struct cxvm *vm, struct machine_specification *specification)
{
	struct problems problems = {.report = log_problem, .opaque = (void *)(uintptr_t)vm};

	config_specify(&vm->config, specification, &problems);
	return problems.count ? -EINVAL : 0;
}

int cxvm_check(struct cxvm *vm, void (*problem)(void *opaque, const char *message), void *opaque)
{
	struct problems problems = {.report = problem, .opaque = opaque};
	struct machine_specification *specification;

	if (!vm)
		return -EINVAL;
	/* Not the one in @vm: a machine may be running by it. */
	specification = malloc(sizeof(*specification));
	if (!specification)
		return -ENOMEM;
	config_specify(&vm->config, specification, &problems);
	config_probe(specification, &problems);
	free(specification);
	return problems.count;
}
