# SPDX-License-Identifier: Apache-2.0
# Rooms (docs/architecture.md). A room sees, when it is compiled and when its tests are linked, only itself and the rooms that it
# names, and what those name: an arrow upwards does not compile and does not link.
#
#   cxvm_room(NAME FOLDER... [PRIVATE FOLDER...] [USES ROOM...] [LIBRARIES TARGET...] [PUBLIC_HEADER])
#
# FOLDER   its sources and headers, not those of folders below
# PRIVATE  folders whose headers nobody else sees
# USES     the rooms below that it may include and call; defined before
# PUBLIC_HEADER  it may include <cxvm/cxvm.h>; everybody sees include/wire
#
# Makes room-NAME, its objects (all of them together are the library), and floor-NAME, a static library of it and of what it uses,
# for its tests.
set_property(GLOBAL PROPERTY CXVM_ROOMS "")

# One link per header, so that a folder below, or a header that is not this room's business, is not there.
function(cxvm_room_view view)
	foreach(header IN LISTS ARGN)
		set(link ${view}/${header})
		string(REGEX REPLACE "/include/" "/" link ${link})
		if(NOT EXISTS ${link})
			get_filename_component(folder ${link} DIRECTORY)
			file(MAKE_DIRECTORY ${folder})
			file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${header} ${link} SYMBOLIC)
		endif()
	endforeach()
endfunction()

function(cxvm_room name)
	cmake_parse_arguments(ROOM "PUBLIC_HEADER" "" "PRIVATE;USES;LIBRARIES" ${ARGN})
	set(sources "")
	set(headers "")
	set(own "")
	foreach(folder IN LISTS ROOM_UNPARSED_ARGUMENTS ROOM_PRIVATE)
		file(GLOB found CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.c)
		list(APPEND sources ${found})
	endforeach()
	foreach(folder IN LISTS ROOM_UNPARSED_ARGUMENTS)
		file(GLOB found RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.h)
		list(APPEND headers ${found})
	endforeach()
	foreach(folder IN LISTS ROOM_PRIVATE)
		file(GLOB found RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.h)
		list(APPEND own ${found})
	endforeach()
	file(GLOB wire RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/wire/*.h)
	list(APPEND own ${wire})
	if(ROOM_PUBLIC_HEADER)
		list(APPEND own include/cxvm/cxvm.h)
	endif()

	# What it uses, and what that uses.
	set(below "")
	foreach(used IN LISTS ROOM_USES)
		if(NOT TARGET room-${used})
			message(FATAL_ERROR "room ${name} uses ${used}, which is not a room below it: define it earlier, or look at docs/architecture.md")
		endif()
		get_target_property(further room-${used} CXVM_BELOW)
		list(APPEND below ${used} ${further})
	endforeach()
	list(REMOVE_DUPLICATES below)
	list(REMOVE_ITEM below "")
	foreach(used IN LISTS below)
		get_target_property(found room-${used} CXVM_HEADERS)
		list(APPEND own ${found})
	endforeach()
	set(view ${PROJECT_BINARY_DIR}/rooms/${name})
	file(REMOVE_RECURSE ${view}) # what has moved away must not be found any more
	cxvm_room_view(${view} ${headers} ${own})

	add_library(room-${name} OBJECT ${sources})
	set_target_properties(room-${name} PROPERTIES CXVM_BELOW "${below}" CXVM_HEADERS "${headers}")
	target_include_directories(room-${name} PRIVATE ${view})
	target_compile_definitions(room-${name} PRIVATE _GNU_SOURCE)
	target_link_libraries(room-${name} PRIVATE cxvm-warnings Threads::Threads ${ROOM_LIBRARIES})

	add_library(floor-${name} STATIC EXCLUDE_FROM_ALL $<TARGET_OBJECTS:room-${name}>)
	target_link_libraries(floor-${name} INTERFACE ${ROOM_LIBRARIES} Threads::Threads)
	foreach(used IN LISTS ROOM_USES)
		target_link_libraries(floor-${name} INTERFACE floor-${used})
	endforeach()
	set_property(GLOBAL APPEND PROPERTY CXVM_ROOMS room-${name})
	set_property(GLOBAL APPEND PROPERTY CXVM_ROOM_NAMES ${name})
endfunction()
