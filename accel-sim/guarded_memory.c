/* SPDX-License-Identifier: Apache-2.0 */
#include "accel-sim/guarded_memory.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>

/* Per thread: where to go on when a guarded copy faults; NULL outside of one */
static _Thread_local sigjmp_buf *volatile guarded_return;

static void sim_guarded_fault(int signal_number)
{
	if (guarded_return)
		siglongjmp(*guarded_return, 1);
	/* Not ours: die of it as without a handler. */
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

int sim_guarded_install(void)
{
	struct sigaction action = {.sa_handler = sim_guarded_fault};

	sigemptyset(&action.sa_mask);
	return sigaction(SIGBUS, &action, NULL) == 0 ? 0 : -errno;
}

int sim_guarded_copy(void *to, const void *from, size_t size)
{
	sigjmp_buf here;
	int result = 0;

	if (sigsetjmp(here, 1) == 0) {
		guarded_return = &here;
		memcpy(to, from, size);
	} else {
		result = -EIO;
	}
	guarded_return = NULL;
	return result;
}
