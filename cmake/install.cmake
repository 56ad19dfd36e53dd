# What `cmake --install` gives: headers, library, command, man page, pkg-config file, CMake package.
include(CMakePackageConfigHelpers)

set_target_properties(zcx PROPERTIES LINK_DEPENDS ${PROJECT_SOURCE_DIR}/core/zcx.map)
target_link_options(zcx PRIVATE
    -Wl,--version-script=${PROJECT_SOURCE_DIR}/core/zcx.map -Wl,--no-undefined)

install(TARGETS zcx EXPORT zcx
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY core/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(TARGETS zcx-command RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS zcx-sweeper RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/zcx)
install(FILES command/zcx.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)

# The unit names the command by its full path, and that is known when it is installed.
install(CODE "
    set(ZCX_BINDIR \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\")
    configure_file(\"${PROJECT_SOURCE_DIR}/command/zcx-sweep@.service.in\"
        \"${PROJECT_BINARY_DIR}/zcx-sweep@.service\" @ONLY)
    file(INSTALL \"${PROJECT_BINARY_DIR}/zcx-sweep@.service\"
        DESTINATION \"\${CMAKE_INSTALL_PREFIX}/lib/systemd/system\")")

install(DIRECTORY bindings/rust/zcx-sys bindings/rust/zcx-plugin bindings/rust/zcx
    bindings/rust/zcx-serde bindings/rust/zcx-arrow DESTINATION ${CMAKE_INSTALL_DATADIR}/zcx/rust
    PATTERN "target" EXCLUDE PATTERN "tests" EXCLUDE PATTERN "Cargo.lock" EXCLUDE)

set(ZCX_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/zcx)
install(EXPORT zcx NAMESPACE zcx:: FILE zcxTargets.cmake DESTINATION ${ZCX_PACKAGE_DIR})
configure_package_config_file(cmake/zcxConfig.cmake.in ${PROJECT_BINARY_DIR}/zcxConfig.cmake
    INSTALL_DESTINATION ${ZCX_PACKAGE_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/zcxConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/zcxConfig.cmake ${PROJECT_BINARY_DIR}/zcxConfigVersion.cmake
    DESTINATION ${ZCX_PACKAGE_DIR})

# The prefix is found from the file's own place, so an installed tree may be moved.
file(RELATIVE_PATH ZCX_PC_PREFIX
    ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/zcx.pc.in ${PROJECT_BINARY_DIR}/zcx.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/zcx.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
