/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/legacy/serial.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/serial_reg.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FIFO_SIZE 16u

#define IER_MASK (UART_IER_RDI | UART_IER_THRI | UART_IER_RLSI | UART_IER_MSI)
#define MCR_MASK (UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT1 | UART_MCR_OUT2 | UART_MCR_LOOP)
/* Modem lines of a host that is always there. */
#define MSR_CONNECTED (UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD)

#define IIR_CHARACTER_TIMEOUT 0x0c
#define IIR_FIFO_ENABLED      0xc0

struct serial {
	struct bus_region region;
	struct bus *bus;
	struct irq_router *irq;
	uint32_t gsi;
	struct serial_backend *backend;

	pthread_mutex_t lock; /* for everything below */
	uint8_t ier;
	uint8_t fcr;
	uint8_t lcr;
	uint8_t mcr;
	uint8_t lsr_errors; /* OE, PE, FE, BI until they are read */
	uint8_t msr_delta;  /* until it is read */
	uint8_t scr;
	uint8_t dll;
	uint8_t dlm;
	bool thr_empty_pending; /* the THRE interrupt, until IIR is read or THR is written */
	bool line;              /* what we drive */
	uint8_t fifo[FIFO_SIZE];
	unsigned int fifo_start;
	unsigned int fifo_count;
};

static unsigned int serial_fifo_depth(const struct serial *serial)
{
	return serial->fcr & UART_FCR_ENABLE_FIFO ? FIFO_SIZE : 1;
}

static unsigned int serial_fifo_trigger(const struct serial *serial)
{
	static const unsigned int levels[] = {1, 4, 8, 14};

	return serial->fcr & UART_FCR_ENABLE_FIFO ? levels[serial->fcr >> 6] : 1;
}

/* Caller makes sure that there is room. */
static void serial_fifo_put(struct serial *serial, uint8_t byte)
{
	serial->fifo[(serial->fifo_start + serial->fifo_count) % FIFO_SIZE] = byte;
	serial->fifo_count++;
}

/* The highest pending interrupt as IIR shows it (data sheet, table IV). */
static uint8_t serial_interrupt(const struct serial *serial)
{
	if ((serial->ier & UART_IER_RLSI) && serial->lsr_errors)
		return UART_IIR_RLSI;
	if ((serial->ier & UART_IER_RDI) && serial->fifo_count > 0)
		/* Time does not pass on this line: bytes below the trigger level have timed out. */
		return serial->fifo_count >= serial_fifo_trigger(serial) ? UART_IIR_RDI
									 : IIR_CHARACTER_TIMEOUT;
	if ((serial->ier & UART_IER_THRI) && serial->thr_empty_pending)
		return UART_IIR_THRI;
	if ((serial->ier & UART_IER_MSI) && serial->msr_delta)
		return UART_IIR_MSI;
	return UART_IIR_NO_INT;
}

/* One system call when the line changes, none otherwise. Caller holds the lock. */
static void serial_update_line(struct serial *serial)
{
	bool level = serial_interrupt(serial) != UART_IIR_NO_INT;

	if (level == serial->line)
		return;
	serial->line = level;
	irq_set_line(serial->irq, serial->gsi, level);
}

/* Takes input from the backend as far as there is room. Caller holds the lock. */
static void serial_refill(struct serial *serial)
{
	uint8_t bytes[FIFO_SIZE];
	size_t count;

	/* In loopback the receiver is cut off from the line. */
	if ((serial->mcr & UART_MCR_LOOP) || serial->fifo_count >= serial_fifo_depth(serial))
		return;
	count = serial_backend_read(serial->backend, bytes,
				    serial_fifo_depth(serial) - serial->fifo_count);
	for (size_t i = 0; i < count; i++)
		serial_fifo_put(serial, bytes[i]);
}

static void serial_input_ready(void *opaque)
{
	struct serial *serial = opaque;

	pthread_mutex_lock(&serial->lock);
	serial_refill(serial);
	serial_update_line(serial);
	pthread_mutex_unlock(&serial->lock);
}

static uint8_t serial_read_rbr(struct serial *serial)
{
	uint8_t byte = 0;

	if (serial->fifo_count > 0) {
		byte = serial->fifo[serial->fifo_start];
		serial->fifo_start = (serial->fifo_start + 1) % FIFO_SIZE;
		serial->fifo_count--;
	}
	/* Only when it is empty: one call for up to 16 bytes. */
	if (serial->fifo_count == 0)
		serial_refill(serial);
	return byte;
}

static uint8_t serial_read_iir(struct serial *serial)
{
	uint8_t interrupt = serial_interrupt(serial);

	if (interrupt == UART_IIR_THRI)
		serial->thr_empty_pending = false;
	return interrupt | (serial->fcr & UART_FCR_ENABLE_FIFO ? IIR_FIFO_ENABLED : 0);
}

static uint8_t serial_read_lsr(struct serial *serial)
{
	uint8_t lsr = UART_LSR_THRE | UART_LSR_TEMT | serial->lsr_errors;

	/* Input from a file announces itself to nobody. */
	if (serial->fifo_count == 0)
		serial_refill(serial);
	if (serial->fifo_count > 0)
		lsr |= UART_LSR_DR;
	serial->lsr_errors = 0;
	return lsr;
}

/* Loopback wires MCR's outputs to MSR's inputs: RTS-CTS, DTR-DSR, OUT1-RI, OUT2-DCD. */
static uint8_t serial_modem_lines(const struct serial *serial)
{
	uint8_t lines = 0;

	if (!(serial->mcr & UART_MCR_LOOP))
		return MSR_CONNECTED;
	if (serial->mcr & UART_MCR_RTS)
		lines |= UART_MSR_CTS;
	if (serial->mcr & UART_MCR_DTR)
		lines |= UART_MSR_DSR;
	if (serial->mcr & UART_MCR_OUT1)
		lines |= UART_MSR_RI;
	if (serial->mcr & UART_MCR_OUT2)
		lines |= UART_MSR_DCD;
	return lines;
}

static uint8_t serial_read_msr(struct serial *serial)
{
	uint8_t msr = serial_modem_lines(serial) | serial->msr_delta;

	serial->msr_delta = 0;
	return msr;
}

static uint8_t serial_read_register(struct serial *serial, uint64_t offset)
{
	bool dlab = serial->lcr & UART_LCR_DLAB;

	switch (offset) {
	case UART_RX:
		return dlab ? serial->dll : serial_read_rbr(serial);
	case UART_IER:
		return dlab ? serial->dlm : serial->ier;
	case UART_IIR:
		return serial_read_iir(serial);
	case UART_LCR:
		return serial->lcr;
	case UART_MCR:
		return serial->mcr;
	case UART_LSR:
		return serial_read_lsr(serial);
	case UART_MSR:
		return serial_read_msr(serial);
	default:
		return serial->scr;
	}
}

static void serial_write_thr(struct serial *serial, uint8_t byte)
{
	if (serial->mcr & UART_MCR_LOOP) {
		if (serial->fifo_count < serial_fifo_depth(serial))
			serial_fifo_put(serial, byte);
		else
			serial->lsr_errors |= UART_LSR_OE;
	} else {
		serial_backend_write(serial->backend, &byte, 1);
	}
	/* Sent at once: empty again. */
	serial->thr_empty_pending = true;
}

static void serial_write_ier(struct serial *serial, uint8_t value)
{
	uint8_t raised = (uint8_t)(value & ~serial->ier);

	serial->ier = value & IER_MASK;
	/* Enabling it while THR is empty raises it. */
	if (raised & UART_IER_THRI)
		serial->thr_empty_pending = true;
	serial_refill(serial);
}

static void serial_write_fcr(struct serial *serial, uint8_t value)
{
	bool switched = (value ^ serial->fcr) & UART_FCR_ENABLE_FIFO;

	if (switched || (value & UART_FCR_CLEAR_RCVR)) {
		serial->fifo_start = 0;
		serial->fifo_count = 0;
	}
	if (switched || (value & UART_FCR_CLEAR_XMIT))
		serial->thr_empty_pending = true;
	/* Bits 6-7 can be written only together with the enable bit. */
	if (value & UART_FCR_ENABLE_FIFO)
		serial->fcr = value & (UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_MASK);
	else
		serial->fcr = 0;
	serial_refill(serial);
}

static void serial_write_mcr(struct serial *serial, uint8_t value)
{
	uint8_t before = serial_modem_lines(serial);
	uint8_t changed;

	serial->mcr = value & MCR_MASK;
	changed = before ^ serial_modem_lines(serial);
	/* MSR bits 0, 1 and 3 say that the line four bits above changed. */
	serial->msr_delta |= (changed >> 4) & (UART_MSR_DCTS | UART_MSR_DDSR | UART_MSR_DDCD);
	/* Bit 2: the ring indicator has ended. */
	if ((before & UART_MSR_RI) && (changed & UART_MSR_RI))
		serial->msr_delta |= UART_MSR_TERI;
	serial_refill(serial);
}

static void serial_write_register(struct serial *serial, uint64_t offset, uint8_t value)
{
	bool dlab = serial->lcr & UART_LCR_DLAB;

	switch (offset) {
	case UART_TX:
		if (dlab)
			serial->dll = value;
		else
			serial_write_thr(serial, value);
		break;
	case UART_IER:
		if (dlab)
			serial->dlm = value;
		else
			serial_write_ier(serial, value);
		break;
	case UART_FCR:
		serial_write_fcr(serial, value);
		break;
	case UART_LCR:
		serial->lcr = value;
		break;
	case UART_MCR:
		serial_write_mcr(serial, value);
		break;
	case UART_SCR:
		serial->scr = value;
		break;
	default: /* LSR and MSR are read-only */
		break;
	}
}

/* A wider access is that many byte accesses, in ascending order, as on an 8-bit bus. */
static uint64_t serial_read(void *opaque, uint64_t offset, unsigned int size)
{
	struct serial *serial = opaque;
	uint64_t value = 0;

	pthread_mutex_lock(&serial->lock);
	for (unsigned int i = 0; i < size; i++)
		value |= (uint64_t)serial_read_register(serial, offset + i) << (8 * i);
	serial_update_line(serial);
	pthread_mutex_unlock(&serial->lock);
	return value;
}

static void serial_write(void *opaque, uint64_t offset, uint64_t value, unsigned int size)
{
	struct serial *serial = opaque;

	pthread_mutex_lock(&serial->lock);
	for (unsigned int i = 0; i < size; i++)
		serial_write_register(serial, offset + i, (uint8_t)(value >> (8 * i)));
	serial_update_line(serial);
	pthread_mutex_unlock(&serial->lock);
}

static const struct bus_ops serial_bus_ops = {
	.read = serial_read,
	.write = serial_write,
};

int serial_create(struct serial **serial, const struct serial_options *options)
{
	struct serial *created = calloc(1, sizeof(*created));
	int result;

	if (!created)
		return -ENOMEM;
	created->bus = options->bus;
	created->irq = options->irq;
	created->gsi = options->gsi;
	created->backend = options->backend;
	created->dll = 1; /* 115200 */
	created->region = (struct bus_region){
		.name = options->name,
		.base = options->base,
		.size = SERIAL_REGISTERS,
		.ops = &serial_bus_ops,
		.opaque = created,
	};
	if (pthread_mutex_init(&created->lock, NULL) != 0) {
		free(created);
		return -ENOMEM;
	}
	result = bus_add(options->bus, &created->region);
	if (result < 0) {
		log_error(options->logger, options->name, "0x%" PRIx64 " is taken: %s",
			  options->base, strerror(-result));
		pthread_mutex_destroy(&created->lock);
		free(created);
		return result;
	}
	serial_backend_set_receiver(options->backend, serial_input_ready, created);
	*serial = created;
	return 0;
}

void serial_destroy(struct serial *serial)
{
	if (!serial)
		return;
	serial_backend_set_receiver(serial->backend, NULL, NULL);
	bus_remove(serial->bus, &serial->region);
	pthread_mutex_destroy(&serial->lock);
	free(serial);
}
