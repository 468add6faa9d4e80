/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <pwd.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FOLDERS_MAX 8u
#define ROOT        "/tmp" /* where the empty root is made, seen by nobody else */

/* Of newer kernels than the headers may know; the first two numbers are those of the ABI. */
#define LANDLOCK_NET_ALL    3ull /* bind and connect of TCP, ABI 4 */
#define LANDLOCK_SCOPED_ALL 3ull /* abstract sockets and signals, ABI 6 */
#define LANDLOCK_FS_ABI_1   0x1fffull
#define LANDLOCK_FS_REFER   (1ull << 13) /* ABI 2 */
#define LANDLOCK_FS_TRUNC   (1ull << 14) /* ABI 3 */
#define LANDLOCK_FS_IOCTL   (1ull << 15) /* ABI 5 */

struct landlock_rules {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};

static int refuse(const char *what, int error, const char *fix)
{
	fprintf(stderr, "cxvm: sandbox: %s: %s%s%s\n", what, strerror(error), fix ? "; " : "",
		fix ? fix : "");
	return -error;
}

static int parse_number(const char *text, size_t length, unsigned int *number)
{
	unsigned long long value = 0;

	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9' || value > UINT32_MAX)
			return -1;
		value = value * 10 + (unsigned int)(text[i] - '0');
	}
	/* The highest means "leave it" to the kernel. */
	if (!length || value >= UINT32_MAX)
		return -1;
	*number = (unsigned int)value;
	return 0;
}

int sandbox_parse_user(const char *text, struct sandbox *sandbox)
{
	const char *colon = strchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : strlen(text);
	const struct passwd *user;
	const struct group *group;
	char name[256];

	if (!length || length >= sizeof(name))
		return -1;
	memcpy(name, text, length);
	name[length] = '\0';
	user = getpwnam(name);
	if (user) {
		sandbox->user = user->pw_uid;
		sandbox->group = user->pw_gid;
	} else {
		if (parse_number(name, length, &sandbox->user))
			return -1;
		user = getpwuid(sandbox->user);
		sandbox->group = user ? user->pw_gid : sandbox->user;
	}
	if (colon) {
		group = getgrnam(colon + 1);
		if (group)
			sandbox->group = group->gr_gid;
		else if (parse_number(colon + 1, strlen(colon + 1), &sandbox->group))
			return -1;
	}
	sandbox->has_user = true;
	return 0;
}

/* Each part of @path, which begins with '/', below the folder that we are in. */
static int make_folders(const char *path)
{
	char part[4096];

	for (const char *end = strchr(path + 1, '/');; end = strchr(end + 1, '/')) {
		size_t length = end ? (size_t)(end - path - 1) : strlen(path + 1);

		if (!length || length >= sizeof(part))
			return length ? -ENAMETOOLONG : 0;
		memcpy(part, path + 1, length);
		part[length] = '\0';
		if (mkdir(part, 0755) && errno != EEXIST)
			return -errno;
		if (!end)
			return 0;
	}
}

/* A user who is not root makes the namespaces in one of its own, and stays who it is. */
static int own_user_namespace(void)
{
	uid_t user = geteuid();
	gid_t group = getegid();
	char text[64];
	int fd;

	if (unshare(CLONE_NEWUSER))
		return refuse("a user namespace", errno,
			      "allow them (sysctl user.max_user_namespaces, "
			      "kernel.unprivileged_userns_clone), or start as root with --user");
	fd = open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		ssize_t n = write(fd, "deny", 4);

		(void)n; /* what follows fails without it */
		close(fd);
	}
	for (int i = 0; i < 2; i++) {
		int length =
			snprintf(text, sizeof(text), "%u %u 1", i ? group : user, i ? group : user);

		fd = open(i ? "/proc/self/gid_map" : "/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, text, (size_t)length) != length) {
			int error = errno;

			if (fd >= 0)
				close(fd);
			return refuse("the map of the user namespace", error, NULL);
		}
		close(fd);
	}
	return 0;
}

static int take_folders(const char *const *folders, size_t count, char absolute[][4096], int *trees)
{
	for (size_t i = 0; i < count; i++) {
		if (!realpath(folders[i], absolute[i]))
			return refuse(folders[i], errno, "the folder of a socket must exist");
		trees[i] = (int)syscall(SYS_open_tree, AT_FDCWD, absolute[i],
					OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (trees[i] < 0)
			return refuse(folders[i], errno, "a kernel from 5.2 on is needed");
	}
	return 0;
}

/* The new root is current; what was taken is put under its old name. */
static int put_folders(size_t count, char absolute[][4096], const int *trees)
{
	for (size_t i = 0; i < count; i++) {
		int result = make_folders(absolute[i]);

		if (result)
			return refuse(absolute[i], -result, NULL);
		if (syscall(SYS_move_mount, trees[i], "", AT_FDCWD, absolute[i] + 1,
			    MOVE_MOUNT_F_EMPTY_PATH) ||
		    mount(NULL, absolute[i] + 1, NULL,
			  MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
			return refuse(absolute[i], errno, NULL);
	}
	return 0;
}

static int empty_root(const char *const *folders, size_t count)
{
	static char absolute[FOLDERS_MAX][4096], here[4096];
	int trees[FOLDERS_MAX], result;

	if (!getcwd(here, sizeof(here)))
		here[0] = '\0';

	for (size_t i = 0; i < FOLDERS_MAX; i++)
		trees[i] = -1;
	if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS))
		return refuse("a mount namespace", errno,
			      "start as root, or allow user namespaces");
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return refuse("private mounts", errno, NULL);
	result = take_folders(folders, count, absolute, trees);
	if (!result && (mount("cxvm", ROOT, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
			      "size=64k,nr_inodes=64,mode=755") ||
			chdir(ROOT)))
		result = refuse("an empty root", errno, NULL);
	if (!result)
		result = put_folders(count, absolute, trees);
	for (size_t i = 0; i < count; i++)
		if (trees[i] >= 0)
			close(trees[i]);
	if (!result &&
	    (mount(NULL, ".", NULL,
		   MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) ||
	     syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) || chdir("/")))
		result = refuse("the new root", errno, NULL);
	/* Names of sockets may be relative. */
	if (!result && here[0] && chdir(here))
		here[0] = '\0';
	return result;
}

/* What no program that is started could get back. Before the user changes. */
static int drop_bounding_set(void)
{
	/* Unknown ones end the list. */
	for (int i = 0; i < 64; i++) {
		if (!prctl(PR_CAPBSET_DROP, i))
			continue;
		if (errno == EINVAL)
			break;
		return refuse("the bounding set of capabilities", errno, NULL);
	}
	return 0;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &header, none))
		return refuse("no capabilities", errno, NULL);
	return 0;
}

static int become_user(const struct sandbox *sandbox)
{
	if (setgroups(0, NULL) || setresgid(sandbox->group, sandbox->group, sandbox->group) ||
	    setresuid(sandbox->user, sandbox->user, sandbox->user))
		return refuse("another user", errno, NULL);
	return 0;
}

/* Whatever the folders hold, sockets is all that the process does with them. */
static int landlock(const char *const *folders, size_t count)
{
	struct landlock_rules rules = {.handled_access_fs = LANDLOCK_FS_ABI_1};
	size_t size = sizeof(rules.handled_access_fs);
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	char path[4096];
	int fd, result = 0;

	/* A kernel without it: the empty root does the same for files. */
	if (abi < 1)
		return 0;
	rules.handled_access_fs |= (abi >= 2 ? LANDLOCK_FS_REFER : 0) |
				   (abi >= 3 ? LANDLOCK_FS_TRUNC : 0) |
				   (abi >= 5 ? LANDLOCK_FS_IOCTL : 0);
	if (abi >= 4) {
		rules.handled_access_net = LANDLOCK_NET_ALL;
		size += sizeof(rules.handled_access_net);
	}
	if (abi >= 6) {
		rules.scoped = LANDLOCK_SCOPED_ALL;
		size += sizeof(rules.scoped);
	}
	fd = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
	if (fd < 0)
		return refuse("Landlock", errno, NULL);
	for (size_t i = 0; i < count && !result; i++) {
		struct landlock_path_beneath_attr beneath = {
			.allowed_access =
				LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE,
			.parent_fd = open(realpath(folders[i], path) ? path : folders[i],
					  O_PATH | O_CLOEXEC),
		};

		if (beneath.parent_fd < 0 ||
		    syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0))
			result = refuse("Landlock", errno, NULL);
		if (beneath.parent_fd >= 0)
			close(beneath.parent_fd);
	}
	if (!result && syscall(SYS_landlock_restrict_self, fd, 0))
		result = refuse("Landlock", errno, NULL);
	close(fd);
	return result;
}

int sandbox_enter(void *opaque, const char *const *folders, size_t count)
{
	const struct sandbox *sandbox = opaque;
	const struct rlimit none = {0, 0};
	bool root = geteuid() == 0;
	int result = 0;

	if (!sandbox->on)
		return 0;
	if (count > FOLDERS_MAX)
		return refuse("the folders of sockets", E2BIG, "put the sockets into one folder");
	if (root && !sandbox->has_user)
		return refuse("another user", EPERM, "as root, give --user UID[:GID]");
	if (!root && sandbox->has_user && sandbox->user != geteuid())
		return refuse("another user", EPERM, "start as root, or leave --user out");
	if (!root)
		result = own_user_namespace();
	if (!result)
		result = empty_root(folders, count);
	if (!result && setrlimit(RLIMIT_CORE, &none))
		result = refuse("no core dumps", errno, NULL);
	if (!result)
		result = drop_bounding_set();
	if (!result && root)
		result = become_user(sandbox);
	if (!result)
		result = drop_capabilities();
	if (!result && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		result = refuse("no new privileges", errno, NULL);
	return result ? result : landlock(folders, count);
}
