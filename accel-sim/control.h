/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCEL_SIM_CONTROL_H
#define ACCEL_SIM_CONTROL_H

#include "accel-sim/server.h"

/*
 * The control socket: one JSON object per line in, one per line out; docs/accel-sim.md has the
 * commands. Whoever may open the socket may break the device: that is what it is for.
 */

/* sim_control_accept() - take a control connection, or refuse it when all slots are in use. */
void sim_control_accept(struct sim_server *server);

/* sim_control_receive() - read lines and answer them; closes on end of file or an overlong line. */
void sim_control_receive(struct sim_server *server, struct sim_control *control);

/*
 * sim_control_execute() - run one command line.
 * Returns the answer, NUL-terminated with a newline, to be freed; NULL without memory.
 */
char *sim_control_execute(struct sim_server *server, const char *line);

#endif
