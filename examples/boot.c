/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boots a kernel and serves it until it stops:
 *
 *   boot KERNEL [INITRAMFS [COMMAND-LINE]]
 *
 * Its serial port is on standard input and output. Build: cc boot.c $(pkg-config --cflags --libs
 * cxvm)
 */
#include <cxvm/cxvm.h>
#include <stdio.h>
#include <string.h>

static void print_log(void *opaque, enum cxvm_log_level level, const char *object,
		      const char *message)
{
	(void)opaque;
	fprintf(stderr, "%d %s: %s\n", (int)level, object, message);
}

int main(int argc, char **argv)
{
	struct cxvm_create_options options = {.size = sizeof(options), .log = print_log};
	struct cxvm_console serial = {.size = sizeof(serial), .mode = CXVM_CONSOLE_STDIO};
	struct cxvm_platform platform = {.size = sizeof(platform), .debug_exit = CXVM_ON};
	struct cxvm_exit ended = {.size = sizeof(ended)};
	struct cxvm_payload payload = {.size = sizeof(payload)};
	struct cxvm *vm;
	int error;

	if (argc < 2) {
		fprintf(stderr, "usage: boot KERNEL [INITRAMFS [COMMAND-LINE]]\n");
		return 2;
	}
	payload.kernel = argv[1];
	payload.initramfs = argc > 2 && argv[2][0] ? argv[2] : NULL;
	payload.cmdline = argc > 3 ? argv[3] : "console=ttyS0 panic=-1";

	options.log_level = CXVM_LOG_WARNING;
	error = cxvm_create(&vm, &options);
	if (error) {
		fprintf(stderr, "cxvm_create: %s\n", strerror(-error));
		return 1;
	}
	error = cxvm_set_payload(vm, &payload);
	if (!error)
		error = cxvm_set_serial(vm, &serial);
	if (!error)
		error = cxvm_set_platform(vm, &platform);
	if (!error)
		error = cxvm_run(vm, &ended);
	cxvm_destroy(vm);
	if (error) {
		fprintf(stderr, "not run: %s\n", strerror(-error));
		return 1;
	}
	fprintf(stderr, "ended: reason %d, code 0x%x: %s\n", (int)ended.reason, ended.code,
		ended.message);
	return ended.reason == CXVM_EXIT_POWEROFF ? 0 : 1;
}
