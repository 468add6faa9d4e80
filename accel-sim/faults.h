/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACCEL_SIM_FAULTS_H
#define ACCEL_SIM_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

/* What the server does wrong on purpose with one of its next replies */
enum sim_fault_kind {
	SIM_FAULT_NONE,
	SIM_FAULT_DROP,          /* close the connection instead of replying */
	SIM_FAULT_STALL,         /* answer nothing for `value` ms, then as usual */
	SIM_FAULT_NO_REPLY,      /* never answer this message */
	SIM_FAULT_ERROR,         /* error reply with errno `value` */
	SIM_FAULT_WRONG_ID,      /* reply with another message id */
	SIM_FAULT_WRONG_COMMAND, /* reply that names another command */
	SIM_FAULT_WRONG_SIZE, /* header size `value` bytes more than what is sent, rest withheld */
	SIM_FAULT_SMALL_SIZE, /* header size below 16 */
	SIM_FAULT_HUGE_SIZE,  /* header size 0xffffffff */
	SIM_FAULT_TRUNCATED,  /* half of the reply, then close */
	SIM_FAULT_SHORT_PAYLOAD, /* a consistent reply whose payload is cut to `value` bytes */
	SIM_FAULT_GARBAGE,       /* random bytes instead of a reply */
	SIM_FAULT_NOT_A_REPLY,   /* type bits say command */
	SIM_FAULT_TWICE,         /* the reply two times */
	SIM_FAULT_UNSOLICITED,   /* a reply nobody asked for before the right one */
	SIM_FAULT_EXTRA_FDS,     /* file descriptors that do not belong there */
	SIM_FAULT_COUNT,         /* a data count in the payload larger than the data */
};

#define SIM_MAX_FAULTS 16u

struct sim_fault {
	enum sim_fault_kind kind;
	uint16_t command; /* applies to replies to this one; 0: to any */
	uint32_t skip;    /* let so many of them pass first */
	uint32_t times;   /* then apply to so many; 0: to all that follow */
	uint64_t value;
};

struct sim_faults {
	struct sim_fault armed[SIM_MAX_FAULTS];
	uint32_t count;
	uint64_t applied;
};

/* sim_faults_add() - arm one; false when there is no room. */
bool sim_faults_add(struct sim_faults *faults, const struct sim_fault *fault);

/* sim_faults_take() - the fault for the reply to `command`, or one of kind NONE. */
struct sim_fault sim_faults_take(struct sim_faults *faults, uint16_t command);

/* sim_fault_kind_parse() - by its name in the control protocol; NONE when unknown. */
enum sim_fault_kind sim_fault_kind_parse(const char *name);

#endif
