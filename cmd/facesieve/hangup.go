package main

/*
#include <signal.h>
#include <string.h>

// The dynamic linker calls the functions of .preinit_array as soon as it has loaded and bound all libraries, before it
// runs their constructors: the first point at which a program that is linked to OpenCV runs code of its own. From here
// until the Go runtime has started and the daemon receives SIGHUP, that signal would end the process. It is ignored
// instead, which loses no reload: the configuration is read after the daemon has begun to receive it. The other
// sub-commands end by SIGHUP, as a terminal expects of what runs in it.
static void facesieve_ignore_hangup(int argc, char** argv, char** environment) {
  (void)environment;
  if (argc > 1 && strcmp(argv[1], "run") == 0) signal(SIGHUP, SIG_IGN);
}

__attribute__((section(".preinit_array"), used))
static void (*const facesieve_at_start)(int, char**, char**) = facesieve_ignore_hangup;
*/
import "C"
