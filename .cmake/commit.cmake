# Writes what commit SOURCE is at to the header OUT, where that changed: run by every build.
set(commit "")
if(EXISTS ${SOURCE}/.git)  # not that of a repository around a copy of this tree
  execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --exclude=* --abbrev=12
                  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT [[
/// The commit that was built, "-dirty" behind it where files differ from it; empty where none is known.
#pragma once

#define TRIFOLD_COMMIT "@commit@"
]] @ONLY)
