/// A library to preload that lets one call of a program fail, or ends the program at it.
///
/// TRIFOLD_FAULT=KIND:NUMBER:ACTION names the call: the NUMBER-th, counted from 1, of the calls that
/// KIND means. TRIFOLD_FAULT_COUNT=FILE has the number of calls written there at the program's end.
///   change   what changes files: open for writing, write, fsync, rename, unlink, mkdir, ...
///   memory   malloc and its relatives
///   map      mmap
///   thread   pthread_create
/// Actions:
///   kill     SIGKILL instead of the call
///   tear     half of a write, then SIGKILL; else as kill
///   short    half of a write, which is no error; other calls aren't touched
///   full     this call and all later ones of its kind fail with ENOSPC
///   NAME     EIO, ENOSPC, ENOMEM or EAGAIN: this call alone fails with it
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>

extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
}

namespace {

enum class Kind { none, change, memory, map, thread };
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
  if (text == nullptr) return fault;
  const auto is = [&text](const char* word) {
    const size_t length = strlen(word);
    if (strncmp(text, word, length) != 0) return false;
    text += length;
    return true;
  };
  if (is("change:")) {
    fault.kind = Kind::change;
  } else if (is("memory:")) {
    fault.kind = Kind::memory;
  } else if (is("map:")) {
    fault.kind = Kind::map;
  } else if (is("thread:")) {
    fault.kind = Kind::thread;
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
    fault.error = ENOSPC;
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

__attribute__((constructor)) void begin() { fault = read_fault(); }

__attribute__((destructor)) void end() {
  const char* const path = getenv("TRIFOLD_FAULT_COUNT");
  const long count = calls.load();
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

bool writes(int flags) { return (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) != 0; }

}  // namespace

extern "C" {

#define OPEN(name)                                                                       \
  int name(const char* path, int flags, ...) {                                           \
    va_list more;                                                                        \
    va_start(more, flags);                                                               \
    const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0; \
    va_end(more);                                                                        \
    if (writes(flags) && fails(Kind::change)) return -1;                                 \
    return next<int(const char*, int, ...)>(#name)(path, flags, mode);                   \
  }
OPEN(open)
OPEN(open64)
#undef OPEN

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

void* mmap(void* address, size_t size, int protection, int flags, int file, off_t offset) {
  if (fails(Kind::map)) return MAP_FAILED;
  return next<void*(void*, size_t, int, int, int, off_t)>("mmap")(address, size, protection, flags,
                                                                  file, offset);
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
