/* Faults for a program that is not told of them: disks that refuse or are slow, a clock that jumps.
 *
 * Preloaded into the real `ithaca`. What goes wrong stands in a file that both sides map, so that a test changes it
 * while the program runs; `crates/chaos/src/faults.rs` has the same table of slots. Only files below one folder are
 * touched. It is C because a preloaded library must bring nothing of its own: no allocator, no runtime.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum slot { CLOCK_SHIFT_NS, SYNC_ERRNO, WRITE_ERRNO, FILES, LEFT, SYNC_DELAY_US, HITS, IS_TORN, SLOTS };
enum files { ENGINE = 1, TABLES = 2, OTHERS = 4 };

static _Atomic int64_t *slots;
static const char *folder;

__attribute__((constructor)) static void open_slots(void) {
    const char *path = getenv("CHAOS_FAULTS");
    folder = getenv("CHAOS_FOLDER");
    int fd = path && folder ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *map = mmap(NULL, SLOTS * sizeof *slots, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED)
        slots = map;
}

static int64_t slot(enum slot which) { return slots ? atomic_load(&slots[which]) : 0; }

/* Is this one of the files that are to fail? */
static int is_meant(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    if (strncmp(path, folder, strlen(folder)) != 0)
        return 0;
    int kind = strstr(path, "/ithaca.db") ? ENGINE : strstr(path, "/dynamodb.db") ? TABLES : OTHERS;
    return (slot(FILES) & kind) != 0;
}

/* The number of the error to fail with now, or 0. A fault with a count heals when it is used up. */
static int fault(enum slot which, int fd) {
    int error = (int)slot(which);
    if (error == 0 || !is_meant(fd))
        return 0;
    int64_t left = slot(LEFT);
    if (left > 0 && atomic_fetch_sub(&slots[LEFT], 1) == 1)
        atomic_store(&slots[which], 0);
    atomic_fetch_add(&slots[HITS], 1);
    return error;
}

#define NEXT(name) \
    static __typeof__(&name) next; \
    if (!next) \
        next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define SYNC(name) \
    int name(int fd) { \
        NEXT(name); \
        int64_t delay = slot(SYNC_DELAY_US); \
        if (delay > 0 && is_meant(fd)) { \
            struct timespec pause = {delay / 1000000, delay % 1000000 * 1000}; \
            nanosleep(&pause, NULL); \
        } \
        int error = fault(SYNC_ERRNO, fd); \
        if (error) { \
            errno = error; \
            return -1; \
        } \
        return next(fd); \
    }
SYNC(fsync)
SYNC(fdatasync)

/* A torn write leaves its first half. */
#define WRITE(name, parameters, whole, half) \
    ssize_t name parameters { \
        NEXT(name); \
        int error = fault(WRITE_ERRNO, fd); \
        if (!error) \
            return next whole; \
        if (slot(IS_TORN)) \
            (void)!next half; \
        errno = error; \
        return -1; \
    }
WRITE(write, (int fd, const void *bytes, size_t count), (fd, bytes, count), (fd, bytes, count / 2))
WRITE(pwrite, (int fd, const void *bytes, size_t count, off_t at), (fd, bytes, count, at), (fd, bytes, count / 2, at))
WRITE(pwrite64, (int fd, const void *bytes, size_t count, off64_t at), (fd, bytes, count, at), (fd, bytes, count / 2, at))
WRITE(writev, (int fd, const struct iovec *parts, int count), (fd, parts, count), (fd, parts, count / 2))

/* Only the wall clock jumps; nobody can set back the monotonic one. */
int clock_gettime(clockid_t clock, struct timespec *now) {
    NEXT(clock_gettime);
    int outcome = next(clock, now);
    int64_t shift = slot(CLOCK_SHIFT_NS);
    if (outcome == 0 && shift != 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t at = now->tv_sec * 1000000000LL + now->tv_nsec + shift;
        now->tv_sec = at / 1000000000LL;
        now->tv_nsec = at % 1000000000LL;
    }
    return outcome;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    now->tv_sec = at.tv_sec;
    now->tv_usec = at.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    if (out)
        *out = at.tv_sec;
    return at.tv_sec;
}
