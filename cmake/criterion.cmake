# SPDX-License-Identifier: Apache-2.0
# criterion_tests(PROGRAM [LABELS LABEL...] [TIMEOUT SECONDS]): each test of a Criterion program is one CTest test, named
# PROGRAM/suite/test. The program says which there are, when it has been built.
function(criterion_tests program)
	cmake_parse_arguments(TESTS "" "TIMEOUT" "LABELS" ${ARGN})
	if(NOT TESTS_TIMEOUT)
		set(TESTS_TIMEOUT 120)
	endif()
	set(list ${CMAKE_CURRENT_BINARY_DIR}/${program}-tests.cmake)
	set_property(TARGET ${program} APPEND PROPERTY LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/criterion-list.cmake)
	add_custom_command(TARGET ${program} POST_BUILD
		COMMAND ${CMAKE_COMMAND} -D PROGRAM=$<TARGET_FILE:${program}> -D NAME=${program} -D LIST=${list}
			-D TIMEOUT=${TESTS_TIMEOUT} "-D LABELS=${TESTS_LABELS}" -D "SUPPRESSIONS=${PROJECT_SOURCE_DIR}/tests"
			-P ${PROJECT_SOURCE_DIR}/cmake/criterion-list.cmake
		BYPRODUCTS ${list} VERBATIM)
	# Not built yet: a test that says so, instead of none.
	set(wrapper ${CMAKE_CURRENT_BINARY_DIR}/${program}-include.cmake)
	file(WRITE ${wrapper} "if(EXISTS \"${list}\")\n\tinclude(\"${list}\")\nelse()\n\tadd_test(${program}-is-not-built false)\nendif()\n")
	set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${wrapper})
endfunction()
