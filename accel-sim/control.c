/* SPDX-License-Identifier: Apache-2.0 */
#include "accel-sim/clock.h"
#include "accel-sim/control.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct {
	const char *name;
	uint16_t command;
} command_names[] = {
	{"any", 0},
	{"version", VFIO_USER_VERSION},
	{"dma-map", VFIO_USER_DMA_MAP},
	{"dma-unmap", VFIO_USER_DMA_UNMAP},
	{"get-info", VFIO_USER_DEVICE_GET_INFO},
	{"get-region-info", VFIO_USER_DEVICE_GET_REGION_INFO},
	{"get-irq-info", VFIO_USER_DEVICE_GET_IRQ_INFO},
	{"set-irqs", VFIO_USER_DEVICE_SET_IRQS},
	{"region-read", VFIO_USER_REGION_READ},
	{"region-write", VFIO_USER_REGION_WRITE},
	{"write-multi", VFIO_USER_REGION_WRITE_MULTI},
	{"reset", VFIO_USER_DEVICE_RESET},
};

static const char *const index_names[] = {"intx", "msi", "msix", "error", "request"};

static json_t *sim_control_error(const char *text)
{
	return json_pack("{s:s}", "error", text);
}

static json_t *sim_control_ok(void)
{
	return json_pack("{s:s}", "result", "ok");
}

/* A non-negative integer member, or `missing` when it is not there or not that. */
static uint64_t sim_control_number(const json_t *request, const char *name, uint64_t missing)
{
	const json_t *value = json_object_get(request, name);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return missing;
	return (uint64_t)json_integer_value(value);
}

static const char *sim_control_text(const json_t *request, const char *name)
{
	const char *text = json_string_value(json_object_get(request, name));

	return text ? text : "";
}

static json_t *sim_control_fault(struct sim_server *server, const json_t *request)
{
	const char *on = sim_control_text(request, "on");
	struct sim_fault fault = {.kind = sim_fault_kind_parse(sim_control_text(request, "kind")),
				  .skip = (uint32_t)sim_control_number(request, "skip", 0),
				  .times = (uint32_t)sim_control_number(request, "times", 1),
				  .value = sim_control_number(request, "value", 0)};
	size_t i;

	if (fault.kind == SIM_FAULT_NONE)
		return sim_control_error("fault: \"kind\" is missing or unknown");
	for (i = 0; i < sizeof(command_names) / sizeof(command_names[0]); i++) {
		if (strcmp(on[0] ? on : "any", command_names[i].name) == 0)
			break;
	}
	if (i == sizeof(command_names) / sizeof(command_names[0]))
		return sim_control_error("fault: \"on\" names no command");
	fault.command = command_names[i].command;
	return sim_faults_add(&server->faults, &fault)
		       ? sim_control_ok()
		       : sim_control_error("fault: too many are armed; use clear-faults");
}

static json_t *sim_control_interrupt(struct sim_server *server, const json_t *request)
{
	const char *name = sim_control_text(request, "index");
	uint64_t vector = sim_control_number(request, "vector", 0);
	uint64_t count = sim_control_number(request, "count", 1);

	for (uint32_t index = 0; index < SIM_IRQ_INDICES; index++) {
		if (strcmp(name, index_names[index]) != 0)
			continue;
		if (vector >= server->device.irqs.count[index] || count > 1000000)
			return sim_control_error("interrupt: no such vector, or count too large");
		for (uint64_t i = 0; i < count; i++)
			sim_irqs_trigger(&server->device.irqs, index, (uint32_t)vector);
		return sim_control_ok();
	}
	return sim_control_error("interrupt: \"index\" is intx, msi, msix, error or request");
}

static json_t *sim_control_array(const uint64_t *values)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < SIM_MAX_REGIONS; i++)
		json_array_append_new(array, json_integer((json_int_t)values[i]));
	return array;
}

static json_t *sim_control_stats(struct sim_server *server)
{
	struct sim_device *device = &server->device;
	json_t *answer = json_object();
	uint32_t ranges;

	pthread_rwlock_rdlock(&device->dma.lock);
	ranges = device->dma.count;
	pthread_rwlock_unlock(&device->dma.lock);
#define SIM_STAT(name, value) json_object_set_new(answer, name, json_integer((json_int_t)(value)))
	json_object_set_new(answer, "result", json_string("ok"));
	json_object_set_new(answer, "region_reads", sim_control_array(device->counters.reads));
	json_object_set_new(answer, "region_writes", sim_control_array(device->counters.writes));
	json_object_set_new(answer, "connected", json_boolean(server->peer.fd >= 0));
	SIM_STAT("commands", server->session.commands);
	SIM_STAT("command_errors", server->session.errors);
	SIM_STAT("connections", server->connections);
	SIM_STAT("refused_connections", server->refused);
	SIM_STAT("protocol_errors", server->protocol_errors);
	SIM_STAT("resets", device->counters.resets);
	SIM_STAT("failed_resets", device->counters.failed_resets);
	SIM_STAT("cxl_resets", device->counters.cxl_resets);
	SIM_STAT("cache_write_backs", device->counters.write_backs);
	SIM_STAT("jobs", atomic_load(&device->engine.jobs));
	SIM_STAT("doorbell_looks", atomic_load(&device->engine.looks));
	SIM_STAT("dma_ranges", ranges);
	SIM_STAT("dma_messages", server->remote.requests);
	SIM_STAT("late_replies", server->remote.late);
	SIM_STAT("mailbox_commands", device->memory_device.mailbox.commands);
	SIM_STAT("faults_applied", server->faults.applied);
	pthread_mutex_lock(&device->irqs.lock);
	SIM_STAT("interrupts_raised", device->irqs.raised);
	SIM_STAT("interrupts_sent", device->irqs.sent);
	SIM_STAT("interrupts_lost", device->irqs.lost);
	pthread_mutex_unlock(&device->irqs.lock);
#undef SIM_STAT
	return answer;
}

static json_t *sim_control_info(const struct sim_server *server)
{
	const struct sim_layout *layout = &server->device.layout;
	const struct sim_decoder *decoder = &server->device.component.hdm.decoders[0];

	return json_pack(
		"{s:s,s:i,s:I,s:i,s:I,s:I,s:i,s:I,s:i,s:i,s:I,s:b,s:I,s:b}", "result", "ok",
		"component_bar", (int)layout->component_bar, "component_offset",
		(json_int_t)layout->component_offset, "window_bar", (int)layout->window_bar,
		"window_offset", (json_int_t)layout->window_offset, "window_size",
		(json_int_t)layout->window_size, "msix_bar", (int)layout->msix_bar, "memory_size",
		(json_int_t)layout->memory_size, "memory_region", (int)layout->memory_region,
		"comp_regs_region", (int)layout->comp_regs_region, "dpa_size",
		(json_int_t)server->device.options.dpa_size, "committed",
		(decoder->control & HDM_CONTROL_COMMITTED) != 0, "decoder_base",
		(json_int_t)decoder->base, "link_down", server->device.link_down);
}

static json_t *sim_control_run(struct sim_server *server, const json_t *request)
{
	const char *command = sim_control_text(request, "command");
	struct sim_device *device = &server->device;

	if (strcmp(command, "stats") == 0)
		return sim_control_stats(server);
	if (strcmp(command, "info") == 0)
		return sim_control_info(server);
	if (strcmp(command, "fault") == 0)
		return sim_control_fault(server, request);
	if (strcmp(command, "interrupt") == 0)
		return sim_control_interrupt(server, request);
	if (strcmp(command, "clear-faults") == 0) {
		server->faults.count = 0;
		device->fail_resets = 0;
		device->reset_clears_decoders = false;
		pthread_mutex_lock(&device->irqs.lock);
		device->irqs.lose = 0;
		pthread_mutex_unlock(&device->irqs.lock);
	} else if (strcmp(command, "drop") == 0) {
		sim_server_drop(server);
	} else if (strcmp(command, "stall") == 0) {
		uint64_t ms = sim_control_number(request, "ms", 0);

		server->stalled_until_ms = ms ? sim_now_ms() + ms : UINT64_MAX;
	} else if (strcmp(command, "resume") == 0) {
		server->stalled_until_ms = server->stalled_until_ms ? 1 : 0;
	} else if (strcmp(command, "fail-resets") == 0) {
		device->fail_resets = sim_control_number(request, "count", 1);
	} else if (strcmp(command, "reset-clears-decoders") == 0) {
		device->reset_clears_decoders = json_is_true(json_object_get(request, "value"));
	} else if (strcmp(command, "lose-interrupts") == 0) {
		pthread_mutex_lock(&device->irqs.lock);
		device->irqs.lose = sim_control_number(request, "count", 1);
		pthread_mutex_unlock(&device->irqs.lock);
	} else if (strcmp(command, "link") == 0) {
		const char *state = sim_control_text(request, "state");

		if (strcmp(state, "down") != 0 && strcmp(state, "up") != 0)
			return sim_control_error("link: \"state\" is up or down");
		sim_device_link(device, strcmp(state, "down") == 0);
	} else if (strcmp(command, "quit") == 0) {
		server->quit = true;
	} else {
		return sim_control_error("unknown command");
	}
	return sim_control_ok();
}

char *sim_control_execute(struct sim_server *server, const char *line)
{
	json_t *request = json_loads(line, 0, NULL);
	json_t *answer = json_is_object(request) ? sim_control_run(server, request)
						 : sim_control_error("not a JSON object");
	char *text = json_dumps(answer, JSON_COMPACT);
	char *result = NULL;

	if (text && asprintf(&result, "%s\n", text) < 0)
		result = NULL;
	free(text);
	json_decref(answer);
	json_decref(request);
	return result;
}

void sim_control_accept(struct sim_server *server)
{
	int fd = accept4(server->control_listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	for (uint32_t i = 0; i < SIM_MAX_CONTROLS; i++) {
		if (server->controls[i].fd < 0) {
			server->controls[i].fd = fd;
			server->controls[i].filled = 0;
			return;
		}
	}
	close(fd);
}

static void sim_control_close(struct sim_control *control)
{
	close(control->fd);
	control->fd = -1;
}

void sim_control_receive(struct sim_server *server, struct sim_control *control)
{
	ssize_t got = recv(control->fd, control->line + control->filled,
			   sizeof(control->line) - 1 - control->filled, MSG_DONTWAIT);
	char *end;

	if (got <= 0) {
		if (got == 0 || (errno != EAGAIN && errno != EINTR))
			sim_control_close(control);
		return;
	}
	control->filled += (uint32_t)got;
	control->line[control->filled] = '\0';
	while ((end = memchr(control->line, '\n', control->filled)) != NULL) {
		uint32_t used = (uint32_t)(end - control->line) + 1;
		char *answer;
		ssize_t sent;

		*end = '\0';
		answer = sim_control_execute(server, control->line);
		sent = answer ? send(control->fd, answer, strlen(answer),
				     MSG_DONTWAIT | MSG_NOSIGNAL)
			      : -1;
		free(answer);
		if (sent < 0) {
			sim_control_close(control);
			return;
		}
		control->filled -= used;
		memmove(control->line, control->line + used, control->filled + 1);
	}
	if (control->filled == sizeof(control->line) - 1)
		sim_control_close(control);
}
