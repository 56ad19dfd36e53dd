# Tests that kill processes, and the same tests built without one rule of the design: those must see
# the store break, or the test proves nothing.
set(ZCX_CRASH_TIMEOUT 600) # seconds; most need a tenth, a busy machine more

# zcx_crash_test(<noun> [LABELS <label> ...])
function(zcx_crash_test noun)
    zcx_test(${noun} ${ARGN})
    set_tests_properties(${noun} PROPERTIES TIMEOUT ${ZCX_CRASH_TIMEOUT})
endfunction()

# zcx_test_without(<rule> <noun> [<source that replaces core's of the name> <name>.c]): <noun>'s test,
# told by ZCX_WITHOUT_<RULE> that it has to fail.
function(zcx_test_without rule noun)
    set(name ${noun}_without_${rule})
    string(TOUPPER ${rule} definition)
    add_executable(${name}_test c/${noun}_test.c ${ARGV2})
    if(ARGC GREATER 2)
        string(REPLACE "." "\\." replaced "/${ARGV3}.o$")
        target_sources(${name}_test PRIVATE
            "$<FILTER:$<TARGET_OBJECTS:zcx_core>,EXCLUDE,${replaced}>")
        target_include_directories(${name}_test PRIVATE
            $<TARGET_PROPERTY:zcx_core,INTERFACE_INCLUDE_DIRECTORIES>)
        target_link_libraries(${name}_test PRIVATE
            $<TARGET_PROPERTY:zcx_core,INTERFACE_LINK_LIBRARIES> PkgConfig::CMOCKA)
    else()
        target_link_libraries(${name}_test PRIVATE zcx_core PkgConfig::CMOCKA)
    endif()
    target_compile_definitions(${name}_test PRIVATE
        ZCX_VERSION="${PROJECT_VERSION}" ZCX_WITHOUT_${definition})
    add_test(NAME ${name} COMMAND ${name}_test)
    set_tests_properties(${name} PROPERTIES TIMEOUT ${ZCX_CRASH_TIMEOUT} SKIP_RETURN_CODE 77)
endfunction()

zcx_crash_test(lock)
zcx_crash_test(step)
zcx_crash_test(crash)
zcx_crash_test(recovery)
zcx_crash_test(mutated)
zcx_crash_test(concurrency LABELS threads)
target_link_options(concurrency_test PRIVATE -Wl,--wrap=zcxi_env_locate)
zcx_test_without(meta_guard step)
target_link_options(step_without_meta_guard_test PRIVATE -Wl,--wrap=zcxi_meta_guard)

foreach(rule pins generations)
    zcx_test_without(${rule} concurrency c/view_without.c view.c)
    target_link_options(concurrency_without_${rule}_test PRIVATE -Wl,--wrap=zcxi_env_locate)
endforeach()
