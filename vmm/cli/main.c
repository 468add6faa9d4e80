/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/cli.h"

#include <string.h>

static const char help[] =
	"cxvm - a microVM monitor for CXL Type-2 accelerators\n"
	"\n"
	"Usage:\n"
	"  cxvm run --kernel FILE [options]   boot a machine and serve it until it stops\n"
	"  cxvm --help | --version\n"
	"\n"
	"Run 'cxvm run --help' for the options and examples.\n";

int main(int argc, char **argv)
{
	if (argc < 2) {
		fputs(help, stderr);
		return CLI_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
		fputs(help, stdout);
		return CLI_OK;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "version")) {
		printf("cxvm %s\n", cxvm_version());
		return CLI_OK;
	}
	if (!strcmp(argv[1], "run"))
		return cli_run(argc - 1, argv + 1);
	fprintf(stderr, "cxvm: unknown command '%s'; see cxvm --help\n", argv[1]);
	return CLI_USAGE;
}
