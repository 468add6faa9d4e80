/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start of every test guest: PVH entry (32-bit, paging off, %ebx = hvm_start_info), identity map of
 * the first 4 GiB, long mode, C. Application processors come through the trampoline at the end.
 */
#define CODE64 0x08
#define CODE32 0x10
#define DATA   0x18

	.section .note.pvh, "a", @note
	.align 4
	.long 4, 4, 18 /* name, descriptor, XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.align 4
	.long start32

	.text
	.code32
	.globl start32
start32:
	cld
	cli
	movl %ebx, start_info
	/* PML4[0] -> PDPT; PDPT[0..3] -> four page directories of 2 MiB pages */
	movl $page_pdpt + 3, page_pml4
	movl $page_pd + 0x0003, page_pdpt
	movl $page_pd + 0x1003, page_pdpt + 8
	movl $page_pd + 0x2003, page_pdpt + 16
	movl $page_pd + 0x3003, page_pdpt + 24
	movl $page_pd, %edi
	movl $0x83, %eax
	movl $2048, %ecx
1:	movl %eax, (%edi)
	addl $0x200000, %eax
	addl $8, %edi
	loop 1b
	lgdt gdt_pointer
	ljmp $CODE32, $1f
1:	movl $bsp_stack_top, %esp
	movl $start64, %esi
	jmp enter_long_mode

/* %esi: where to go on in long mode */
enter_long_mode:
	movl $DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl %cr4, %eax
	orl $0x20, %eax
	movl %eax, %cr4
	movl $page_pml4, %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	rdmsr
	orl $0x100, %eax
	wrmsr
	movl %cr0, %eax
	orl $0x80000001, %eax
	movl %eax, %cr0
	ljmp $CODE64, $1f
	.code64
1:	movl %esi, %esi
	jmp *%rsi

start64:
	lidt idt_pointer(%rip)
	call guest_start
2:	jmp 2b

/* One stub for each vector: all leave the same frame. */
	.altmacro
	.macro stub vector
	.align 16
	.if (\vector == 8) || (\vector == 17) || (\vector == 21) || (\vector >= 10 && \vector <= 14)
	.else
	pushq $0
	.endif
	pushq $\vector
	jmp stub_common
	.endm

	.align 16
	.globl interrupt_stubs
interrupt_stubs:
	.set i, 0
	.rept 256
	stub %i
	.set i, i + 1
	.endr

stub_common:
	pushq %rax
	pushq %rcx
	pushq %rdx
	pushq %rbx
	pushq %rbp
	pushq %rsi
	pushq %rdi
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, %rdi
	cld
	call guest_interrupt
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rdi
	popq %rsi
	popq %rbp
	popq %rbx
	popq %rdx
	popq %rcx
	popq %rax
	addq $16, %rsp
	iretq

/* Copied to AP_TRAMPOLINE; runs there in real mode with %cs = AP_TRAMPOLINE >> 4. */
	.code16
	.globl ap_trampoline
	.globl ap_trampoline_end
ap_trampoline:
	cli
	xorw %ax, %ax
	movw %ax, %ds
	lgdtl 0x8000 + (ap_gdt_pointer - ap_trampoline)
	movl %cr0, %eax
	orl $1, %eax
	movl %eax, %cr0
	ljmpl $CODE32, $ap32
	.align 4
ap_gdt_pointer:
	.word gdt_end - gdt - 1
	.long gdt
ap_trampoline_end:

	.code32
ap32:
	movl $ap64, %esi
	jmp enter_long_mode
	.code64
ap64:
	movl $1, %eax
	lock xaddl %eax, ap_started(%rip)
	/* 4 KiB of stack each */
	incl %eax
	shll $12, %eax
	leaq ap_stacks(%rip), %rsp
	addq %rax, %rsp
	lidt idt_pointer(%rip)
	call guest_ap_start
3:	pause
	jmp 3b

	.data
	.align 16
gdt:
	.quad 0
	.quad 0x00af9b000000ffff
	.quad 0x00cf9b000000ffff
	.quad 0x00cf93000000ffff
gdt_end:
gdt_pointer:
	.word gdt_end - gdt - 1
	.long gdt
	.align 16
idt_pointer:
	.word 256 * 16 - 1
	.quad guest_idt

	.globl ap_started
	.align 4
ap_started:
	.long 0
	.globl start_info
start_info:
	.long 0

	.bss
	.align 4096
	.globl page_pml4
	.globl page_pdpt
page_pml4:
	.skip 4096
page_pdpt:
	.skip 4096
page_pd:
	.skip 4 * 4096
	.skip 16384
bsp_stack_top:
ap_stacks:
	.skip 8 * 4096

	.section .note.GNU-stack, "", @progbits
