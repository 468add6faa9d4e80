/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CXVM_CXVM_H
#define CXVM_CXVM_H

#ifdef __cplusplus
extern "C" {
#endif

enum cxvm_log_level {
	CXVM_LOG_ERROR = 0,
	CXVM_LOG_WARNING = 1,
	CXVM_LOG_INFO = 2,
	CXVM_LOG_DEBUG = 3,
};

/* Called from any thread of the machine: it must be thread-safe and must not call back into the
 * library. */
typedef void (*cxvm_log_callback)(void *opaque, enum cxvm_log_level level, const char *object,
				  const char *message);

#ifdef __cplusplus
}
#endif

#endif
