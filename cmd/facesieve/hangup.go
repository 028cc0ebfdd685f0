package main

/*
#include <signal.h>
#include <string.h>

// The dynamic linker calls the functions of .preinit_array as soon as it has loaded and bound all libraries, before it
// runs their constructors. This is the first point at which a program that is linked to OpenCV runs its own code. From
// here until the daemon receives signals, SIGHUP would end the process, so it is ignored. No reload is lost, because
// the daemon reads the configuration after it has begun to receive SIGHUP. The other sub-commands end by SIGHUP, as is
// usual for programs in a terminal.
static void facesieve_ignore_hangup(int argc, char** argv, char** environment) {
  (void)environment;
  if (argc > 1 && strcmp(argv[1], "run") == 0) signal(SIGHUP, SIG_IGN);
}

__attribute__((section(".preinit_array"), used))
static void (*const facesieve_at_start)(int, char**, char**) = facesieve_ignore_hangup;
*/
import "C"
