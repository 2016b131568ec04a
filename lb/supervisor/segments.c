#include "supervisor/segments.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"

#define SPARE_SEATS 2u

/* Makes a segment and maps it; NULL: errno. */
static void *make(struct segment *s, const char *name, size_t bytes, bool writable)
{
    s->write_fd = shm_make(name, bytes);
    if (s->write_fd < 0)
        return NULL;
    s->read_fd = shm_readonly(s->write_fd);
    return s->read_fd < 0 ? NULL : shm_map(s->write_fd, bytes, writable);
}

static bool make_all(struct segments *s)
{
    struct shm *shm = &s->shm;
    shm->supervisor = make(&s->supervisor, "wslb-supervisor",
                           shm_supervisor_bytes(shm->max_backends, shm->n_listeners), true);
    if (!shm->supervisor)
        return false;
    shm->director = make(&s->director, "wslb-director", shm_director_bytes(shm->max_backends), false);
    const uint32_t version = SHM_VERSION;
    if (!shm->director || pwrite(s->director.write_fd, &version, sizeof version,
                                 offsetof(struct shm_director, version)) != sizeof version)
        return false;
    size_t seat_bytes = shm_seat_bytes(shm->max_backends, shm->n_listeners);
    for (uint32_t i = 0; i < shm->n_seats; i++) {
        char name[32];
        snprintf(name, sizeof name, "wslb-seat-%u", i);
        shm->seats[i] = make(&s->seats[i], name, seat_bytes, true);
        if (!shm->seats[i])
            return false;
    }
    return true;
}

static bool write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text += n;
        len -= (size_t)n;
    }
    return true;
}

/* A sealed memfd that holds the text; -1: errno. */
static int make_text(const char *text, size_t len)
{
    const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    int fd = memfd_create("wslb-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && write_all(fd, text, len) && fcntl(fd, F_ADD_SEALS, seals) == 0)
        return fd;
    int saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
    return -1;
}

static uint32_t seats_for(uint32_t workers)
{
    uint32_t n = 2 * workers + SPARE_SEATS;
    return n < SHM_SEATS_MAX ? n : SHM_SEATS_MAX;
}

void segments_set_empty(struct segments *s)
{
    const struct segment none = {-1, -1};
    memset(s, 0, sizeof *s);
    s->supervisor = s->director = none;
    for (uint32_t i = 0; i < SHM_SEATS_MAX; i++)
        s->seats[i] = none;
    s->config_fd = -1;
}

bool segments_init(struct segments *s, const struct config *c, uint32_t workers, char *err, size_t err_len)
{
    segments_set_empty(s);
    s->shm.max_backends = c->global.max_backends;
    s->shm.n_listeners = c->n_listeners;
    s->shm.n_seats = seats_for(workers);
    if (!make_all(s)) {
        snprintf(err, err_len, "shared memory was refused: %s", strerror(errno));
        return false;
    }
    shm_init_supervisor(&s->shm, clock_mono_ms(), clock_real_ms());
    size_t len;
    char *text = config_print(c, &len);
    if (text)
        s->config_fd = make_text(text, len);
    if (s->config_fd < 0)
        snprintf(err, err_len, "the config's text can't be kept in memory: %s", strerror(errno));
    free(text);
    return s->config_fd >= 0;
}

int segments_open_config(const struct segments *s)
{
    return shm_readonly(s->config_fd);
}

static void segment_close(struct segment *s, void *map, size_t bytes)
{
    if (map)
        munmap(map, bytes);
    if (s->write_fd >= 0)
        close(s->write_fd);
    if (s->read_fd >= 0)
        close(s->read_fd);
}

void segments_fini(struct segments *s)
{
    struct shm *shm = &s->shm;
    size_t seat_bytes = shm_seat_bytes(shm->max_backends, shm->n_listeners);
    for (uint32_t i = 0; i < shm->n_seats; i++)
        segment_close(&s->seats[i], shm->seats[i], seat_bytes);
    segment_close(&s->director, shm->director, shm_director_bytes(shm->max_backends));
    segment_close(&s->supervisor, shm->supervisor, shm_supervisor_bytes(shm->max_backends, shm->n_listeners));
    if (s->config_fd >= 0)
        close(s->config_fd);
    segments_set_empty(s);
}
