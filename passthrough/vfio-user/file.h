/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PASSTHROUGH_VFIO_USER_FILE_H
#define PASSTHROUGH_VFIO_USER_FILE_H

#include <stdbool.h>

/*
 * Files that a vfio-user server hands over to be mapped. A page of a file system that the server
 * itself serves (FUSE) comes when the server likes: a vCPU that touches it would wait in the kernel
 * where no signal but SIGKILL reaches it, and even asking for the file's size could.
 */

/*
 * vfio_user_mount_is_served() - whether the mount @mount_id of @mountinfo (the text of
 * /proc/self/mountinfo) is served by a process, or is not there at all: then it is one of the
 * server's own mount namespace, and could be anything. Pure.
 */
bool vfio_user_mount_is_served(const char *mountinfo, int mount_id);

/* NULL when a mapping of @fd is answered by the kernel, else why it is refused (a constant text).
 * The file itself is asked nothing. */
const char *vfio_user_file_problem(int fd);

#endif
