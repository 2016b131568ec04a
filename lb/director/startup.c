#include "director/startup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "director/director_int.h"

#define CONFIG_TEXT_MAX (64u << 20)

static bool fail(char why[STARTUP_WHY_MAX], const char *what, const char *because)
{
    snprintf(why, STARTUP_WHY_MAX, "%s: %s", what, because);
    return false;
}

/* The whole memfd as text with a NUL behind it; NULL: errno. */
static char *read_all(int fd, size_t *len)
{
    struct stat st;
    size_t n = 0;
    char *text;

    if (fstat(fd, &st) != 0)
        return NULL;
    if (st.st_size < 0 || st.st_size > (off_t)CONFIG_TEXT_MAX) {
        errno = EFBIG;
        return NULL;
    }
    *len = (size_t)st.st_size;
    text = malloc(*len + 1);
    while (text && n < *len) {
        ssize_t got = pread(fd, text + n, *len - n, (off_t)n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            errno = got == 0 ? EIO : errno;
            free(text);
            return NULL;
        }
        n += (size_t)got;
    }
    if (text)
        text[n] = '\0';
    return text;
}

static bool read_config(struct director *d, int fd, char why[STARTUP_WHY_MAX])
{
    struct config_errors errors = {0};

    d->config_text = read_all(fd, &d->config_len);
    if (!d->config_text)
        return fail(why, "the configuration can't be read", strerror(errno));
    d->config = config_parse(d->config_text, d->config_len, "effective config", &errors);
    if (!d->config)
        fail(why, "the configuration handed over is refused", errors.text ? errors.text : "out of memory");
    config_errors_fini(&errors);
    return d->config != NULL;
}

bool startup_hello(struct director *d, const struct msg *m, const int *fds, unsigned n_fds,
                   char why[STARTUP_WHY_MAX])
{
    const struct msg_hello *h = msg_body(m);
    struct shm *shm = &d->shm;

    if (d->greeted || n_fds != 3 || h->role != ROLE_DIRECTOR)
        return fail(why, "HELLO", "it comes once, to a director, with three descriptors");
    if (h->n_seats > SHM_SEATS_MAX || h->workers > h->n_seats)
        return fail(why, "HELLO", "more seats than there can be");
    d->hello = *h;
    log_set_level((enum log_level)h->log_level);
    if (!read_config(d, fds[0], why))
        return false;
    if (d->config->n_listeners != h->n_listeners)
        return fail(why, "HELLO", "the configuration has another number of listeners");
    shm->max_backends = h->max_backends;
    shm->n_listeners = h->n_listeners;
    shm->n_seats = h->n_seats;
    shm->supervisor = shm_map(fds[1], shm_supervisor_bytes(h->max_backends, h->n_listeners), false);
    if (!shm->supervisor)
        return fail(why, "the supervisor's table can't be mapped", strerror(errno));
    shm->director = shm_map(fds[2], shm_director_bytes(h->max_backends), true);
    if (!shm->director)
        return fail(why, "the director's table can't be mapped", strerror(errno));
    if (!peers_init(&d->peers, d, h->n_seats))
        return fail(why, "peers", strerror(errno));
    d->greeted = true;
    return true;
}

bool startup_segments(struct director *d, const struct msg *m, const int *fds, unsigned n_fds,
                      char why[STARTUP_WHY_MAX])
{
    const struct msg_range *range = msg_body(m);
    struct shm *shm = &d->shm;

    if (range->n != n_fds || range->first > shm->n_seats || range->n > shm->n_seats - range->first)
        return fail(why, "SEGMENTS", "other seats than there are");
    for (unsigned i = 0; i < n_fds; i++) {
        struct shm_seat *seat = shm_map(fds[i], shm_seat_bytes(shm->max_backends, shm->n_listeners), false);

        if (!seat)
            return fail(why, "a worker's table can't be mapped", strerror(errno));
        shm->seats[range->first + i] = seat;
    }
    return true;
}

bool startup_sockets(struct director *d, const struct msg *m, int *fds, unsigned n_fds,
                     char why[STARTUP_WHY_MAX])
{
    const struct msg_sockets *s = msg_body(m);

    if (s->kind != SOCKET_ADMIN || n_fds != 1 || d->admin.d)
        return fail(why, "SOCKETS", "a director gets one, the admin socket");
    admin_init(&d->admin, d, fds[0]);
    fds[0] = -1;
    return true;
}

bool startup_complete(const struct director *d, char why[STARTUP_WHY_MAX])
{
    for (uint32_t i = 0; i < d->shm.n_seats; i++) {
        if (!d->shm.seats[i])
            return fail(why, "START", "a worker's table is missing");
    }
    return d->admin.d ? true : fail(why, "START", "the admin socket is missing");
}
