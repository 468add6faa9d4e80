# SPDX-License-Identifier: Apache-2.0
# Writes LIST, a CTest script with each test that PROGRAM lists. Run by criterion_tests().
# Criterion ends with status 0 when a test skips itself, and says nothing of it but that it tested nothing.
execute_process(COMMAND ${PROGRAM} --list OUTPUT_VARIABLE text RESULT_VARIABLE result ERROR_VARIABLE error)
if(NOT result EQUAL 0)
	message(FATAL_ERROR "${PROGRAM} --list failed (${result}): ${error}")
endif()
# "suite: 2 tests", then a line for each of them with a name behind lines of a drawing.
string(REGEX REPLACE "\n" ";" lines "${text}")
set(script "")
foreach(line IN LISTS lines)
	if(line MATCHES "^([A-Za-z0-9_]+): [0-9]+ tests?")
		set(suite ${CMAKE_MATCH_1})
	elseif(line MATCHES "([A-Za-z0-9_]+)$")
		set(test ${CMAKE_MATCH_1})
		string(APPEND script "add_test([=[${NAME}/${suite}/${test}]=] [=[${PROGRAM}]=] --filter [=[${suite}/${test}]=])\n"
			"set_tests_properties([=[${NAME}/${suite}/${test}]=] PROPERTIES TIMEOUT ${TIMEOUT} LABELS [=[${LABELS}]=]"
			" ENVIRONMENT [=[LSAN_OPTIONS=suppressions=${SUPPRESSIONS}/lsan.supp;TSAN_OPTIONS=suppressions=${SUPPRESSIONS}/tsan.supp]=] SKIP_REGULAR_EXPRESSION [=[Tested: 0 [|]]=])\n")
	endif()
endforeach()
file(WRITE ${LIST} "${script}")
