/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a JSON configuration: taken or refused as a whole, and defaults and text options
 * still work. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cxvm/cxvm.h>

#include "vmm/api/vm.h"

static void check_line(void *opaque, enum cxvm_log_level level, const char *object,
		       const char *message)
{
	(void)opaque;
	(void)level;
	/* One line for people: no control characters that the document smuggled in. */
	if (!object[0] || strchr(message, '\n'))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct machine_config empty;
	const struct cxvm_create_options options = {.size = sizeof(options), .log = check_line};
	struct cxvm *vm;

	if (cxvm_create(&vm, &options))
		abort();
	/* Descriptors of the fuzzer itself must not be closed with the machine. */
	if (cxvm_load_json(vm, (const char *)data, size)) {
		if (memcmp(&vm->config, &empty, sizeof(empty)))
			abort();
	} else {
		for (size_t i = 0; i < vm->config.net_count; i++)
			vm->config.nets[i].use_fd = false;
		for (size_t i = 0; i < vm->config.device_count; i++) {
			vm->config.devices[i].use_fd = false;
			vm->config.devices[i].use_iommufd = false;
			vm->config.devices[i].use_group_fd = false;
		}
		vm_specify(vm, &vm->specification);
		if (!vm->specification.memory.bytes)
			abort();
	}
	cxvm_destroy(vm);
	return 0;
}
