/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "passthrough/vfio-user/file.h"

static const char mountinfo[] =
	"21 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,discard\n"
	"22 21 0:5 / /dev rw - devtmpfs udev rw\n"
	"30 21 0:40 / /home/fuse rw,nosuid - fuse.sshfs host: rw,user_id=0\n"
	"31 21 0:41 / /mnt/a\\040-\\040b rw - fuse server rw\n"
	"32 21 7:1 / /mnt/disk rw - fuseblk /dev/sdb1 rw\n"
	"33 21 0:42 / /mnt/fuse rw - xfs /dev/fuse-is-a-fine-name rw";

Test(vfio_user_file, mounts)
{
	cr_expect_not(vfio_user_mount_is_served(mountinfo, 21));
	cr_expect_not(vfio_user_mount_is_served(mountinfo, 22));
	cr_expect(vfio_user_mount_is_served(mountinfo, 30));
	cr_expect(vfio_user_mount_is_served(mountinfo, 31));
	cr_expect(vfio_user_mount_is_served(mountinfo, 32));
	cr_expect_not(vfio_user_mount_is_served(mountinfo, 33), "the last line, without an end");
	cr_expect(vfio_user_mount_is_served(mountinfo, 2), "not there: another namespace's");
	cr_expect(vfio_user_mount_is_served("", 21));
	cr_expect(vfio_user_mount_is_served("21 a line that is cut", 21));
	cr_expect(vfio_user_mount_is_served("21 a line that is cut\n22 1 - ext4", 21));
}

Test(vfio_user_file, files)
{
	char path[] = "/tmp/cxvm-file-XXXXXX";
	int fd = memfd_create("file", MFD_CLOEXEC);

	cr_expect_null(vfio_user_file_problem(fd));
	close(fd);
	fd = mkstemp(path);
	cr_expect_null(vfio_user_file_problem(fd), "a plain file: %s", vfio_user_file_problem(fd));
	close(fd);
	unlink(path);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	cr_expect_null(vfio_user_file_problem(fd), "a device");
	close(fd);
	cr_expect_not_null(vfio_user_file_problem(-1));
}

/* A file system that nobody answers for. 0: refused; 1: taken; 77: cannot be made here. */
static int judge_unserved(void)
{
	char directory[] = "/tmp/cxvm-fuse-XXXXXX", options[64];
	int fuse, fd, result;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    !mkdtemp(directory))
		return 77;
	fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
	if (fuse < 0 || mount("test", directory, "fuse", 0, options)) {
		rmdir(directory);
		return 77;
	}
	fd = open(directory, O_PATH | O_CLOEXEC);
	result = fd < 0 ? 77 : vfio_user_file_problem(fd) == NULL;
	umount2(directory, MNT_DETACH);
	rmdir(directory);
	return result;
}

Test(vfio_user_file, a_file_system_that_a_process_serves, .timeout = 30)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(judge_unserved());
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		cr_skip("FUSE cannot be mounted here");
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", status);
}
