#include "shm/table.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART_ALIGN UINT64_C(64)

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2,
               "a lock of the compiler's own would not be shared between processes");

/* No layout can overflow 64 bits: counts have 32, structs far fewer than 2^16 bytes. */
static uint64_t aligned(uint64_t offset)
{
    return (offset + PART_ALIGN - 1) & ~(PART_ALIGN - 1);
}

static uint64_t seat_backends_at(uint32_t n_listeners)
{
    return aligned(aligned(sizeof(struct shm_seat)) +
                   (uint64_t)n_listeners * sizeof(struct shm_listener_cell));
}

static uint64_t seat_pools_at(uint32_t max_backends, uint32_t n_listeners)
{
    return aligned(seat_backends_at(n_listeners) + (uint64_t)max_backends * sizeof(struct shm_backend_cell));
}

static uint64_t seat_end(uint32_t max_backends, uint32_t n_listeners)
{
    return aligned(seat_pools_at(max_backends, n_listeners) + SHM_POOLS_MAX * sizeof(struct shm_pool_cell));
}

static uint64_t retired_at(uint32_t max_backends)
{
    return aligned(aligned(sizeof(struct shm_supervisor)) +
                   (uint64_t)max_backends * sizeof(struct shm_backend));
}

static size_t checked(uint64_t bytes)
{
    return bytes <= PTRDIFF_MAX ? (size_t)bytes : 0;
}

size_t shm_supervisor_bytes(uint32_t max_backends, uint32_t n_listeners)
{
    return checked(retired_at(max_backends) + seat_end(max_backends, n_listeners));
}

size_t shm_director_bytes(uint32_t max_backends)
{
    return checked(
        aligned(aligned(sizeof(struct shm_director)) + (uint64_t)max_backends * sizeof(struct shm_health)));
}

size_t shm_seat_bytes(uint32_t max_backends, uint32_t n_listeners)
{
    return checked(seat_end(max_backends, n_listeners));
}

int shm_make(const char *name, size_t bytes)
{
    if (bytes == 0 || bytes > PTRDIFF_MAX) {
        errno = EINVAL;
        return -1;
    }
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    if (fchmod(fd, 0600) < 0 || ftruncate(fd, (off_t)bytes) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

int shm_readonly(int fd)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, O_RDONLY | O_CLOEXEC);
}

void *shm_map(int fd, size_t bytes, bool writable)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return NULL;
    if (bytes == 0 || st.st_size < 0 || (uint64_t)st.st_size != bytes) {
        errno = EINVAL;
        return NULL;
    }
    void *p = mmap(NULL, bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
    return p == MAP_FAILED ? NULL : p;
}

void shm_init_supervisor(struct shm *s, uint64_t started_ms, uint64_t started_real_ms)
{
    struct shm_supervisor *v = s->supervisor;
    v->max_backends = s->max_backends;
    v->n_listeners = s->n_listeners;
    v->n_seats = s->n_seats;
    shm_set(&v->started_ms, started_ms);
    shm_set(&v->started_real_ms, started_real_ms);
    shm_set(&v->generation, 1);
    v->version = SHM_VERSION;
    shm_retired(s)->version = SHM_VERSION;
}

static void *part(void *base, uint64_t offset, uint64_t index, size_t size)
{
    return (char *)base + offset + index * size;
}

struct shm_backend *shm_backend(const struct shm *s, uint32_t slot)
{
    if (slot >= s->max_backends)
        return NULL;
    return part(s->supervisor, aligned(sizeof(struct shm_supervisor)), slot, sizeof(struct shm_backend));
}

struct shm_health *shm_health(const struct shm *s, uint32_t slot)
{
    if (!s->director || slot >= s->max_backends)
        return NULL;
    return part(s->director, aligned(sizeof(struct shm_director)), slot, sizeof(struct shm_health));
}

struct shm_listener_cell *shm_listener_cell(const struct shm *s, struct shm_seat *seat, uint32_t listener)
{
    if (listener >= s->n_listeners)
        return NULL;
    return part(seat, aligned(sizeof(struct shm_seat)), listener, sizeof(struct shm_listener_cell));
}

struct shm_backend_cell *shm_backend_cell(const struct shm *s, struct shm_seat *seat, uint32_t slot)
{
    if (slot >= s->max_backends)
        return NULL;
    return part(seat, seat_backends_at(s->n_listeners), slot, sizeof(struct shm_backend_cell));
}

struct shm_pool_cell *shm_pool_cell(const struct shm *s, struct shm_seat *seat, uint32_t pool)
{
    if (pool >= SHM_POOLS_MAX)
        return NULL;
    return part(seat, seat_pools_at(s->max_backends, s->n_listeners), pool, sizeof(struct shm_pool_cell));
}

struct shm_seat *shm_retired(const struct shm *s)
{
    return part(s->supervisor, retired_at(s->max_backends), 0, 0);
}

const char *shm_state_name(enum shm_state s)
{
    static const char *const NAMES[SHM_STATE_COUNT] = {
        [SHM_STATE_UP] = "up",     [SHM_STATE_STARTING] = "starting", [SHM_STATE_DRAIN] = "drain",
        [SHM_STATE_DOWN] = "down", [SHM_STATE_MAINT] = "maint",
    };
    return (unsigned)s < SHM_STATE_COUNT ? NAMES[s] : "unknown";
}

enum shm_code shm_code(int status)
{
    switch (status) {
#define X(n)                                                                                                 \
    case n:                                                                                                  \
        return SHM_CODE_##n;
        SHM_CODES(X)
#undef X
    default:
        return SHM_CODE_OTHER;
    }
}

const char *shm_code_name(enum shm_code c)
{
    static const char *const NAMES[SHM_CODE_COUNT] = {
#define X(n) [SHM_CODE_##n] = #n,
        SHM_CODES(X)
#undef X
            [SHM_CODE_OTHER] = "other",
    };
    return (unsigned)c < SHM_CODE_COUNT ? NAMES[c] : "unknown";
}

static uint32_t graver(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

enum shm_state shm_backend_state(const struct shm *s, uint32_t slot)
{
    const struct shm_backend *b = shm_backend(s, slot);
    const struct shm_health *h = shm_health(s, slot);
    uint32_t generation = b ? shm_generation(b) : 0;
    if (generation == 0)
        return SHM_STATE_MAINT;
    uint32_t state = shm_get32(&b->admin_state);
    if (h && atomic_load_explicit(&h->generation, memory_order_acquire) == generation)
        state = graver(state, graver(shm_get32(&h->check_state), shm_get32(&h->agent_state)));
    return state < SHM_STATE_COUNT ? (enum shm_state)state : SHM_STATE_MAINT;
}

void shm_touch(const struct shm *s)
{
    shm_u64 *epoch = &s->supervisor->epoch;
    atomic_store_explicit(epoch, shm_get(epoch) + 1, memory_order_release);
}

uint64_t shm_backend_add(const struct shm *s, const struct shm_backend *row)
{
    uint32_t slot = shm_get32(&s->supervisor->n_slots);
    struct shm_backend *b = shm_backend(s, slot);
    if (!b)
        return 0;
    b->pool = row->pool;
    memcpy(b->name, row->name, sizeof b->name);
    b->name[sizeof b->name - 1] = '\0';
    b->address = row->address;
    b->backup = row->backup;
    shm_set32(&b->weight, shm_get32(&row->weight));
    shm_set32(&b->admin_state, shm_get32(&row->admin_state));
    shm_set(&b->max_connections, shm_get(&row->max_connections));
    atomic_store_explicit(&b->generation, 1, memory_order_release);
    atomic_store_explicit(&s->supervisor->n_slots, slot + 1, memory_order_release);
    shm_touch(s);
    return shm_backend_id(slot, 1);
}
