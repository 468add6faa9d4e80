/* SPDX-License-Identifier: Apache-2.0 */
/* Not built: a call that the floor below does not offer must not link. */
#include <stddef.h>

void pci_root_destroy(void *root);

int main(void)
{
	pci_root_destroy(NULL);
	return 0;
}
