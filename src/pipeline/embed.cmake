# SPDX-License-Identifier: Apache-2.0
#
# cmake -DOUT=FILE.c -DHEADER=FILE.h "-DNAMES=NAME=PATH;…" -P embed.cmake
#
# Writes files as arrays of bytes: NAME[] and NAME_size.

set(text "/* Made by embed.cmake. */\n#include \"${HEADER}\"\n")
foreach(pair IN LISTS NAMES)
	string(REGEX REPLACE "^([^=]*)=(.*)$" "\\1;\\2" parts "${pair}")
	list(GET parts 0 name)
	list(GET parts 1 path)
	file(READ "${path}" hex HEX)
	string(LENGTH "${hex}" digits)
	math(EXPR size "${digits} / 2")
	string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
	string(APPEND text "const unsigned char ${name}[] = {${bytes}};\n")
	string(APPEND text "const size_t ${name}_size = ${size};\n")
endforeach()
file(WRITE "${OUT}" "${text}")
