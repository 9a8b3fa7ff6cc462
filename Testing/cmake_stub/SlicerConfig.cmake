# Stands in for Slicer's CMake package: records what the extension asks Slicer to install and to test.
#
# find_package(Slicer) finds this file with -DSlicer_DIR=<this folder>. The macros take the arguments of
# the real ones, refuse what the real ones refuse, and write one line per file to record.txt in the
# build folder:
#   module|<name>|<folder>|<options>      file|<module>|<source>|<path where it is installed>
#   test|<script>                         extension|<variable>|<value>
#
# `cmake --install` and cpack put the files where Slicer puts them: all modules share one flat folder.

set(Slicer_FOUND TRUE)
set(Slicer_USE_FILE "${CMAKE_CURRENT_LIST_DIR}/UseSlicer.cmake")
set(Slicer_EXTENSION_GENERATE_CONFIG "${CMAKE_CURRENT_LIST_DIR}/ExtensionRecord.cmake")
set(Slicer_EXTENSION_CPACK "${CMAKE_CURRENT_LIST_DIR}/ExtensionPackage.cmake")
set(Slicer_USE_PYTHONQT TRUE)
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR "lib/Slicer-5.12/qt-scripted-modules")
set(MEDIMG_RECORD "${CMAKE_BINARY_DIR}/record.txt")
file(WRITE "${MEDIMG_RECORD}" "")
