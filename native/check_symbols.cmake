# cmake -DNM=nm -DOBJECTS=a.o;b.o -DLEVEL=FATAL_ERROR -P check_symbols.cmake: no object defines a weak function.
#
# Each instruction set's kernel is compiled with its own flags. Of functions of one name that are weak, as inline ones
# and instances of templates are, the linker keeps a single copy for all: were it the one for AVX-512, a machine with
# AVX2 alone would crash in it. Such a function belongs in the unnamed namespace of kernel.inl.h, or in a .cpp.
# Weak data, such as DW.ref.__gxx_personality_v0, is the same in all of them.
foreach(object IN LISTS OBJECTS)
  execute_process(COMMAND ${NM} -C --defined-only ${object} OUTPUT_VARIABLE symbols ERROR_VARIABLE reason
                  RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "${NM} cannot read ${object}: ${reason}")
  endif()
  string(REGEX MATCHALL " W [^\n]+" weak "${symbols}")
  if(weak)
    list(JOIN weak "\n " shown)
    message(${LEVEL} "${object} defines weak functions:\n ${shown}\n"
                     "move them into the unnamed namespace of kernel.inl.h or into a .cpp; see check_symbols.cmake")
  endif()
endforeach()
