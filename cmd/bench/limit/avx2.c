// A library to preload: it removes AVX-512, VNNI and AMX from what CPUID reports, so that the other libraries of the
// process choose their kernels for AVX2. The processor must be able to fault on CPUID.
//
// In a program with TensorFlow Lite it is only for XNNPACK, which reads CPUID once: Go handles SIGSEGV itself later.
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <cpuid.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static long set_faults(int on) { return syscall(SYS_arch_prctl, ARCH_SET_CPUID, !on); }

static void emulate_cpuid(int signal_number, siginfo_t* info, void* context) {
  (void)info;
  greg_t* registers = ((ucontext_t*)context)->uc_mcontext.gregs;
  const uint8_t* instruction = (const uint8_t*)registers[REG_RIP];
  if (instruction[0] != 0x0f || instruction[1] != 0xa2) {  // another fault: it is raised again, and ends the process
    signal(signal_number, SIG_DFL);
    return;
  }
  const uint32_t leaf = registers[REG_RAX], sub = registers[REG_RCX];
  uint32_t a, b, c, d;
  set_faults(0);
  __cpuid_count(leaf, sub, a, b, c, d);
  set_faults(1);
  if (leaf == 7 && sub == 0) {
    b &= ~(1u << 16 | 1u << 17 | 1u << 21 | 1u << 28 | 1u << 30 | 1u << 31);  // AVX-512 F, DQ, IFMA, CD, BW, VL
    c &= ~(1u << 1 | 1u << 6 | 1u << 11 | 1u << 12 | 1u << 14);  // AVX-512 VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ
    d &= ~(1u << 8 | 1u << 22 | 1u << 23 | 1u << 24 | 1u << 25);  // VP2INTERSECT, AMX BF16, AVX-512 FP16, AMX TILE, INT8
  } else if (leaf == 7 && sub == 1) {
    a &= ~(1u << 4 | 1u << 5 | 1u << 21 | 1u << 23);   // AVX VNNI, AVX-512 BF16, AMX FP16, AVX IFMA
    d &= ~(1u << 4 | 1u << 5 | 1u << 10 | 1u << 19);   // AVX VNNI INT8, NE CONVERT, VNNI INT16, AVX10
  }
  registers[REG_RAX] = a;
  registers[REG_RBX] = b;
  registers[REG_RCX] = c;
  registers[REG_RDX] = d;
  registers[REG_RIP] += 2;
}

__attribute__((constructor)) static void limit(void) {
  struct sigaction action = {.sa_sigaction = emulate_cpuid, .sa_flags = SA_SIGINFO | SA_NODEFER};
  struct sigaction before;
  sigaction(SIGSEGV, &action, &before);
  if (set_faults(1) != 0) {
    fprintf(stderr, "the processor, or its hypervisor, cannot fault on CPUID\n");
    _exit(1);
  }
  void* (*create)(const void*) = dlsym(RTLD_DEFAULT, "TfLiteXNNPackDelegateCreate");
  void (*delete)(void*) = dlsym(RTLD_DEFAULT, "TfLiteXNNPackDelegateDelete");
  if (create != NULL && delete != NULL) {
    delete(create(NULL));
    set_faults(0);
    sigaction(SIGSEGV, &before, NULL);
  }
}
