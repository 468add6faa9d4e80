/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accel-sim/server.h"

#ifndef CXVM_VERSION
#define CXVM_VERSION "0"
#endif

/* Exit status: 0 ended as told, 1 could not start or go on, 2 bad command line */
int main(int argc, char **argv)
{
	struct sim_options options;
	struct sim_server *server;
	char message[512] = "";
	int result;

	switch (sim_options_parse(&options, argc, argv, message, sizeof(message))) {
	case SIM_OPTIONS_HELP:
		fputs(sim_options_usage(), stdout);
		return 0;
	case SIM_OPTIONS_VERSION:
		puts("cxvm-accel-sim " CXVM_VERSION);
		return 0;
	case SIM_OPTIONS_BAD:
		fprintf(stderr, "cxvm-accel-sim: %s\n", message);
		return 2;
	case SIM_OPTIONS_OK:
		break;
	}
	server = malloc(sizeof(*server));
	if (!server)
		return 1;
	result = sim_server_create(server, &options, message, sizeof(message));
	if (result == 0) {
		sim_log(server, false, "listening on %s", options.socket_path);
		result = sim_server_run(server);
		if (result)
			snprintf(message, sizeof(message), "main loop: %s", strerror(-result));
	}
	if (result)
		fprintf(stderr, "cxvm-accel-sim: %s\n", message);
	sim_server_destroy(server);
	free(server);
	return result ? 1 : 0;
}
