/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <linux/vfio.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/event_loop.h"
#include "tests/unit/passthrough/transport/info_image.h"
#include "passthrough/transport/info.h"
#include "passthrough/vfio-user/client.h"
#include "script_server.h"

static struct script_server server;
static struct vfio_transport *transport;
static atomic_uint lost_count;
static char lost_reason[128];
static uint8_t guest[4096];

static void on_lost(void *opaque, const char *reason)
{
	(void)opaque;
	lost_count++;
	strncpy(lost_reason, reason, sizeof(lost_reason) - 1);
}

static atomic_uint dma_count;

static int on_dma(void *opaque, uint64_t address, void *data, uint64_t length, bool write)
{
	(void)opaque;
	dma_count++;
	if (address > sizeof(guest) || length > sizeof(guest) - address)
		return -EFAULT;
	if (write)
		memcpy(guest + address, data, length);
	else
		memcpy(data, guest + address, length);
	return 0;
}

static struct event_loop *loop;

static int attach(script_hook hook, uint32_t timeout_ms)
{
	struct vfio_transport_options options = {
		.name = "test0",
		.loop = loop,
		.events = {.lost = on_lost, .dma = on_dma},
		.timeout_ms = timeout_ms,
	};

	script_server_start(&server, hook);
	return vfio_user_attach(server.client_fd, &options, &transport);
}

static void detach(void)
{
	if (transport)
		transport->ops->close(transport);
	script_server_stop(&server);
}

static unsigned int open_fds(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned int count = 0;

	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static int get_info(void)
{
	uint8_t *info = NULL;
	uint32_t length;
	int result = transport->ops->get_device_info(transport, &info, &length);

	free(info);
	return result;
}

Test(vfio_user_client, discovers_reads_writes_and_maps)
{
	struct vfio_region region;
	uint8_t *info;
	uint32_t length, flags, count, value = 0x12345678, back = 0;
	void *host = NULL;
	int fd;
	uint64_t fd_offset;

	cr_assert_eq(attach(NULL, 5000), 0);
	cr_assert_eq(get_info(), 0);
	cr_assert_eq(transport->ops->get_region_info(transport, 0, &info, &length), 0);
	cr_assert_eq(vfio_info_parse_region(&region, info, length, 0), 0);
	cr_assert(region.sparse && region.areas[0].offset == 0x1000);
	free(info);
	cr_assert_eq(transport->ops->get_region_info(transport, 8, &info, &length), -EINVAL);
	cr_assert_eq(transport->ops->get_region_info(transport, 9, &info, &length), -EINVAL);
	cr_assert_eq(transport->ops->get_irq_info(transport, 2, &flags, &count), 0);
	cr_assert_eq(count, 8u);

	cr_assert_eq(transport->ops->region_write(transport, 0, 0x10, &value, 4, false), 0);
	cr_assert_eq(transport->ops->region_read(transport, 0, 0x10, &back, 4), 0);
	cr_assert_eq(back, value);
	value = 7;
	cr_assert_eq(transport->ops->region_write(transport, 0, 0x14, &value, 4, true), 0);
	cr_assert_eq(transport->ops->region_read(transport, 0, 0x14, &back, 4), 0);
	cr_assert_eq(back, 7u, "a posted write is ordered before the read");
	cr_assert_eq(transport->ops->region_read(transport, 0, 0x10000, &back, 4), -EINVAL);

	cr_assert_eq(transport->ops->map(transport, 0, 0x1000, 0xf000, &host, &fd, &fd_offset), 0);
	cr_assert_eq(fd_offset, 0x1000u);
	memset(host, 0x5a, 0xf000);
	cr_assert_eq(pread(server.memory, &back, 4, 0xfffc), 4);
	cr_assert_eq(back, 0x5a5a5a5au);
	munmap(host, 0xf000);
	host = NULL;
	cr_assert_eq(transport->ops->map(transport, 0, 0xf000, 0x2000, &host, &fd, &fd_offset),
		     -EINVAL);
	cr_assert_eq(transport->ops->map(transport, 1, 0, 0x1000, &host, &fd, &fd_offset), -ENODEV);
	cr_assert(transport->ops->mapping_intact(transport, 0));
	cr_assert_eq(ftruncate(server.memory, 0x8000), 0);
	cr_assert_not(transport->ops->mapping_intact(transport, 0));
	cr_assert_eq(transport->ops->map(transport, 0, 0x1000, 0xf000, &host, &fd, &fd_offset),
		     -EINVAL, "the file is too short now");
	cr_assert_eq(transport->ops->reset(transport), 0);
	cr_assert_eq(lost_count, 0u);
	detach();
}

Test(vfio_user_client, all_regions_and_interrupts_in_one_round_trip)
{
	cr_assert_eq(attach(NULL, 5000), 0);
	cr_assert_eq(get_info(), 0);
	cr_assert_eq(server.count[VFIO_USER_DEVICE_GET_REGION_INFO], 9u);
	cr_assert_eq(get_info(), 0);
	cr_assert_eq(server.count[VFIO_USER_DEVICE_GET_REGION_INFO], 9u);
	detach();
}

Test(vfio_user_client, dwords_together)
{
	uint64_t offsets[64];
	uint32_t values[64];

	cr_assert_eq(attach(NULL, 5000), 0);
	for (uint32_t i = 0; i < 64; i++) {
		uint32_t value = i * 3;

		offsets[i] = 4 * (63 - i);
		memcpy(server.registers + offsets[i], &value, 4);
	}
	cr_assert_eq(transport->ops->region_read_dwords(transport, 0, offsets, values, 64), 0);
	for (uint32_t i = 0; i < 64; i++)
		cr_assert_eq(values[i], i * 3);
	/* An error reply is shorter than the others: nobody waits for bytes that never come. */
	offsets[5] = 0x10000;
	cr_assert_eq(transport->ops->region_read_dwords(transport, 0, offsets, values, 64),
		     -EINVAL);
	cr_assert_eq(lost_count, 0u);
	detach();
}

Test(vfio_user_client, eventfds_are_split_by_the_servers_limit)
{
	int fds[8];

	cr_assert_eq(attach(NULL, 5000), 0);
	for (int i = 0; i < 8; i++)
		fds[i] = eventfd(0, EFD_CLOEXEC);
	cr_assert_eq(transport->ops->set_irqs(
			     transport, 2, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			     0, 8, fds),
		     0);
	cr_assert_eq(server.count[VFIO_USER_DEVICE_SET_IRQS], 2u, "max_msg_fds is 4");
	cr_assert_eq(server.fds_received, 8u);
	close(fds[3]);
	fds[3] = -1;
	cr_assert_eq(transport->ops->set_irqs(
			     transport, 2, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			     0, 8, fds),
		     0);
	cr_assert_eq(server.count[VFIO_USER_DEVICE_SET_IRQS], 5u, "3, 1 without, 4");
	for (int i = 0; i < 8; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	detach();
}

/* Asks for guest memory before it answers a read. */
static bool hook_dma(struct script_server *s, struct script_message *message)
{
	struct {
		struct vfio_user_header header;
		struct vfio_user_dma_access access;
		uint8_t data[8];
	} request = {.header = {.id = 0x4242, .size = 40, .command = VFIO_USER_DMA_WRITE},
		     .access = {0x100, 8},
		     .data = {1, 2, 3, 4, 5, 6, 7, 8}};
	struct script_message *reply;

	if (message->header.command != VFIO_USER_DEVICE_RESET)
		return false;
	reply = malloc(sizeof(*reply));
	script_send_raw(s, &request, 40, NULL, 0);
	script_receive(s, reply);
	cr_assert_eq(reply->header.id, 0x4242);
	cr_assert_eq(reply->header.flags, VFIO_USER_FLAG_TYPE_REPLY);
	cr_assert_eq(reply->length, 16u);
	request.header.command = VFIO_USER_DMA_READ;
	request.header.size = 32;
	script_send_raw(s, &request, 32, NULL, 0);
	script_receive(s, reply);
	cr_assert_eq(reply->length, 24u);
	cr_assert_eq(memcmp(reply->payload + 16, request.data, 8), 0);
	/* Beyond guest memory, empty, and cut short: refused, the connection stays. */
	request.access.address = 4095;
	script_send_raw(s, &request, 32, NULL, 0);
	script_receive(s, reply);
	cr_assert_eq(reply->header.error, (uint32_t)EFAULT);
	request.access.count = 0;
	script_send_raw(s, &request, 32, NULL, 0);
	script_receive(s, reply);
	cr_assert_eq(reply->header.error, (uint32_t)EINVAL);
	request.header.size = 20;
	script_send_raw(s, &request, 20, NULL, 0);
	script_receive(s, reply);
	cr_assert_eq(reply->header.error, (uint32_t)EINVAL);
	request.header.command = 99;
	script_send_raw(s, &request, 20, NULL, 0);
	script_receive(s, reply);
	cr_assert_eq(reply->header.error, (uint32_t)EINVAL);
	free(reply);
	return false;
}

Test(vfio_user_client, serves_dma_requests_while_it_waits)
{
	cr_assert_eq(attach(hook_dma, 5000), 0);
	cr_assert_eq(transport->ops->reset(transport), 0);
	cr_assert_eq(guest[0x100], 1);
	cr_assert_eq(guest[0x107], 8);
	cr_assert_eq(lost_count, 0u);
	detach();
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A server that takes this long with each message is just quick enough for a single one. */
#define SLOW_TIMEOUT_MS 300u
static const struct timespec slow = {.tv_nsec = 180 * 1000 * 1000};

static bool hook_slow_irqs(struct script_server *s, struct script_message *message)
{
	(void)s;
	if (message->header.command == VFIO_USER_DEVICE_SET_IRQS)
		nanosleep(&slow, NULL);
	return false;
}

/* An operation of several messages is bounded as one. */
Test(vfio_user_client, slow_answers_to_one_operation_of_many_messages, .timeout = 30)
{
	int fds[16];
	uint64_t start;

	cr_assert_eq(attach(hook_slow_irqs, SLOW_TIMEOUT_MS), 0);
	for (int i = 0; i < 16; i++)
		fds[i] = i % 2 ? -1 : eventfd(0, EFD_CLOEXEC);
	start = now_ms();
	cr_expect_eq(transport->ops->set_irqs(
			     transport, 2, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			     0, 16, fds),
		     -ENODEV);
	cr_expect_lt(now_ms() - start, 3 * SLOW_TIMEOUT_MS);
	cr_expect_eq(lost_count, 1u);
	for (int i = 0; i < 16; i += 2)
		close(fds[i]);
	detach();
}

/* Asks for more guest memory than the socket holds, and takes the answers one at a time. */
static bool hook_slow_reader(struct script_server *s, struct script_message *message)
{
	struct {
		struct vfio_user_header header;
		struct vfio_user_dma_access access;
	} requests[400];
	static struct script_message answer;

	if (message->header.command != VFIO_USER_DEVICE_RESET)
		return false;
	for (size_t i = 0; i < 400; i++) {
		requests[i].header = (struct vfio_user_header){
			.id = (uint16_t)i, .size = 32, .command = VFIO_USER_DMA_READ};
		requests[i].access = (struct vfio_user_dma_access){0, 4096};
	}
	script_send_raw(s, requests, sizeof(requests), NULL, 0);
	while (script_receive(s, &answer))
		nanosleep(&slow, NULL);
	return true;
}

/* It would keep the reader, which may be the event loop of all devices, for as long as it likes. */
Test(vfio_user_client, a_server_that_takes_answers_slowly_is_lost, .timeout = 60)
{
	uint64_t start;

	cr_assert_eq(attach(hook_slow_reader, SLOW_TIMEOUT_MS), 0);
	start = now_ms();
	cr_expect_eq(transport->ops->reset(transport), -ENODEV);
	cr_expect_lt(now_ms() - start, 10 * SLOW_TIMEOUT_MS);
	cr_expect_eq(lost_count, 1u);
	cr_expect_not_null(strstr(lost_reason, "answers"), "%s", lost_reason);
	detach();
}

struct dma_request {
	struct vfio_user_header header;
	struct vfio_user_dma_access access;
};

static void ask_for_memory(struct script_server *s, uint32_t count, uint32_t flags)
{
	static struct dma_request requests[5000];

	for (uint32_t i = 0; i < count; i++) {
		requests[i].header = (struct vfio_user_header){.id = (uint16_t)i,
							       .size = sizeof(requests[i]),
							       .command = VFIO_USER_DMA_READ,
							       .flags = flags};
		requests[i].access = (struct vfio_user_dma_access){0, 4096};
	}
	script_send_raw(s, requests, (uint32_t)(count * sizeof(requests[0])), NULL, 0);
}

static bool hook_no_reply_reads(struct script_server *s, struct script_message *message)
{
	static struct script_message answer;

	if (message->header.command != VFIO_USER_DEVICE_RESET)
		return false;
	ask_for_memory(s, 4000, VFIO_USER_FLAG_NO_REPLY);
	ask_for_memory(s, 1, 0);
	script_receive(s, &answer);
	cr_expect_eq(answer.length, 16u + 4096u);
	return false;
}

/* 32 bytes for a copy of up to 1 MiB that nobody gets: 6,500 of them fit one receive. */
Test(vfio_user_client, a_read_that_wants_no_reply_is_not_done)
{
	cr_assert_eq(attach(hook_no_reply_reads, 5000), 0);
	cr_expect_eq(transport->ops->reset(transport), 0);
	cr_expect_eq(dma_count, 1u);
	cr_expect_eq(lost_count, 0u);
	detach();
}

static bool hook_takes_no_answers(struct script_server *s, struct script_message *message)
{
	if (message->header.command != VFIO_USER_DEVICE_RESET)
		return false;
	ask_for_memory(s, 5000, 0);
	return true;
}

/* What it does not take is kept for it only so far. */
Test(vfio_user_client, answers_that_wait_are_bounded_in_bytes, .timeout = 60)
{
	uint64_t start;

	cr_assert_eq(attach(hook_takes_no_answers, 20000), 0);
	start = now_ms();
	cr_expect_eq(transport->ops->reset(transport), -ENODEV);
	cr_expect_lt(now_ms() - start, 10000u);
	cr_expect_lt(dma_count, 5000u);
	cr_expect_not_null(strstr(lost_reason, "answers"), "%s", lost_reason);
	detach();
}

static bool hook_slow_reads(struct script_server *s, struct script_message *message)
{
	(void)s;
	if (message->header.command == VFIO_USER_REGION_READ)
		nanosleep(&slow, NULL);
	return false;
}

/* Each answer is in time, but the guest, and whoever waits for it, would hardly get on. */
Test(vfio_user_client, a_server_that_is_always_just_in_time_is_lost, .timeout = 60)
{
	unsigned int reads = 0;
	uint32_t value;

	cr_assert_eq(attach(hook_slow_reads, SLOW_TIMEOUT_MS), 0);
	while (reads < 20 && !transport->ops->region_read(transport, 0, 0, &value, 4))
		reads++;
	cr_expect_geq(reads, 2u, "a single stall is no loss");
	cr_expect_lt(reads, 10u);
	cr_expect_eq(lost_count, 1u);
	cr_expect_not_null(strstr(lost_reason, "too slowly for too long"), "%s", lost_reason);
	detach();
}

static atomic_uint pings;

static void on_ping(void *opaque, uint32_t epoll_events)
{
	uint64_t count;

	(void)epoll_events;
	cr_assert_eq(read(*(int *)opaque, &count, sizeof(count)), 8);
	pings++;
}

static void *run_loop(void *opaque)
{
	(void)opaque;
	event_loop_run(loop);
	return NULL;
}

static void *write_much(void *opaque)
{
	static uint8_t data[1 << 20];

	*(int *)opaque = transport->ops->region_write(transport, 0, 0, data, sizeof(data), true);
	return NULL;
}

static atomic_bool look_away, looked_away;

/* Lets a large message of the client's wait in the middle, and asks for memory meanwhile. */
static bool hook_looks_away(struct script_server *s, struct script_message *message)
{
	int waiting = 0;

	if (message->header.command != VFIO_USER_DEVICE_RESET)
		return false;
	script_reply(s, message, NULL, 0, NULL, 0);
	while (waiting < 65536 && ioctl(s->fd, FIONREAD, &waiting) == 0)
		sched_yield();
	ask_for_memory(s, 64, 0);
	while (look_away)
		sched_yield();
	looked_away = true;
	return true;
}

/* The event loop answers; the lock of the socket belongs to a vCPU that waits for the server. */
Test(vfio_user_client, an_answer_waits_for_no_sender, .timeout = 60)
{
	struct event_source *source;
	int ping = eventfd(0, EFD_CLOEXEC), result = 1;
	pthread_t loop_thread, writer;
	uint64_t start, one = 1;

	cr_assert_eq(event_loop_create(&loop), 0);
	cr_assert_eq(event_loop_add(loop, ping, EPOLLIN, on_ping, &ping, &source), 0);
	look_away = true;
	cr_assert_eq(attach(hook_looks_away, 5000), 0);
	cr_assert_eq(pthread_create(&loop_thread, NULL, run_loop, NULL), 0);
	cr_assert_eq(transport->ops->reset(transport), 0);
	cr_assert_eq(pthread_create(&writer, NULL, write_much, &result), 0);
	while (!dma_count)
		sched_yield();
	start = now_ms();
	cr_assert_eq(write(ping, &one, sizeof(one)), 8);
	while (!pings && now_ms() - start < 3000)
		sched_yield();
	cr_expect_eq(pings, 1u, "the loop of all devices stands still");
	look_away = false;
	pthread_join(writer, NULL);
	event_loop_stop(loop);
	pthread_join(loop_thread, NULL);
	detach();
	event_source_remove(source);
	event_loop_destroy(loop);
	close(ping);
}

/* Holds the first reset back and answers it after the second. */
static bool hook_reorder(struct script_server *s, struct script_message *message)
{
	static struct script_message first;
	static unsigned int resets;

	if (message->header.command != VFIO_USER_DEVICE_RESET)
		return false;
	if (resets++ == 0) {
		first = *message;
		return true;
	}
	script_reply(s, message, NULL, 0, NULL, 0);
	/* A reply that nobody waits for, with an fd, and only then the first one. */
	message->header.id = 0x7777;
	script_reply(s, message, NULL, 0, &s->memory, 1);
	script_reply_error(s, &first, EBUSY);
	return true;
}

static void *reset_thread(void *opaque)
{
	*(int *)opaque = transport->ops->reset(transport);
	return NULL;
}

Test(vfio_user_client, replies_out_of_order_and_strays)
{
	pthread_t threads[2];
	int results[2] = {1, 1};
	unsigned int before;

	cr_assert_eq(attach(hook_reorder, 5000), 0);
	before = open_fds();
	pthread_create(&threads[0], NULL, reset_thread, &results[0]);
	while (server.count[VFIO_USER_DEVICE_RESET] == 0)
		sched_yield();
	pthread_create(&threads[1], NULL, reset_thread, &results[1]);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	cr_assert_eq(results[0], -EBUSY);
	cr_assert_eq(results[1], 0);
	cr_assert_eq(open_fds(), before, "the stray's fd was closed");
	cr_assert_eq(lost_count, 0u);
	detach();
}

static void *read_many(void *opaque)
{
	uint32_t *failures = opaque;

	for (uint32_t i = 0; i < 2000; i++) {
		uint32_t at = i % 1024 * 4, value = 0;

		if (transport->ops->region_read(transport, 0, at, &value, 4) || value != at)
			(*failures)++;
	}
	return NULL;
}

Test(vfio_user_client, four_threads_share_the_socket)
{
	pthread_t threads[4];
	uint32_t failures[4] = {0};

	cr_assert_eq(attach(NULL, 5000), 0);
	for (uint32_t at = 0; at < 4096; at += 4)
		memcpy(server.registers + at, &at, 4);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, read_many, &failures[i]);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(failures[i], 0u);
	detach();
}

/* Lies, one per test, told by the reset command. */
static int lie;

static bool hook_lie(struct script_server *s, struct script_message *message)
{
	struct vfio_user_header header = {.id = message->header.id,
					  .command = message->header.command,
					  .size = 16,
					  .flags = VFIO_USER_FLAG_TYPE_REPLY};
	int fds[17];

	if (message->header.command != VFIO_USER_DEVICE_RESET)
		return false;
	for (int i = 0; i < 17; i++)
		fds[i] = s->memory;
	switch (lie) {
	case 0: /* dies */
		shutdown(s->fd, SHUT_RDWR);
		return true;
	case 1: /* stalls */
		return true;
	case 2:
		header.size = 15;
		break;
	case 3:
		header.size = 0;
		break;
	case 4:
		header.size = 0xffffffff;
		break;
	case 5:
		header.flags = 7;
		break;
	case 6:
		header.command++;
		break;
	case 7: /* an fd that nobody asked for */
		script_send_raw(s, &header, 16, fds, 1);
		return true;
	case 8:
		script_send_raw(s, &header, 16, fds, 16);
		return true;
	case 9: /* more than the control buffer takes */
		script_send_raw(s, &header, 16, fds, 17);
		return true;
	case 10: /* payload that nobody asked for */
		header.size = 20;
		script_send_raw(s, &header, 16, NULL, 0);
		break;
	case 11: /* half a header, then silence */
		script_send_raw(s, &header, 7, NULL, 0);
		return true;
	case 12: /* endless strays instead of the reply */
		header.id++;
		for (int i = 0; i < 1000000; i++) {
			if (send(s->fd, &header, 16, MSG_NOSIGNAL) != 16)
				break;
		}
		return true;
	default:
		break;
	}
	script_send_raw(s, &header, 16, NULL, 0);
	return true;
}

Test(vfio_user_client, lies_lose_the_device_and_nothing_else, .timeout = 60)
{
	for (lie = 0; lie <= 12; lie++) {
		uint32_t value;
		unsigned int before = open_fds();
		uint64_t start;

		lost_count = 0;
		cr_assert_eq(attach(hook_lie, 2000), 0);
		start = now_ms();
		cr_expect_eq(transport->ops->reset(transport), -ENODEV, "lie %d", lie);
		cr_expect_lt(now_ms() - start, 8000u, "lie %d took too long", lie);
		cr_expect_eq(lost_count, 1u, "lie %d", lie);
		cr_expect(lost_reason[0], "lie %d", lie);
		/* Lost is lost: at once, and told once. */
		start = now_ms();
		cr_expect_eq(transport->ops->region_read(transport, 0, 0, &value, 4), -ENODEV);
		cr_expect_lt(now_ms() - start, 1000u);
		cr_expect_eq(lost_count, 1u);
		detach();
		cr_expect_eq(open_fds(), before, "lie %d leaks fds", lie);
	}
}

/* Wrong answers that only spoil one request. */
static bool hook_short(struct script_server *s, struct script_message *message)
{
	uint8_t bytes[32] = {0};

	if (message->header.command != VFIO_USER_REGION_READ)
		return false;
	memcpy(bytes, message->payload, 16);
	switch (message->payload[0]) {
	case 0: /* too few bytes */
		script_reply(s, message, bytes, 18, NULL, 0);
		return true;
	case 4: /* another count than asked */
		bytes_put_le32(bytes + 12, 3);
		script_reply(s, message, bytes, 20, NULL, 0);
		return true;
	case 8: /* nothing at all */
		script_reply(s, message, NULL, 0, NULL, 0);
		return true;
	case 12: /* an error number that is none */
		script_reply_error(s, message, 0x80000000);
		return true;
	default:
		script_reply_error(s, message, 0);
		return true;
	}
}

Test(vfio_user_client, short_answers_are_io_errors)
{
	uint32_t value;

	cr_assert_eq(attach(hook_short, 5000), 0);
	for (uint64_t offset = 0; offset <= 16; offset += 4)
		cr_expect_eq(transport->ops->region_read(transport, 0, offset, &value, 4), -EIO,
			     "offset %lu", (unsigned long)offset);
	cr_assert_eq(lost_count, 0u);
	detach();
}

static const char *version_reply;
static uint32_t version_length;

static bool hook_version(struct script_server *s, struct script_message *message)
{
	if (message->header.command != VFIO_USER_VERSION)
		return false;
	script_reply(s, message, version_reply, version_length, NULL, 0);
	return true;
}

Test(vfio_user_client, negotiation)
{
	static const struct {
		const char *reply;
		uint32_t length;
		int result;
	} cases[] = {
#define REPLY(text, result) {text, sizeof(text), result}
		{"\0\0\1\0", 4, 0},
		{"\0\0\0\0", 4, 0},
		REPLY("\0\0\0\0{}", 0),
		REPLY("\0\0\0\0{\"capabilities\":{}}", 0),
		REPLY("\0\0\0\0{\"capabilities\":{\"max_msg_fds\":1000}}", 0),
		REPLY("\0\0\0\0{\"capabilities\":{\"twin_socket\":{\"supported\":false}}}", 0),
		{"\0\0\1", 3, -EPROTO},
		{"\1\0\0\0", 4, -EPROTO},
		{"\0\0\2\0", 4, -EPROTO},
		{"\0\0\0\0{}", 6, -EPROTO},
		REPLY("\0\0\0\0", -EPROTO),
		REPLY("\0\0\0\0{", -EPROTO),
		REPLY("\0\0\0\0[]", -EPROTO),
		REPLY("\0\0\0\0{\"capabilities\":[]}", -EPROTO),
		REPLY("\0\0\0\0{\"capabilities\":{\"max_msg_fds\":\"4\"}}", -EPROTO),
		REPLY("\0\0\0\0{\"capabilities\":{\"max_msg_fds\":0}}", -EPROTO),
		REPLY("\0\0\0\0{\"capabilities\":{\"max_msg_fds\":-1}}", -EPROTO),
		REPLY("\0\0\0\0{\"capabilities\":{\"max_data_xfer_size\":16}}", -EPROTO),
		REPLY("\0\0\0\0{\"capabilities\":{\"pgsizes\":0}}", -EPROTO),
		REPLY("\0\0\0\0{\"capabilities\":{\"max_msg_fds\":1,\"max_msg_fds\":1}}", -EPROTO),
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		transport = NULL;
		version_reply = cases[i].reply;
		version_length = cases[i].length;
		cr_expect_eq(attach(hook_version, 5000), cases[i].result, "case %zu", i);
		detach();
	}
}

static bool hook_info(struct script_server *s, struct script_message *message)
{
	uint8_t info[64] = {0};

	if (message->header.command == VFIO_USER_DEVICE_GET_INFO && lie == 0) {
		script_reply(s, message, info, 12, NULL, 0);
		return true;
	}
	if (message->header.command == VFIO_USER_DEVICE_GET_INFO && lie == 1) {
		bytes_put_le32(info, 24);
		bytes_put_le32(info + 8, 1000);
		script_reply(s, message, info, 24, NULL, 0);
		return true;
	}
	if (message->header.command == VFIO_USER_DEVICE_GET_INFO && lie == 2) {
		bytes_put_le32(info, 0xffffffff);
		script_reply(s, message, info, 24, NULL, 0);
		return true;
	}
	if (message->header.command == VFIO_USER_DEVICE_GET_REGION_INFO && lie == 3) {
		bytes_put_le32(info, 32);
		bytes_put_le32(info + 8, 77);
		script_reply(s, message, info, 32, &s->memory, 1);
		return true;
	}
	if (message->header.command == VFIO_USER_DEVICE_GET_REGION_INFO && lie == 4) {
		int fds[2] = {s->memory, s->memory};

		bytes_put_le32(info, 32);
		memcpy(info + 8, message->payload + 8, 4);
		script_reply(s, message, info, 32, fds, 2);
		return true;
	}
	if (message->header.command == VFIO_USER_DEVICE_GET_IRQ_INFO && lie == 5) {
		script_reply(s, message, info, 8, NULL, 0);
		return true;
	}
	return false;
}

Test(vfio_user_client, lies_about_information)
{
	for (lie = 0; lie <= 5; lie++) {
		unsigned int before = open_fds();
		int result;

		cr_assert_eq(attach(hook_info, 5000), 0);
		result = get_info();
		cr_expect(result == -EPROTO || result == -ENODEV, "lie %d: %d", lie, result);
		detach();
		cr_expect_eq(open_fds(), before, "lie %d leaks fds", lie);
	}
}

Test(vfio_user_client, socket_path)
{
	struct vfio_transport_options options = {.name = "test0"};
	char path[200];

	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	cr_expect_eq(vfio_user_connect(path, &options, &transport), -ENAMETOOLONG);
	cr_expect_eq(vfio_user_connect("/nonexistent/socket", &options, &transport), -ENOENT);
}
