// A Vulkan driver for tests: the one in FACESIEVE_TEST_DRIVER, whose GPU stops to answer while the file in
// FACESIEVE_TEST_HANG exists: it accepts work and never does it.
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef void (*Function)(void);
typedef Function (*Lookup)(void* handle, const char* name);
typedef int (*Submit)(void* queue, uint32_t count, const void* work, void* fence);

static Submit submit, submit2;
static Lookup device_lookup;

static int hangs(void) {
  const char* file = getenv("FACESIEVE_TEST_HANG");
  return file != NULL && access(file, F_OK) == 0;
}

static int test_submit(void* queue, uint32_t count, const void* work, void* fence) {
  return hangs() ? 0 : submit(queue, count, work, fence);
}

static int test_submit2(void* queue, uint32_t count, const void* work, void* fence) {
  return hangs() ? 0 : submit2(queue, count, work, fence);
}

static Function replace(const char* name, Function found) {
  if (found == NULL) return NULL;
  if (strcmp(name, "vkQueueSubmit") == 0) {
    submit = (Submit)found;
    return (Function)test_submit;
  }
  if (strcmp(name, "vkQueueSubmit2") == 0 || strcmp(name, "vkQueueSubmit2KHR") == 0) {
    submit2 = (Submit)found;
    return (Function)test_submit2;
  }
  return found;
}

static Function test_device_lookup(void* device, const char* name) { return replace(name, device_lookup(device, name)); }

static void* driver(void) { return dlopen(getenv("FACESIEVE_TEST_DRIVER"), RTLD_NOW | RTLD_LOCAL); }

Function vk_icdGetInstanceProcAddr(void* instance, const char* name) {
  Function found = ((Lookup)dlsym(driver(), "vk_icdGetInstanceProcAddr"))(instance, name);
  if (found != NULL && strcmp(name, "vkGetDeviceProcAddr") == 0) {
    device_lookup = (Lookup)found;
    return (Function)test_device_lookup;
  }
  return replace(name, found);
}

Function vk_icdGetPhysicalDeviceProcAddr(void* instance, const char* name) {
  Lookup lookup = (Lookup)dlsym(driver(), "vk_icdGetPhysicalDeviceProcAddr");
  return lookup == NULL ? NULL : lookup(instance, name);
}

int vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t* version) {
  return ((int (*)(uint32_t*))dlsym(driver(), "vk_icdNegotiateLoaderICDInterfaceVersion"))(version);
}
