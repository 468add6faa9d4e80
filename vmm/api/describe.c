/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "vmm/api/describe_format.h"
#include "vmm/api/vm.h"

static int describe(struct machine *machine, enum cxvm_format format, char **text)
{
	struct description *description = malloc(sizeof(*description));
	int result;

	if (!description)
		return -ENOMEM;
	machine_describe(machine, description);
	result = description_format(description, format, text);
	free(description);
	return result;
}

/* A machine that was built and never run is the only plan that cannot be wrong. */
static int describe_plan(const struct cxvm *vm, struct machine_specification *specification,
			 enum cxvm_format format, char **text)
{
	const struct machine_options options = {
		.specification = specification, .logger = &vm->logger, .kvm_fd = -1};
	struct machine *machine;
	int result = vm_specify(vm, specification);

	if (!result)
		result = machine_create(&machine, &options);
	if (result)
		return result;
	result = describe(machine, format, text);
	machine_destroy(machine);
	return result;
}

int cxvm_describe(struct cxvm *vm, enum cxvm_format format, char **text)
{
	struct machine_specification *specification;
	struct machine *machine;
	int result;

	if (!vm || !text)
		return -EINVAL;
	machine = atomic_load(&vm->machine);
	if (machine)
		return describe(machine, format, text);
	specification = malloc(sizeof(*specification));
	if (!specification)
		return -ENOMEM;
	result = describe_plan(vm, specification, format, text);
	free(specification);
	return result;
}
