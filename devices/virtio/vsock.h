/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_VIRTIO_VSOCK_H
#define DEVICES_VIRTIO_VSOCK_H

#include "devices/virtio/device.h"

/*
 * Sockets between host and guest (virtio 1.2, 5.10). With a socket path: the protocol that
 * Firecracker and cloud-hypervisor share. The host connects to the UNIX socket, sends
 * "CONNECT <port>\n" and reads "OK <port>\n"; a guest that connects to CID 2, port P reaches the
 * UNIX socket "<path>_P". With vhost: the kernel's vhost-vsock, AF_VSOCK on the host.
 */
struct virtio_vsock_options {
	struct virtio_environment environment;
	const char *name;         /* "vsock0"; copied */
	uint64_t cid;             /* of the guest: 3 .. 0xfffffffe */
	const char *socket;       /* path; copied; required unless vhost */
	bool vhost;               /* use /dev/vhost-vsock */
	uint32_t max_connections; /* 0: 512, half of the usual limit of descriptors */
};

/*
 * Returns 0; -EINVAL (CID, path missing or too long); -EADDRINUSE (a live process listens there; a
 * dead one's socket file is replaced); -ENOENT/-EACCES (folder, /dev/vhost-vsock); -ENOMEM.
 * The socket file is removed when the device is destroyed, unless somebody replaced it.
 */
int virtio_vsock_create(const struct virtio_vsock_options *options, struct virtio_device **device);

#endif
