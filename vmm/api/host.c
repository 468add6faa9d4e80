/* SPDX-License-Identifier: Apache-2.0 */
#include <cxvm/cxvm.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/api/host_format.h"
#include "vmm/config/options.h"

/* The options of this library's size, and the host they name. */
static int begin(const struct cxvm_host_options *given, enum cxvm_format format, char **text,
		 struct cxvm_host_options *options, struct host *host)
{
	static const struct cxvm_host_options nothing = {.size = sizeof(nothing)};
	int result;

	if (!text)
		return -EINVAL;
	*text = NULL;
	if (format != CXVM_FORMAT_TEXT && format != CXVM_FORMAT_JSON)
		return -EINVAL;
	result = options_adopt(options, sizeof(*options), given ? given : &nothing);
	if (result)
		return result;
	host->root = options->root && strcmp(options->root, "/") != 0 ? options->root : "";
	host->ops = &host_real_ops;
	host->opaque = NULL;
	return 0;
}

int cxvm_host_list(const struct cxvm_host_options *given, enum cxvm_format format, char **text)
{
	struct cxvm_host_options options;
	struct host_inventory inventory;
	struct host host;
	int result = begin(given, format, text, &options, &host);

	if (result)
		return result;
	result = host_inventory_read(&host, &inventory);
	if (!result)
		*text = host_format_list(&inventory, options.all, format);
	host_inventory_free(&inventory);
	return result ? result : *text ? 0 : -ENOMEM;
}

int cxvm_host_check(const struct cxvm_host_options *given, enum cxvm_format format, char **text)
{
	struct host_finding findings[HOST_CHECKS];
	struct cxvm_host_options options;
	struct host host;
	int result = begin(given, format, text, &options, &host);

	if (result)
		return result;
	result = (int)host_check(&host, findings);
	*text = host_format_check(findings, (unsigned int)result, format);
	return *text ? result : -ENOMEM;
}

static int change(const struct cxvm_host_options *given, const char *const *devices, size_t count,
		  bool bind, enum cxvm_format format, char **text)
{
	struct cxvm_host_options options;
	struct host_change *changes;
	struct host host;
	int result = begin(given, format, text, &options, &host);

	if (result)
		return result;
	if (!devices || !count)
		return -EINVAL;
	changes = calloc(count, sizeof(*changes));
	if (!changes)
		return -ENOMEM;
	result = bind ? host_bind(&host, devices, count, options.driver, changes)
		      : host_unbind(&host, devices, count, changes);
	*text = host_format_changes(changes, count, format);
	free(changes);
	return *text ? result : -ENOMEM;
}

int cxvm_host_bind(const struct cxvm_host_options *options, const char *const *devices,
		   size_t count, enum cxvm_format format, char **text)
{
	return change(options, devices, count, true, format, text);
}

int cxvm_host_unbind(const struct cxvm_host_options *options, const char *const *devices,
		     size_t count, enum cxvm_format format, char **text)
{
	return change(options, devices, count, false, format, text);
}
