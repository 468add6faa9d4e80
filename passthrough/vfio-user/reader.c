/* SPDX-License-Identifier: Apache-2.0 */
#include "passthrough/vfio-user/reader.h"

#include <assert.h>

#define STEP(answer, next)                                                                         \
	{                                                                                          \
		VFIO_USER_READER_##answer, VFIO_USER_READER_##next                                 \
	}

const struct vfio_user_reader_step
	vfio_user_reader_steps[VFIO_USER_READERS][VFIO_USER_READER_EVENTS] = {
		[VFIO_USER_READER_NONE] =
			{
				[VFIO_USER_READER_CLAIM] = STEP(YES, CLAIMED),
				[VFIO_USER_READER_UNCLAIM] = STEP(NEVER, NONE),
				[VFIO_USER_READER_READ] = STEP(YES, READING),
				[VFIO_USER_READER_POLL] = STEP(YES, READING),
				[VFIO_USER_READER_DONE] = STEP(NEVER, NONE),
			},
		[VFIO_USER_READER_CLAIMED] =
			{
				[VFIO_USER_READER_CLAIM] = STEP(NO, CLAIMED),
				[VFIO_USER_READER_UNCLAIM] = STEP(YES, NONE),
				[VFIO_USER_READER_READ] = STEP(NO, CLAIMED),
				[VFIO_USER_READER_POLL] = STEP(LATER, CLAIMED),
				[VFIO_USER_READER_DONE] = STEP(NEVER, CLAIMED),
			},
		[VFIO_USER_READER_READING] =
			{
				[VFIO_USER_READER_CLAIM] = STEP(NO, READING),
				[VFIO_USER_READER_UNCLAIM] = STEP(NEVER, READING),
				[VFIO_USER_READER_READ] = STEP(NO, READING),
				[VFIO_USER_READER_POLL] = STEP(LEFT, READING),
				[VFIO_USER_READER_DONE] = STEP(YES, NONE),
			},
};

enum vfio_user_reader_answer vfio_user_reader_step(_Atomic(enum vfio_user_reader) *reader,
						   enum vfio_user_reader_event event)
{
	const struct vfio_user_reader_step *step =
		&vfio_user_reader_steps[atomic_load_explicit(reader, memory_order_relaxed)][event];

	assert(step->answer != VFIO_USER_READER_NEVER);
	atomic_store_explicit(reader, step->next, memory_order_release);
	return step->answer;
}
