/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "passthrough/host/host.h"
#include "vmm/config/probe.h"

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void probe_net(const struct specification_net *net, struct problems *problems)
{
	char path[96];

	struct ifreq request;

	memset(&request, 0, sizeof(request));
	if (net->fd >= 0 && !is_open(net->fd))
		problem_add(problems, "%s: fd=%d is no open descriptor", net->id, net->fd);
	else if (net->fd >= 0 &&
		 (ioctl(net->fd, TUNGETIFF, &request) || !(request.ifr_flags & IFF_TAP) ||
		  !(request.ifr_flags & IFF_VNET_HDR)))
		problem_add(
			problems,
			"%s: fd=%d is no tap with the virtio-net header; open it with IFF_TAP | "
			"IFF_NO_PI | IFF_VNET_HDR",
			net->id, net->fd);
	if (!net->tap || !*net->tap || strchr(net->tap, '/'))
		return;
	/* One that does not exist can be made. */
	snprintf(path, sizeof(path), "/sys/class/net/%.40s", net->tap);
	if (access(path, F_OK))
		return;
	snprintf(path, sizeof(path), "/sys/class/net/%.40s/tun_flags", net->tap);
	if (access(path, F_OK))
		problem_add(problems,
			    "%s: %s is a network interface, but no tap; make one with ip tuntap",
			    net->id, net->tap);
}

/* The folder in which @path is to be made. */
static void probe_folder(const char *what, const char *path, struct problems *problems)
{
	const char *slash = strrchr(path, '/');
	char folder[4096] = ".";

	if (slash)
		snprintf(folder, sizeof(folder), "%.*s", (int)(slash > path ? slash - path : 1),
			 path);
	if (access(folder, W_OK | X_OK))
		problem_add(problems, "%s: nothing can be made in the folder %s: %s", what, folder,
			    strerror(errno));
}

/* Does somebody listen on this socket? */
static bool is_served(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	bool served;
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	strcpy(address.sun_path, path);
	served = !connect(fd, (const struct sockaddr *)&address, sizeof(address)) ||
		 errno != ECONNREFUSED;
	close(fd);
	return served;
}

/* A socket that we are to listen on. One that nobody serves any more is replaced at the start. */
static void probe_socket(const char *what, const char *path, struct problems *problems)
{
	struct stat status;

	if (lstat(path, &status))
		probe_folder(what, path, problems);
	else if (!S_ISSOCK(status.st_mode))
		problem_add(problems, "%s: %s is there already and is no socket", what, path);
	else if (is_served(path))
		problem_add(problems, "%s: another process serves %s", what, path);
}

static void probe_output(const char *what, const char *path, struct problems *problems)
{
	struct stat status;

	if (stat(path, &status))
		probe_folder(what, path, problems);
	else if (S_ISDIR(status.st_mode) || access(path, W_OK))
		problem_add(problems, "%s: %s cannot be written", what, path);
}

static void probe_console(const char *what, const struct specification_console *console,
			  struct problems *problems)
{
	if (!console->path)
		return;
	if (console->mode == CXVM_CONSOLE_SOCKET)
		probe_socket(what, console->path, problems);
	else if (console->mode == CXVM_CONSOLE_FILE)
		probe_output(what, console->path, problems);
}

/* A device of this host: is it there, and bound to VFIO, or what keeps it from that. */
static void probe_host_device(const char *id, const char *path, struct problems *problems)
{
	const struct host host = {.root = "", .ops = &host_real_ops};
	struct host_inventory inventory;
	const struct host_device *found;
	char address[24];

	if (host_parse_address(path, address, sizeof(address))) {
		problem_add(problems, "%s: %s is neither a PCI address nor a path that ends in one",
			    id, path);
		return;
	}
	found = host_inventory_read(&host, &inventory) ? NULL
						       : host_inventory_find(&inventory, address);
	if (!found)
		problem_add(problems,
			    "%s: this host has no PCI device %s; cxvm host list shows those that "
			    "it has",
			    id, address);
	else if (!found->bound && !found->problem_count)
		problem_add(problems, "%s: %s is not bound to VFIO; run cxvm host bind %s", id,
			    address, address);
	for (unsigned int i = 0; found && !found->bound && i < found->problem_count; i++)
		problem_add(problems, "%s: %s: %s; %s", id, address, found->problems[i].what,
			    found->problems[i].fix);
	host_inventory_free(&inventory);
}

static void probe_device(const struct passthrough_options *options, struct problems *problems)
{
	const struct passthrough_way *way = &options->way;
	struct stat status;

	if (way->fd >= 0 && !is_open(way->fd))
		problem_add(problems, "%s: descriptor %d is not open", options->id, way->fd);
	if (way->iommufd >= 0 && !is_open(way->iommufd))
		problem_add(problems, "%s: iommufd=%d is not open", options->id, way->iommufd);
	if (way->kind == PASSTHROUGH_WAY_VFIO_CDEV_FD && way->iommufd < 0 &&
	    access("/dev/iommu", R_OK | W_OK))
		problem_add(problems, "%s: cannot open /dev/iommu: %s", options->id,
			    strerror(errno));
	if (!way->name)
		return;
	if (way->kind != PASSTHROUGH_WAY_VFIO_USER_SOCKET)
		probe_host_device(options->id, way->name, problems);
	else if (stat(way->name, &status) || !S_ISSOCK(status.st_mode))
		problem_add(problems, "%s: %s is no socket; start the vfio-user server first",
			    options->id, way->name);
}

void probe_devices(const struct machine_specification *specification, struct problems *problems)
{
	for (size_t i = 0; i < specification->net_count; i++)
		probe_net(&specification->nets[i], problems);
	if (specification->has_vsock && !specification->vsock.vhost && specification->vsock.socket)
		probe_socket("vsock", specification->vsock.socket, problems);
	probe_console("serial", &specification->serial, problems);
	probe_console("console", &specification->console, problems);
	for (size_t i = 0; i < specification->device_count; i++)
		probe_device(&specification->devices[i].options, problems);
}
