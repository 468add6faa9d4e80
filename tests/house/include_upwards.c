/* SPDX-License-Identifier: Apache-2.0 */
/* Not built: tests/house/CMakeLists.txt shows that it compiles where it may, and nowhere below. */
#include "passthrough/device/passthrough.h"
