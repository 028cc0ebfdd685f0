// A thread that makes all calls of a library, with standard output and standard error of its own.
#ifndef FACESIEVE_WORKER_H
#define FACESIEVE_WORKER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct facesieve_worker facesieve_worker;

// facesieve_call is one call, on the heap. perform owns it while the library may use it.
typedef struct facesieve_call {
  void (*work)(struct facesieve_call*);
  bool done;
  char log[4096]; // what was written to standard output and standard error meanwhile, its end if it is longer
} facesieve_call;

// worker_start returns NULL if there is no memory, thread or file for it.
facesieve_worker* worker_start(void);

// worker_perform runs call->work on the thread, after the calls that wait already. It returns false if the call did not
// return within limit milliseconds; from then on it always does so at once. The call is then never to be freed.
bool worker_perform(facesieve_worker* w, facesieve_call* call, int limit);

// worker_stop ends the thread, and frees the worker. A thread that does not answer stays.
void worker_stop(facesieve_worker* w);

#endif
