#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct facesieve_worker {
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  facesieve_call* call; // running; NULL: none
  bool ready, failed;   // the thread has started, or cannot
  bool dead, stopping;
  int written; // the read end of standard output and standard error
};

// own_files gives the calling thread, and the threads that it creates, a table of files of their own, in which standard
// output and standard error are a pipe. The process keeps its own, and closing a file there closes it.
static bool own_files(facesieve_worker* w) {
  const unsigned unshare = 1u << 1; // CLOSE_RANGE_UNSHARE, Linux 5.9
  int ends[2];
  if (syscall(SYS_close_range, 3, ~0u, unshare) != 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return false;
  w->written = ends[0];
  return dup2(ends[1], STDOUT_FILENO) >= 0 && dup2(ends[1], STDERR_FILENO) >= 0;
}

// drain moves what was written to log. A full pipe drops lines, so the memory is bounded.
static void drain(facesieve_worker* w, char* log, size_t size) {
  size_t used = 0;
  char part[1024];
  ssize_t n;
  while ((n = read(w->written, part, sizeof part)) > 0) {
    size_t keep = used;
    if (used + (size_t)n >= size) keep = size - 1 - (size_t)n;
    memmove(log, log + used - keep, keep);
    memcpy(log + keep, part, (size_t)n);
    used = keep + (size_t)n;
  }
  log[used] = 0;
}

static void* serve(void* argument) {
  facesieve_worker* w = argument;
  bool ok = own_files(w);
  pthread_mutex_lock(&w->mutex);
  w->ready = true;
  w->failed = !ok;
  pthread_cond_broadcast(&w->changed);
  while (ok) {
    while (!w->stopping && (w->call == NULL || w->call->done)) pthread_cond_wait(&w->changed, &w->mutex);
    if (w->stopping) break;
    facesieve_call* call = w->call;
    pthread_mutex_unlock(&w->mutex);
    call->work(call);
    drain(w, call->log, sizeof call->log);
    pthread_mutex_lock(&w->mutex);
    call->done = true;
    pthread_cond_broadcast(&w->changed);
  }
  pthread_mutex_unlock(&w->mutex);
  return NULL;
}

facesieve_worker* worker_start(void) {
  facesieve_worker* w = calloc(1, sizeof *w);
  if (w == NULL) return NULL;
  pthread_mutex_init(&w->mutex, NULL);
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&w->changed, &attributes);
  pthread_condattr_destroy(&attributes);
  // The thread and those of the driver take no signal: Go's handler needs the files of the process.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  bool started = pthread_create(&w->thread, NULL, serve, w) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (!started) {
    free(w);
    return NULL;
  }
  pthread_mutex_lock(&w->mutex);
  while (!w->ready) pthread_cond_wait(&w->changed, &w->mutex);
  bool failed = w->failed;
  pthread_mutex_unlock(&w->mutex);
  if (!failed) return w;
  worker_stop(w);
  return NULL;
}

bool worker_perform(facesieve_worker* w, facesieve_call* call, int limit) {
  pthread_mutex_lock(&w->mutex);
  while (w->call != NULL && !w->dead) pthread_cond_wait(&w->changed, &w->mutex);
  if (!w->dead) {
    call->done = false;
    w->call = call;
    pthread_cond_broadcast(&w->changed);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += limit / 1000;
    until.tv_nsec += limit % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) until.tv_sec++, until.tv_nsec -= 1000000000L;
    while (!call->done && pthread_cond_timedwait(&w->changed, &w->mutex, &until) != ETIMEDOUT) {
    }
    w->dead = !call->done;
    w->call = NULL;
    pthread_cond_broadcast(&w->changed);
  }
  bool answered = !w->dead;
  pthread_mutex_unlock(&w->mutex);
  return answered;
}

void worker_stop(facesieve_worker* w) {
  pthread_mutex_lock(&w->mutex);
  bool dead = w->dead;
  w->stopping = true;
  pthread_cond_broadcast(&w->changed);
  pthread_mutex_unlock(&w->mutex);
  if (dead) return;
  pthread_join(w->thread, NULL);
  pthread_cond_destroy(&w->changed);
  pthread_mutex_destroy(&w->mutex);
  free(w);
}
