/// A library to preload that lets one call of a program fail, or ends the program at it.
///
/// TRIFOLD_FAULT=KIND:NUMBER:ACTION names the call: the NUMBER-th, counted from 1, of the calls that
/// KIND means; TRIFOLD_FAULT=none is none. TRIFOLD_FAULT_COUNT=FILE has the number of calls written there
/// at the program's end.
///   change   what changes files: open for writing, write, fsync, rename, unlink, mkdir, ...
///   read     what reads files: open for reading, read; not those under /proc and /sys
///   memory   malloc and its relatives
///   thread   pthread_create
///   space    no call: the address space has NUMBER KiB from main on, which mmap, with it malloc and
///            stacks of threads, is refused beyond
/// Actions:
///   kill     SIGKILL instead of the call
///   tear     half of a write, then SIGKILL; else as kill
///   short    half of a write, which is no error; other calls aren't touched
///   full     this call and all later ones of its kind fail, with ENOSPC, or ENOMEM if for memory
///   NAME     EIO, ENOSPC, ENOMEM or EAGAIN: this call alone fails with it
/// The clock that timeouts look at jumps ahead by five seconds at each look: what a program measures
/// or does once a minute is soon over, and the same in every run.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
}

namespace {

enum class Kind { none, change, read, memory, thread, space };
enum class Action { none, kill, tear, short_write, full, error };

struct Fault {
  Kind kind = Kind::none;
  long number = 0;
  Action action = Action::none;
  int error = 0;
};

// Read before main, and without memory, which may be what is counted.
Fault read_fault() {
  Fault fault;
  const char* text = getenv("TRIFOLD_FAULT");
  if (text == nullptr || strcmp(text, "none") == 0) return fault;
  const auto is = [&text](const char* word) {
    const size_t length = strlen(word);
    if (strncmp(text, word, length) != 0) return false;
    text += length;
    return true;
  };
  if (is("change:")) {
    fault.kind = Kind::change;
  } else if (is("read:")) {
    fault.kind = Kind::read;
  } else if (is("memory:")) {
    fault.kind = Kind::memory;
  } else if (is("thread:")) {
    fault.kind = Kind::thread;
  } else if (is("space:")) {
    fault.kind = Kind::space;
  }
  char* end = nullptr;
  fault.number = strtol(text, &end, 10);
  text = end;
  if (is(":kill")) {
    fault.action = Action::kill;
  } else if (is(":tear")) {
    fault.action = Action::tear;
  } else if (is(":short")) {
    fault.action = Action::short_write;
  } else if (is(":full")) {
    fault.action = Action::full;
    fault.error = fault.kind == Kind::memory ? ENOMEM : ENOSPC;
  } else {
    fault.action = Action::error;
    fault.error = is(":EIO")      ? EIO
                  : is(":ENOSPC") ? ENOSPC
                  : is(":ENOMEM") ? ENOMEM
                  : is(":EAGAIN") ? EAGAIN
                                  : 0;
    if (fault.error == 0) abort();  // a fault that doesn't happen would pass every test
  }
  return fault;
}

Fault fault;
std::atomic<long> calls{0};
long first_kib = 0;  // of address space

// What /proc says of this process, such as "VmPeak:"; without memory.
long kib_of(const char* key) {
  char text[4096] = {};
  const int file = open("/proc/self/status", O_RDONLY);
  const ssize_t size = read(file, text, sizeof text - 1);
  close(file);
  const char* const line = size > 0 ? strstr(text, key) : nullptr;
  return line == nullptr ? 0 : strtol(line + strlen(key), nullptr, 10);
}

__attribute__((constructor)) void begin() {
  fault = read_fault();
  if (fault.kind != Kind::space) return;
  first_kib = kib_of("VmSize:");
  const rlim_t most = static_cast<rlim_t>(first_kib + fault.number) * 1024;
  const rlimit limit = {most, most};
  if (fault.number > 0) setrlimit(RLIMIT_AS, &limit);
}

__attribute__((destructor)) void end() {
  const char* const path = getenv("TRIFOLD_FAULT_COUNT");
  const long count = fault.kind == Kind::space ? kib_of("VmPeak:") - first_kib : calls.load();
  fault.kind = Kind::none;
  if (path == nullptr) return;
  const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  char digits[24] = {};
  int at = sizeof digits - 1;
  long left = count;
  do digits[--at] = static_cast<char>('0' + left % 10);
  while ((left /= 10) > 0);
  if (write(file, digits + at, sizeof digits - 1 - static_cast<size_t>(at)) < 0) abort();
  close(file);
}

// What happens to this call: none, unless it is the one.
Action meet(Kind kind) {
  if (kind != fault.kind) return Action::none;
  const long number = ++calls;
  const bool hit = fault.action == Action::full ? number >= fault.number : number == fault.number;
  if (!hit || fault.number == 0) return Action::none;
  if (fault.action == Action::kill) kill(getpid(), SIGKILL);
  if (fault.error != 0) errno = fault.error;
  return fault.action;
}

// The same for calls that aren't writes.
bool fails(Kind kind) {
  const Action action = meet(kind);
  if (action == Action::tear) kill(getpid(), SIGKILL);
  return action == Action::full || action == Action::error;
}

template <class F>
F* next(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

bool is_regular(int file) {
  struct stat status = {};
  return fstat(file, &status) == 0 && S_ISREG(status.st_mode);
}

template <class Write>
ssize_t faulty_write(int file, size_t size, const Write& real) {
  if (!is_regular(file)) return real(size);
  switch (meet(Kind::change)) {
    case Action::tear:
      (void)real(size / 2);
      kill(getpid(), SIGKILL);
      return -1;
    case Action::short_write:
      return real((size + 1) / 2);
    case Action::full:
    case Action::error:
      return -1;
    case Action::none:
    case Action::kill:
      break;
  }
  return real(size);
}

// What the system says of itself may be missing at any time.
bool is_told_by_system(const char* path) {
  return strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/sys/", 5) == 0;
}

bool open_fails(const char* path, bool writes) {
  return !is_told_by_system(path) && fails(writes ? Kind::change : Kind::read);
}

template <class Read>
ssize_t faulty_read(int file, const Read& real) {
  return is_regular(file) && fails(Kind::read) ? -1 : real();
}

}  // namespace

extern "C" {

#define OPEN(name)                                                                       \
  int name(const char* path, int flags, ...) {                                           \
    va_list more;                                                                        \
    va_start(more, flags);                                                               \
    const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0; \
    va_end(more);                                                                        \
    const bool writes = (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) != 0;          \
    if (open_fails(path, writes)) return -1;                                             \
    return next<int(const char*, int, ...)>(#name)(path, flags, mode);                   \
  }
OPEN(open)
OPEN(open64)
#undef OPEN

#define FOPEN(name)                                                  \
  FILE* name(const char* path, const char* mode) {                   \
    if (open_fails(path, strpbrk(mode, "wa+") != NULL)) return NULL; \
    return next<FILE*(const char*, const char*)>(#name)(path, mode); \
  }
FOPEN(fopen)
FOPEN(fopen64)
#undef FOPEN

ssize_t read(int file, void* data, size_t size) {
  return faulty_read(file,
                     [&] { return next<ssize_t(int, void*, size_t)>("read")(file, data, size); });
}

#define PREAD(name)                                                                     \
  ssize_t name(int file, void* data, size_t size, off_t offset) {                       \
    return faulty_read(file, [&] {                                                      \
      return next<ssize_t(int, void*, size_t, off_t)>(#name)(file, data, size, offset); \
    });                                                                                 \
  }
PREAD(pread)
PREAD(pread64)
#undef PREAD

int mkostemps(char* pattern, int suffix, int flags) {
  if (fails(Kind::change)) return -1;
  return next<int(char*, int, int)>("mkostemps")(pattern, suffix, flags);
}

ssize_t write(int file, const void* data, size_t size) {
  return faulty_write(file, size, [&](size_t part) {
    return next<ssize_t(int, const void*, size_t)>("write")(file, data, part);
  });
}

#define PWRITE(name)                                                                          \
  ssize_t name(int file, const void* data, size_t size, off_t offset) {                       \
    return faulty_write(file, size, [&](size_t part) {                                        \
      return next<ssize_t(int, const void*, size_t, off_t)>(#name)(file, data, part, offset); \
    });                                                                                       \
  }
PWRITE(pwrite)
PWRITE(pwrite64)
#undef PWRITE

#define CALL(kind, name, parameters, ...)            \
  int name parameters {                              \
    if (fails(Kind::kind)) return -1;                \
    return next<int parameters>(#name)(__VA_ARGS__); \
  }
CALL(change, fsync, (int file), file)
CALL(change, fdatasync, (int file), file)
CALL(change, fchmod, (int file, mode_t mode), file, mode)
CALL(change, ftruncate, (int file, off_t size), file, size)
CALL(change, ftruncate64, (int file, off_t size), file, size)
CALL(change, rename, (const char* from, const char* to), from, to)
CALL(change, unlink, (const char* path), path)
CALL(change, mkdir, (const char* path, mode_t mode), path, mode)
CALL(change, rmdir, (const char* path), path)
#undef CALL

int clock_gettime(clockid_t clock, timespec* now) {
  static std::atomic<long> looks{0};
  const int result = next<int(clockid_t, timespec*)>("clock_gettime")(clock, now);
  if (clock == CLOCK_MONOTONIC) now->tv_sec += 5 * ++looks;
  return result;
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*body)(void*),
                   void* argument) {
  if (fails(Kind::thread)) return fault.error;
  return next<int(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*)>("pthread_create")(
      thread, attributes, body, argument);
}

void* malloc(size_t size) { return fails(Kind::memory) ? nullptr : __libc_malloc(size); }
void* calloc(size_t count, size_t size) {
  return fails(Kind::memory) ? nullptr : __libc_calloc(count, size);
}
void* realloc(void* block, size_t size) {
  return fails(Kind::memory) ? nullptr : __libc_realloc(block, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  return fails(Kind::memory) ? nullptr : __libc_memalign(alignment, size);
}
int posix_memalign(void** block, size_t alignment, size_t size) {
  if (fails(Kind::memory)) return ENOMEM;
  *block = __libc_memalign(alignment, size);
  return *block == nullptr ? ENOMEM : 0;
}
}
