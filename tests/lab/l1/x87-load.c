/* SPDX-License-Identifier: Apache-2.0 */
/* Loads the x87 and SSE state until it is killed; see long/emulator.sh. */

int main(void)
{
	static _Alignas(16) unsigned char state[512];

	__asm__ volatile("fxsave %0" : "=m"(state));
	for (;;)
		__asm__ volatile("fxrstor %0" : : "m"(state));
}
