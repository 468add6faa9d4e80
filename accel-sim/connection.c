/* SPDX-License-Identifier: Apache-2.0 */
/* What the server, its control connections and its replies all do to the client's connection. */
#include <stdarg.h>
#include <stdio.h>

#include "accel-sim/server.h"

void sim_log(const struct sim_server *server, bool important, const char *format, ...)
{
	char text[512];
	va_list arguments;

	if (!important && !server->device.options.verbose)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fprintf(stderr, "cxvm-accel-sim: %s\n", text);
}

void sim_server_drop(struct sim_server *server)
{
	if (server->peer.fd < 0)
		return;
	sim_peer_disconnect(&server->peer);
	sim_remote_abort(&server->remote);
	sim_device_detach(&server->device);
	server->stalled_until_ms = 0;
	server->held_size = 0;
	sim_log(server, false, "client disconnected");
}
