/* SPDX-License-Identifier: Apache-2.0 */
#include "accel-sim/faults.h"

#include <string.h>

static const struct {
	const char *name;
	enum sim_fault_kind kind;
} fault_names[] = {
	{"drop", SIM_FAULT_DROP},
	{"stall", SIM_FAULT_STALL},
	{"no-reply", SIM_FAULT_NO_REPLY},
	{"error", SIM_FAULT_ERROR},
	{"wrong-id", SIM_FAULT_WRONG_ID},
	{"wrong-command", SIM_FAULT_WRONG_COMMAND},
	{"wrong-size", SIM_FAULT_WRONG_SIZE},
	{"small-size", SIM_FAULT_SMALL_SIZE},
	{"huge-size", SIM_FAULT_HUGE_SIZE},
	{"truncated", SIM_FAULT_TRUNCATED},
	{"short-payload", SIM_FAULT_SHORT_PAYLOAD},
	{"garbage", SIM_FAULT_GARBAGE},
	{"not-a-reply", SIM_FAULT_NOT_A_REPLY},
	{"twice", SIM_FAULT_TWICE},
	{"unsolicited", SIM_FAULT_UNSOLICITED},
	{"extra-fds", SIM_FAULT_EXTRA_FDS},
	{"count", SIM_FAULT_COUNT},
};

enum sim_fault_kind sim_fault_kind_parse(const char *name)
{
	for (size_t i = 0; i < sizeof(fault_names) / sizeof(fault_names[0]); i++) {
		if (strcmp(fault_names[i].name, name) == 0)
			return fault_names[i].kind;
	}
	return SIM_FAULT_NONE;
}

bool sim_faults_add(struct sim_faults *faults, const struct sim_fault *fault)
{
	if (faults->count >= SIM_MAX_FAULTS)
		return false;
	faults->armed[faults->count++] = *fault;
	return true;
}

struct sim_fault sim_faults_take(struct sim_faults *faults, uint16_t command)
{
	const struct sim_fault none = {.kind = SIM_FAULT_NONE};

	for (uint32_t i = 0; i < faults->count; i++) {
		struct sim_fault *fault = &faults->armed[i];
		struct sim_fault taken = *fault;

		if (fault->command != 0 && fault->command != command)
			continue;
		if (fault->skip > 0) {
			fault->skip--;
			continue;
		}
		if (fault->times > 0 && --fault->times == 0) {
			faults->count--;
			memmove(fault, fault + 1, (faults->count - i) * sizeof(*fault));
		}
		faults->applied++;
		return taken;
	}
	return none;
}
