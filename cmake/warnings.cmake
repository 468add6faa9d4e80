# SPDX-License-Identifier: Apache-2.0
add_library(cxvm-warnings INTERFACE)
target_compile_options(cxvm-warnings INTERFACE -Wall -Wextra -Wshadow -Wconversion -fno-strict-aliasing)
# GNU C: a header struct with a flexible array in front of its storage, as the KVM ioctls want it.
target_compile_options(cxvm-warnings INTERFACE $<$<C_COMPILER_ID:Clang>:-Wno-gnu-variable-sized-type-not-at-end>)
if(CXVM_WERROR)
	target_compile_options(cxvm-warnings INTERFACE -Werror)
endif()
if(CXVM_SANITIZE)
	add_compile_options(-fsanitize=${CXVM_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
	add_link_options(-fsanitize=${CXVM_SANITIZE})
endif()
