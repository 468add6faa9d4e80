/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/fd.h"
#include "devices/virtio/net_internal.h"

#define TUN_DEVICE "/dev/net/tun"

static int open_tun(struct net_tap *tap, const struct logger *logger, const char *name)
{
	int result;

	tap->fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (tap->fd >= 0)
		return 0;
	result = -errno;
	log_error(logger, name, "tap %s: open " TUN_DEVICE ": %s; %s", tap->name, strerror(-result),
		  result == -ENOENT || result == -ENODEV ? "load the module tun"
							 : "allow this user to open it");
	return result;
}

static int attach(struct net_tap *tap, const struct logger *logger, const char *name)
{
	struct ifreq request;
	const short flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	unsigned int multi;
	int result = 0;

	/* An interface that was made with multi_queue wants to be opened so. */
	for (multi = 0; multi < 2; multi++) {
		memset(&request, 0, sizeof(request));
		memcpy(request.ifr_name, tap->name, sizeof(tap->name));
		request.ifr_flags = (short)(flags | (multi ? IFF_MULTI_QUEUE : 0));
		result = ioctl(tap->fd, TUNSETIFF, &request) < 0 ? -errno : 0;
		if (result != -EINVAL)
			break;
	}
	if (!result) {
		memcpy(tap->name, request.ifr_name, sizeof(tap->name));
		return 0;
	}
	log_error(logger, name, "tap %s: attach: %s; %s", tap->name, strerror(-result),
		  result == -EBUSY ? "another process uses it: give each machine its own"
		  : result == -EPERM
			  ? "it needs CAP_NET_ADMIN, or an interface that was made for this "
			    "user (ip tuntap add NAME mode tap user USER)"
		  : result == -EINVAL ? "the name belongs to an interface that is no tap"
				      : "see ip tuntap");
	return result;
}

/* An fd from outside: is it what we need? */
static int adopt(struct net_tap *tap, int fd, const struct logger *logger, const char *name)
{
	struct ifreq request;
	int flags = fcntl(fd, F_GETFL);

	memset(&request, 0, sizeof(request));
	if (flags < 0 || ioctl(fd, TUNGETIFF, &request) < 0 ||
	    !(request.ifr_flags & IFF_VNET_HDR) || !(request.ifr_flags & IFF_TAP)) {
		log_error(logger, name,
			  "tap fd %d: %s; open it with IFF_TAP | IFF_NO_PI | IFF_VNET_HDR", fd,
			  flags < 0 ? "not an open file" : "not a tap with the virtio-net header");
		return -EINVAL;
	}
	if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	memcpy(tap->name, request.ifr_name, sizeof(tap->name));
	tap->fd = fd;
	return 0;
}

/* MTU and "up"; the latter is only tried, a bridge script may do it too. */
static int configure(struct net_tap *tap, uint16_t mtu, const struct logger *logger,
		     const char *name)
{
	struct ifreq request;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = 0;

	tap->mtu = 1500;
	if (fd < 0)
		return -errno;
	memset(&request, 0, sizeof(request));
	memcpy(request.ifr_name, tap->name, sizeof(tap->name));
	if (mtu) {
		request.ifr_mtu = mtu;
		if (ioctl(fd, SIOCSIFMTU, &request) < 0) {
			r = -errno;
			log_error(logger, name, "tap %s: set MTU %u: %s; %s", tap->name, mtu,
				  strerror(-r),
				  r == -EPERM ? "it needs CAP_NET_ADMIN: set it beforehand and "
						"leave mtu out"
					      : "choose another");
			goto out;
		}
	}
	if (ioctl(fd, SIOCGIFMTU, &request) == 0 && request.ifr_mtu > 0)
		tap->mtu = (uint32_t)request.ifr_mtu;
	if (ioctl(fd, SIOCGIFFLAGS, &request) == 0 && !(request.ifr_flags & IFF_UP)) {
		request.ifr_flags |= IFF_UP;
		if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
			log_warning(logger, name,
				    "tap %s: it is down and cannot be brought up: %s; use ip link "
				    "set %s up",
				    tap->name, strerror(errno), tap->name);
	}
out:
	close(fd);
	return r;
}

int net_tap_open(struct net_tap *tap, const struct virtio_net_options *options, const char *name)
{
	const struct logger *logger = options->environment.logger;
	const char *wanted = options->tap ? options->tap : "cxvm%d";
	int header = NET_HEADER, result;

	*tap = (struct net_tap){.fd = -1};
	if (options->fd >= 0) {
		result = adopt(tap, options->fd, logger, name);
	} else if (strlen(wanted) >= sizeof(tap->name) || !*wanted) {
		log_error(logger, name, "tap \"%s\": an interface name has 1 to 15 characters",
			  wanted);
		return -EINVAL;
	} else {
		memcpy(tap->name, wanted, strlen(wanted) + 1);
		result = open_tun(tap, logger, name);
		if (!result)
			result = attach(tap, logger, name);
	}
	if (!result && ioctl(tap->fd, TUNSETVNETHDRSZ, &header) < 0) {
		result = -errno;
		log_error(logger, name, "tap %s: TUNSETVNETHDRSZ: %s", tap->name,
			  strerror(-result));
	}
	if (!result)
		result = configure(tap, options->mtu, logger, name);
	if (result) {
		if (options->fd >= 0)
			tap->fd = -1; /* stays the caller's */
		net_tap_close(tap);
		return result;
	}
	tap->offloads = true;
	return 0;
}

void net_tap_close(struct net_tap *tap)
{
	fd_close(&tap->fd);
}

int net_tap_set_offloads(const struct net_tap *tap, uint64_t guest_features)
{
	unsigned int offloads = 0;

	if (!tap->offloads)
		return 0;
	if (guest_features & (1ull << VIRTIO_NET_F_GUEST_CSUM)) {
		offloads |= TUN_F_CSUM;
		if (guest_features & (1ull << VIRTIO_NET_F_GUEST_TSO4))
			offloads |= TUN_F_TSO4;
		if (guest_features & (1ull << VIRTIO_NET_F_GUEST_TSO6))
			offloads |= TUN_F_TSO6;
		if ((offloads & (TUN_F_TSO4 | TUN_F_TSO6)) &&
		    (guest_features & (1ull << VIRTIO_NET_F_GUEST_ECN)))
			offloads |= TUN_F_TSO_ECN;
	}
	return ioctl(tap->fd, TUNSETOFFLOAD, (unsigned long)offloads) < 0 ? -errno : 0;
}
