# `cmake --install`: the libraries, their headers under include/trifold, the programs with a prefix, and
# what find_package(trifold) reads.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

get_property(libraries GLOBAL PROPERTY TRIFOLD_LIBRARIES)
set(headers ${CMAKE_INSTALL_INCLUDEDIR}/trifold)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/trifold)

install(TARGETS ${libraries} trifold EXPORT trifold
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        INCLUDES DESTINATION ${headers})
install(EXPORT trifold NAMESPACE trifold:: FILE trifold-targets.cmake DESTINATION ${package})
# Not what the kernels' contracts stand before: the backends, and the choice of one.
foreach(folder kernels engine nn map pruning)
  install(DIRECTORY ${folder} DESTINATION ${headers} FILES_MATCHING PATTERN "*.h"
          PATTERN kernels/cpu EXCLUDE PATTERN kernels/cuda EXCLUDE PATTERN kernels/simt EXCLUDE
          PATTERN backends.h EXCLUDE PATTERN dispatch.h EXCLUDE)
endforeach()
install(FILES ${PROJECT_BINARY_DIR}/generated/trifold/version.h DESTINATION ${headers}/trifold)

configure_package_config_file(.cmake/trifold-config.cmake.in trifold-config.cmake
  INSTALL_DESTINATION ${package} NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(trifold-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES .cmake/dependencies.cmake .cmake/mpi.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/trifold-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/trifold-config-version.cmake DESTINATION ${package})

if(TRIFOLD_PROGRAMS)
  foreach(program train prune evaluate inspect export-model)
    install(PROGRAMS $<TARGET_FILE:${program}> DESTINATION ${CMAKE_INSTALL_BINDIR}
            RENAME trifold-${program})
    if(CMAKE_CROSSCOMPILING)  # what is built can't be asked
      continue()
    endif()
    # What the program says of itself, as a manual page and for the completion of shells, each in the
    # folder and under the name that it is looked for.
    foreach(help
        "man;trifold-${program}.1;${CMAKE_INSTALL_MANDIR}/man1"
        "bash;trifold-${program};${CMAKE_INSTALL_DATADIR}/bash-completion/completions"
        "zsh;_trifold-${program};${CMAKE_INSTALL_DATADIR}/zsh/site-functions"
        "fish;trifold-${program}.fish;${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d")
      list(GET help 0 form)
      list(GET help 1 file)
      list(GET help 2 folder)
      set(page ${PROJECT_BINARY_DIR}/help/${file})
      add_custom_command(OUTPUT ${page} COMMAND ${program} --help-as=${form} > ${page}
                         DEPENDS ${program} VERBATIM)
      list(APPEND help_pages ${page})
      install(FILES ${page} DESTINATION ${folder} OPTIONAL)
    endforeach()
  endforeach()
  file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/help)
  add_custom_target(trifold_help ALL DEPENDS ${help_pages})
endif()
