/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/serial_reg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/legacy/serial.h"
#include "tests/unit/core/fake_kvm.h"

/* A UART whose input and output are pipes; without an event loop output is written at once. */
struct uart {
	struct fake_kvm kvm;
	struct irq_router *irq;
	struct bus pio;
	struct serial_backend *backend;
	struct serial *serial;
	int output; /* our end */
	int input;
	int theirs[2];
};

static void setup_with_input(struct uart *u, int input_fd)
{
	struct serial_backend_options backend = {.kind = SERIAL_BACKEND_FDS, .name = "serial0"};
	struct serial_options options = {.name = "serial0", .base = 0x3f8, .gsi = 4};
	int out[2];

	memset(u, 0, sizeof(*u));
	fake_kvm_init(&u->kvm);
	cr_assert_eq(irq_router_create(&u->irq, &u->kvm.vm, &fake_irq_lines, NULL), 0);
	bus_init(&u->pio, 0x10000);
	cr_assert_eq(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
	u->output = out[0];
	u->theirs[1] = out[1];
	backend.output_fd = out[1];
	backend.input_fd = input_fd;
	cr_assert_eq(serial_backend_create(&u->backend, &backend), 0);
	options.bus = &u->pio;
	options.irq = u->irq;
	options.backend = u->backend;
	cr_assert_eq(serial_create(&u->serial, &options), 0);
}

/* Input comes from a file: it needs no event loop. */
static void setup(struct uart *u, const char *input)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	cr_assert_eq(write(fd, input, strlen(input)), (ssize_t)strlen(input));
	lseek(fd, 0, SEEK_SET);
	setup_with_input(u, fd);
	u->theirs[0] = fd;
}

static void teardown(struct uart *u)
{
	serial_destroy(u->serial);
	serial_backend_destroy(u->backend);
	bus_destroy(&u->pio);
	irq_router_destroy(u->irq);
	fake_kvm_destroy(&u->kvm);
	close(u->theirs[0]);
	close(u->theirs[1]);
	close(u->output);
}

static uint8_t in(struct uart *u, unsigned int reg)
{
	uint8_t value = 0;

	cr_assert(bus_read(&u->pio, 0x3f8 + reg, &value, 1));
	return value;
}

static void out(struct uart *u, unsigned int reg, uint8_t value)
{
	cr_assert(bus_write(&u->pio, 0x3f8 + reg, &value, 1));
}

static bool line(const struct uart *u)
{
	return fake_kvm_count(&u->kvm, KVM_IRQ_LINE) > 0 && u->kvm.irq_level.level;
}

Test(legacy_serial, linux_takes_it_for_a_16550a)
{
	struct uart u;

	setup(&u, "");
	/* The steps of 8250_port.c autoconfig(), with the answers it wants. */
	out(&u, UART_IER, 0);
	cr_assert_eq(in(&u, UART_IER), 0);
	out(&u, UART_IER, 0x0f);
	cr_assert_eq(in(&u, UART_IER), 0x0f);
	out(&u, UART_IER, 0);
	out(&u, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	cr_assert_eq(in(&u, UART_MSR) & 0xf0, UART_MSR_DCD | UART_MSR_CTS);
	out(&u, UART_MCR, 0);
	out(&u, UART_LCR, UART_LCR_CONF_MODE_B);
	out(&u, UART_EFR, 0);
	out(&u, UART_LCR, 0);
	out(&u, UART_FCR, UART_FCR_ENABLE_FIFO);
	cr_assert_eq(in(&u, UART_IIR) >> 6, 3, "16550A");
	/* Not a 16650 or 16850 (EFR), ... */
	out(&u, UART_LCR, UART_LCR_CONF_MODE_A);
	cr_assert_neq(in(&u, UART_EFR), 0);
	out(&u, UART_LCR, UART_LCR_CONF_MODE_B);
	cr_assert_neq(in(&u, UART_EFR), 0);
	/* ... not an NS16552 (EXCR1 follows MCR's loop bit), ... */
	uint8_t before, after;
	out(&u, UART_LCR, 0xe0);
	before = in(&u, 2);
	out(&u, UART_LCR, 0);
	out(&u, UART_MCR, UART_MCR_LOOP);
	out(&u, UART_LCR, 0xe0);
	after = in(&u, 2);
	out(&u, UART_LCR, 0);
	out(&u, UART_MCR, 0);
	cr_assert_eq((before ^ after) & UART_MCR_LOOP, 0);
	/* ... not a 16750 (64 byte FIFO), ... */
	out(&u, UART_LCR, UART_LCR_CONF_MODE_A);
	out(&u, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR7_64BYTE);
	cr_assert_eq(in(&u, UART_IIR) >> 5, 6);
	out(&u, UART_LCR, 0);
	/* ... not an XScale (IER bit 6). */
	out(&u, UART_IER, UART_IER_UUE);
	cr_assert_eq(in(&u, UART_IER), 0);
	teardown(&u);
}

Test(legacy_serial, scratch_and_divisor)
{
	struct uart u;

	setup(&u, "");
	out(&u, UART_SCR, 0xa5);
	cr_assert_eq(in(&u, UART_SCR), 0xa5);
	out(&u, UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	out(&u, UART_DLL, 0x0c);
	out(&u, UART_DLM, 0x01);
	cr_assert_eq(in(&u, UART_DLL), 0x0c);
	cr_assert_eq(in(&u, UART_DLM), 0x01);
	out(&u, UART_LCR, UART_LCR_WLEN8);
	cr_assert_eq(in(&u, UART_IER), 0, "DLM is not IER");
	cr_assert_eq(in(&u, UART_LCR), UART_LCR_WLEN8);
	teardown(&u);
}

Test(legacy_serial, output_arrives_in_order)
{
	struct uart u;
	char text[64];

	setup(&u, "");
	for (const char *c = "hello\r\n"; *c; c++) {
		cr_assert(in(&u, UART_LSR) & UART_LSR_THRE);
		out(&u, UART_TX, (uint8_t)*c);
	}
	cr_assert_eq(read(u.output, text, sizeof(text)), 7);
	cr_assert_eq(memcmp(text, "hello\r\n", 7), 0);
	teardown(&u);
}

Test(legacy_serial, transmitter_interrupt)
{
	struct uart u;

	setup(&u, "");
	out(&u, UART_FCR, UART_FCR_ENABLE_FIFO);
	cr_assert_not(line(&u));
	out(&u, UART_IER, UART_IER_THRI);
	cr_assert(line(&u), "THR is empty");
	cr_assert_eq(u.kvm.irq_level.irq, 4);
	cr_assert_eq(in(&u, UART_IIR), 0xc0 | UART_IIR_THRI);
	cr_assert_not(line(&u), "reading IIR clears it");
	cr_assert_eq(in(&u, UART_IIR), 0xc0 | UART_IIR_NO_INT);
	out(&u, UART_TX, 'x');
	cr_assert(line(&u));
	out(&u, UART_IER, 0);
	cr_assert_not(line(&u));
	out(&u, UART_IER, UART_IER_THRI);
	cr_assert(line(&u));
	in(&u, UART_IIR);
	out(&u, UART_IER, 0);
	out(&u, UART_IER, UART_IER_THRI);
	cr_assert(line(&u), "enabling it raises it again (serial8250_THRE_test)");
	teardown(&u);
}

Test(legacy_serial, receiver_with_fifo)
{
	struct uart u;

	setup(&u, "0123456789abcdefghij");
	out(&u, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_8);
	out(&u, UART_IER, UART_IER_RDI);
	cr_assert(line(&u));
	cr_assert_eq(in(&u, UART_IIR), 0xc0 | UART_IIR_RDI);
	for (int i = 0; i < 16; i++) {
		cr_assert(in(&u, UART_LSR) & UART_LSR_DR);
		if (i == 9)
			cr_assert_eq(in(&u, UART_IIR), 0xcc, "below the trigger: timeout");
		cr_assert_eq(in(&u, UART_RX), "0123456789abcdef"[i]);
	}
	/* The next ones were taken when the FIFO ran empty. */
	for (int i = 0; i < 4; i++)
		cr_assert_eq(in(&u, UART_RX), "ghij"[i]);
	cr_assert_not(in(&u, UART_LSR) & UART_LSR_DR);
	cr_assert_not(line(&u));
	cr_assert_eq(in(&u, UART_RX), 0);
	teardown(&u);
}

Test(legacy_serial, receiver_without_fifo)
{
	struct uart u;

	setup(&u, "ab");
	out(&u, UART_IER, UART_IER_RDI);
	cr_assert_eq(in(&u, UART_IIR), UART_IIR_RDI);
	cr_assert_eq(in(&u, UART_RX), 'a');
	cr_assert(line(&u));
	cr_assert_eq(in(&u, UART_RX), 'b');
	cr_assert_not(line(&u));
	teardown(&u);
}

Test(legacy_serial, loopback_and_overrun)
{
	struct uart u;
	char text[8];

	setup(&u, "not seen");
	out(&u, UART_MCR, UART_MCR_LOOP);
	out(&u, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	for (int i = 0; i < 16; i++)
		out(&u, UART_TX, (uint8_t)('A' + i));
	cr_assert_eq(in(&u, UART_LSR), UART_LSR_TEMT | UART_LSR_THRE | UART_LSR_DR);
	out(&u, UART_IER, UART_IER_RLSI | UART_IER_RDI);
	out(&u, UART_TX, '!');
	cr_assert_eq(in(&u, UART_IIR) & 0x0f, UART_IIR_RLSI, "the highest comes first");
	cr_assert(in(&u, UART_LSR) & UART_LSR_OE);
	cr_assert_not(in(&u, UART_LSR) & UART_LSR_OE, "reading clears it");
	for (int i = 0; i < 16; i++)
		cr_assert_eq(in(&u, UART_RX), 'A' + i);
	cr_assert_lt(read(u.output, text, sizeof(text)), 0, "nothing left the chip");
	out(&u, UART_MCR, 0);
	cr_assert_eq(in(&u, UART_RX), 'n', "the line is connected again");
	teardown(&u);
}

Test(legacy_serial, modem_status)
{
	struct uart u;

	setup(&u, "");
	cr_assert_eq(in(&u, UART_MSR), UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS);
	out(&u, UART_IER, UART_IER_MSI);
	out(&u, UART_MCR, UART_MCR_LOOP);
	cr_assert(line(&u));
	cr_assert_eq(in(&u, UART_IIR) & 0x0f, UART_IIR_MSI);
	cr_assert_eq(in(&u, UART_MSR), UART_MSR_DDCD | UART_MSR_DDSR | UART_MSR_DCTS);
	cr_assert_not(line(&u));
	out(&u, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1);
	cr_assert_eq(in(&u, UART_MSR), UART_MSR_RI, "only the trailing edge is noted");
	out(&u, UART_MCR, UART_MCR_LOOP);
	cr_assert_eq(in(&u, UART_MSR), UART_MSR_TERI);
	teardown(&u);
}

Test(legacy_serial, switching_the_fifo_empties_it)
{
	struct uart u;

	setup(&u, "abcdef");
	out(&u, UART_FCR, UART_FCR_ENABLE_FIFO);
	cr_assert_eq(in(&u, UART_RX), 'a');
	out(&u, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	cr_assert_not(in(&u, UART_LSR) & UART_LSR_DR);
	teardown(&u);
}

Test(legacy_serial, wide_and_straddling_accesses)
{
	struct uart u;
	uint32_t value;

	setup(&u, "");
	value = 0xa5;
	cr_assert(bus_write(&u.pio, 0x3f8 + UART_SCR, &value, 1));
	cr_assert(bus_read(&u.pio, 0x3f8 + UART_LSR, &value, 2));
	cr_assert_eq(value & 0xff, UART_LSR_TEMT | UART_LSR_THRE);
	cr_assert_not(bus_read(&u.pio, 0x3f8 + UART_SCR, &value, 4), "beyond the ports");
	cr_assert_eq(value, 0xffffffa5);
	teardown(&u);
}

Test(legacy_serial, few_line_changes)
{
	struct uart u;

	setup(&u, "");
	for (int i = 0; i < 100; i++)
		out(&u, UART_TX, 'x');
	cr_assert_eq(fake_kvm_count(&u.kvm, KVM_IRQ_LINE), 0, "no interrupt is enabled");
	out(&u, UART_IER, UART_IER_THRI);
	for (int i = 0; i < 100; i++)
		out(&u, UART_TX, 'x');
	cr_assert_eq(fake_kvm_count(&u.kvm, KVM_IRQ_LINE), 1);
	teardown(&u);
}

Test(legacy_serial, a_taken_port_is_refused)
{
	struct uart u;
	struct serial *second;
	struct serial_options options = {.name = "serial1", .base = 0x3fa, .gsi = 3};

	setup(&u, "");
	options.bus = &u.pio;
	options.irq = u.irq;
	options.backend = u.backend;
	cr_assert_eq(serial_create(&second, &options), -EEXIST);
	serial_destroy(NULL);
	teardown(&u);
}
