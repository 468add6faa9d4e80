/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_VIRTIO_VSOCK_INTERNAL_H
#define DEVICES_VIRTIO_VSOCK_INTERNAL_H

#include <linux/virtio_vsock.h>
#include <sys/types.h>

#include "devices/virtio/vhost.h"
#include "devices/virtio/vsock.h"

#define VSOCK_RX                  0u
#define VSOCK_TX                  1u
#define VSOCK_QUEUES              3u
#define VSOCK_QUEUE_SIZE          128u
#define VSOCK_HEADER              44u
#define VSOCK_HOST_CID            2u
#define VSOCK_BUFFER              65536u /* buf_alloc: what a guest may send ahead of the reader */
#define VSOCK_HANDSHAKE           32u    /* "CONNECT 4294967295\n" fits */
#define VSOCK_BUCKETS             256u
#define VSOCK_RESETS              64u /* refusals that wait for a receive buffer */
#define VSOCK_DEFAULT_CONNECTIONS 512u
#define VSOCK_HANDSHAKE_MS        5000u /* for "CONNECT <port>" to come */
#define VSOCK_SWEEP_MS            1000u /* how often it is looked at */
#define VSOCK_ACCEPT_RETRY_MS     100u  /* when there were no descriptors or memory */
#define VSOCK_FIRST_HOST_PORT     (1u << 30)
/* Packets before other devices of the loop get their turn. */
#define VSOCK_BUDGET 64u
#define VSOCK_IOVECS VIRTQUEUE_CHAIN_IOVECS(VSOCK_QUEUE_SIZE)

enum vsock_state {
	VSOCK_HANDSHAKING, /* reads "CONNECT <port>\n"; the guest knows nothing yet */
	VSOCK_REQUESTED,   /* OP_REQUEST is sent or about to be; waits for OP_RESPONSE */
	VSOCK_OPEN,
	VSOCK_CLOSING, /* an OP_RST is about to be sent, then it is gone */
};

struct vsock;

struct vsock_connection {
	struct vsock *vsock;
	enum vsock_state state;
	struct vsock_connection *next_in_bucket;
	struct vsock_connection
		*next_ready; /* in the queue of those with something for the guest */
	bool ready;
	uint32_t host_port;
	uint32_t guest_port;
	int fd;
	struct event_source *source;
	bool readable; /* edge triggered: until EAGAIN */
	bool eof;      /* the host's end sends no more */

	/* What the next packets are. */
	bool send_request;
	bool send_response;
	bool send_credit;
	bool send_shutdown;
	uint32_t shutdown_flags; /* ours */

	uint32_t guest_shutdown; /* VIRTIO_VSOCK_SHUTDOWN_* of the guest */
	bool write_shut;         /* SHUT_WR was done */
	/* Credit, 5.10.6.3; all counters wrap. */
	uint32_t guest_buf_alloc;
	uint32_t guest_fwd_cnt;
	uint32_t sent;      /* to the guest */
	uint32_t forwarded; /* fwd_cnt: handed to the host's end */
	uint32_t told;      /* fwd_cnt as the guest knows it */

	uint8_t *buffer; /* from the guest, not yet written; VSOCK_BUFFER bytes or NULL */
	uint32_t buffered;
	uint32_t buffer_start;
	char handshake[VSOCK_HANDSHAKE];
	uint32_t handshake_length;
	uint64_t since_ms; /* the handshake began */
};

struct vsock_reset {
	uint32_t host_port;
	uint32_t guest_port;
	uint16_t type;
};

enum vsock_counter {
	VSOCK_RX_BYTES,
	VSOCK_TX_BYTES,
	VSOCK_CONNECTIONS,
	VSOCK_REFUSED,
	VSOCK_COUNTERS,
};

struct vsock {
	struct virtio_device device;
	char *name;
	char *path; /* NULL with vhost */
	uint64_t cid;
	uint32_t max_connections;
	int listen_fd;
	dev_t socket_device; /* of the socket file, to remove only our own */
	ino_t socket_inode;
	struct vhost vhost;
	struct virtio_counter counters[VSOCK_COUNTERS];
	struct log_ratelimit limit;

	/* Owned by whoever may run the queues. */
	struct event_source *listen_source;
	bool listener_silent; /* until the timer */
	struct event_source *timer;
	bool timer_armed;
	uint32_t connection_count;
	uint32_t next_port;
	struct vsock_connection *buckets[VSOCK_BUCKETS];
	struct vsock_connection *ready_first;
	struct vsock_connection *ready_last;
	struct vsock_reset resets[VSOCK_RESETS];
	uint32_t reset_count;
	bool rx_held; /* rx_chain is popped and unused */
	struct virtqueue_chain rx_chain;
	struct iovec rx_iov[VSOCK_IOVECS];
	struct iovec tx_iov[VSOCK_IOVECS];
};

static inline void vsock_count(struct vsock *vsock, enum vsock_counter counter, uint64_t amount)
{
	atomic_fetch_add_explicit(&vsock->counters[counter].value, amount, memory_order_relaxed);
}

/*
 * All of it runs in the loop's thread. Each file calls only those above it in this list, so that
 * none of them calls back.
 */

/* vsock_table.c: the connections of a device. */
struct vsock_connection *vsock_find(struct vsock *vsock, uint32_t host_port, uint32_t guest_port);
/* In and out of the table, under the ports that it has now. */
void vsock_insert(struct vsock_connection *connection);
void vsock_take_out(struct vsock_connection *connection);
/* Closes and frees it. */
void vsock_end(struct vsock_connection *connection);
/* Tell the guest that it is over; the host's end is closed now. */
void vsock_abort(struct vsock_connection *connection);
/* It has something for the guest. */
void vsock_mark_ready(struct vsock_connection *connection);
/* Takes the first of those off their queue; there is one. */
struct vsock_connection *vsock_next_ready(struct vsock *vsock);
/* Refuse something that has no connection. */
void vsock_refuse(struct vsock *vsock, const struct virtio_vsock_hdr *header);
void vsock_close_all(struct vsock *vsock);
/* The driver broke a rule of @queue; @why, unless the queue knows better. */
void vsock_queue_broken(struct vsock *vsock, struct virtqueue *queue, const char *why);

/* vsock_connection.c: the protocol of one connection. */
/* Any packet but a request for an open connection; @iov holds @length bytes of payload. */
void vsock_connection_packet(struct vsock_connection *connection,
			     const struct virtio_vsock_hdr *header, struct iovec *iov,
			     uint32_t count, uint32_t length);
/*
 * What the connection wants to send next. Fills the header apart from the addresses, and for data
 * reads into @iov (room for a payload). Returns 1 (send it), 0 (nothing after all) or 2 (send it,
 * the connection is gone).
 */
int vsock_connection_next(struct vsock_connection *connection, struct virtio_vsock_hdr *header,
			  const struct iovec *iov, uint32_t count);
bool vsock_connection_has_more(const struct vsock_connection *connection);
/* Write what is buffered. Returns false when the host's end is gone. */
bool vsock_flush(struct vsock_connection *connection);
void vsock_consider_credit(struct vsock_connection *connection);
void vsock_follow_shutdown(struct vsock_connection *connection);

/* vsock_receive.c: what the guest gets. */
void vsock_receive(struct vsock *vsock);

/* vsock_host.c: the host's ends. */
/* A host process waits in accept(). */
void vsock_accept(struct vsock *vsock);
/* Take processes again that had to wait; end those that do not say what they want. */
void vsock_timer_expired(struct vsock *vsock);
/* The guest wants "<path>_<port>". */
void vsock_guest_request(struct vsock *vsock, const struct virtio_vsock_hdr *header);
/* Stop / start watching all sockets (pause). Returns 0 or -errno. */
void vsock_unwatch_all(struct vsock *vsock);
int vsock_watch_all(struct vsock *vsock);

/* vsock_transmit.c: what the guest sent. */
void vsock_transmit(struct vsock *vsock);

#endif
