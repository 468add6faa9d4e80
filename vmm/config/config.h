/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VMM_CONFIG_CONFIG_H
#define VMM_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include <cxvm/cxvm.h>

#include "core/log.h"
#include "vmm/machine/specification.h"

/*
 * What was asked for so far: the public option structs as they came, with strings of their own and
 * without defaults. config_specify() makes a machine's specification out of it.
 */
struct machine_config {
	struct cxvm_cpus cpus;
	struct cxvm_memory memory;
	struct cxvm_payload payload;
	struct cxvm_numa_node nodes[MACHINE_MAX_NODES];
	size_t node_count;
	struct cxvm_disk disks[MACHINE_MAX_DISKS];
	size_t disk_count;
	struct cxvm_net nets[MACHINE_MAX_NETS];
	size_t net_count;
	bool has_vsock;
	struct cxvm_vsock vsock;
	struct cxvm_console serial;
	struct cxvm_console console;
	struct cxvm_rng rng;
	struct cxvm_balloon balloon;
	struct cxvm_device devices[MACHINE_MAX_DEVICES];
	size_t device_count;
	struct cxvm_platform platform;
};

struct option_section;

/*
 * config_put() - take the caller's struct of @section, of any known size: in the place of the
 * present one, or as one more of a section that repeats. Strings are copied. Returns 0, -EINVAL or
 * -E2BIG (options_adopt), -ENOSPC (one more does not fit) or -ENOMEM; nothing changes then.
 */
int config_put(struct machine_config *config, const struct option_section *section,
	       const void *options, const struct logger *logger);

/*
 * config_begin() - fill @options, a struct of @section, with what text or JSON starts from: the
 * present values of a section that exists once, else nothing. Strings are copies. Returns 0 or
 * -ENOMEM.
 */
int config_begin(const struct machine_config *config, const struct option_section *section,
		 void *options);

/* config_put_text() - "key=value,..." for the section of that name. Returns as config_put(). */
int config_put_text(struct machine_config *config, const char *section_name, const char *text,
		    const struct logger *logger);

/*
 * config_put_json() - a whole document (docs/configuration.md). Every problem is logged with its
 * place. Returns 0, or -EINVAL or -ENOMEM with @config as it was.
 */
int config_put_json(struct machine_config *config, const char *text, size_t length,
		    const struct logger *logger);

/* A copy with strings of its own. Returns 0 or -ENOMEM (@to is empty then). */
int config_copy(struct machine_config *to, const struct machine_config *from);

/* Frees all strings; @config is zeroed. */
void config_free(struct machine_config *config);

#endif
