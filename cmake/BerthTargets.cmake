# berth_layer(<name> [USES <layer>...] [LINKS <library>...])
#
# One folder of src/ is one static library, berth_<name>, made of all its .cpp files. Files named *_test.cpp become the
# test program berth_<name>_test, *_bench.cpp the benchmark berth_<name>_bench; neither enters the library.
function(berth_layer name)
  cmake_parse_arguments(ARG "" "" "USES;LINKS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  set(tests ${sources})
  set(benches ${sources})
  list(FILTER sources EXCLUDE REGEX "_(test|bench|fuzz)\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  list(FILTER benches INCLUDE REGEX "_bench\\.cpp$")

  if(sources)
    add_library(berth_${name} STATIC ${sources})
    set(scope PUBLIC)
  else()
    add_library(berth_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  list(TRANSFORM ARG_USES PREPEND berth_)
  target_link_libraries(berth_${name} ${scope} berth_options ${ARG_USES} ${ARG_LINKS})

  if(tests)
    berth_test(berth_${name}_test SOURCES ${tests} LINKS berth_${name})
  endif()
  if(benches AND BERTH_BENCH)
    find_package(benchmark REQUIRED)
    add_executable(berth_${name}_bench ${benches})
    target_link_libraries(berth_${name}_bench PRIVATE berth_${name} benchmark::benchmark_main)
    add_dependencies(berth_benches berth_${name}_bench)
  endif()
endfunction()

# berth_test(<name> SOURCES <file>... LINKS <library>... [LABELS <label>...] [TIMEOUT <seconds>])
#
# A GoogleTest program, one ctest entry. Labels: unit (the default) needs nothing but itself; sim is the simulator;
# integration needs real programs (Open vSwitch, OVN) and says so when they are missing.
function(berth_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LINKS;LABELS" ${ARGN})
  find_package(GTest REQUIRED)
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINKS} GTest::gmock GTest::gtest_main)
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT}
    ENVIRONMENT "BERTH_BIN_DIR=${CMAKE_RUNTIME_OUTPUT_DIRECTORY};BERTH_SOURCE_DIR=${PROJECT_SOURCE_DIR}")
endfunction()

# berth_program(<name> SOURCES <file>... LINKS <library>...): an executable in build/bin.
function(berth_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE berth_options ${ARG_LINKS})
endfunction()
