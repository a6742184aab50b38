/* Preloaded into the daemon: each allocation marks itself with a system call that the daemon never makes, so that
 * strace counts them, and with -k says where they come from. For glibc, whose own functions have these second names. */
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static void mark(void) { syscall(SYS_getpgid, 0); }

void *malloc(size_t size) { mark(); return __libc_malloc(size); }
void *calloc(size_t count, size_t size) { mark(); return __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { mark(); return __libc_realloc(old, size); }
void *memalign(size_t align, size_t size) { mark(); return __libc_memalign(align, size); }
void *aligned_alloc(size_t align, size_t size) { mark(); return __libc_memalign(align, size); }
int posix_memalign(void **to, size_t align, size_t size) { mark(); *to = __libc_memalign(align, size); return *to ? 0 : 12; }
