/* A whole set of segments in one process: what supervisor, director and workers would map. */
#ifndef TESTS_SHM_FIXTURE_H
#define TESTS_SHM_FIXTURE_H

#include "shm/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct fixture {
    struct shm shm;
    int supervisor_fd, director_fd, seat_fd[8];
};

static inline void *fixture_segment(int *fd, size_t bytes)
{
    *fd = shm_make("wslb-test", bytes);
    assert_true(*fd >= 0);
    void *p = shm_map(*fd, bytes, true);
    assert_non_null(p);
    return p;
}

static inline struct fixture *fixture_new(uint32_t max_backends, uint32_t n_listeners, uint32_t n_seats)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_true(n_seats <= 8);
    struct shm *s = &f->shm;
    s->max_backends = max_backends;
    s->n_listeners = n_listeners;
    s->n_seats = n_seats;
    s->supervisor = fixture_segment(&f->supervisor_fd, shm_supervisor_bytes(max_backends, n_listeners));
    s->director = fixture_segment(&f->director_fd, shm_director_bytes(max_backends));
    for (uint32_t i = 0; i < n_seats; i++)
        s->seats[i] = fixture_segment(&f->seat_fd[i], shm_seat_bytes(max_backends, n_listeners));
    shm_init_supervisor(s, 11, 12);
    shm_set32(&s->supervisor->n_pools, 2);
    return f;
}

static inline void fixture_free(struct fixture *f)
{
    struct shm *s = &f->shm;
    munmap(s->supervisor, shm_supervisor_bytes(s->max_backends, s->n_listeners));
    munmap(s->director, shm_director_bytes(s->max_backends));
    close(f->supervisor_fd);
    close(f->director_fd);
    for (uint32_t i = 0; i < s->n_seats; i++) {
        munmap(s->seats[i], shm_seat_bytes(s->max_backends, s->n_listeners));
        close(f->seat_fd[i]);
    }
    free(f);
}

/* A worker takes the seat. */
static inline struct shm_seat *fixture_sit(struct fixture *f, uint32_t i)
{
    struct shm_seat *seat = f->shm.seats[i];
    seat->version = SHM_VERSION;
    shm_set32(&seat->pid, 1000 + i);
    shm_set32(&seat->state, SHM_SEAT_UP);
    return seat;
}

static inline uint32_t fixture_backend(struct fixture *f, const char *name)
{
    struct shm_backend row = {.pool = 3};
    snprintf(row.name, sizeof row.name, "%s", name);
    uint64_t id = shm_backend_add(&f->shm, &row);
    assert_true(id != 0);
    return shm_id_slot(id);
}

/* The seat's cell, begun for the slot's generation. */
static inline struct shm_backend_cell *fixture_cell(struct fixture *f, uint32_t seat, uint32_t slot)
{
    struct shm_backend_cell *c = shm_backend_cell(&f->shm, f->shm.seats[seat], slot);
    uint32_t generation = shm_generation(shm_backend(&f->shm, slot));
    if (shm_get32(&c->generation) != generation)
        shm_cell_begin(c, generation);
    return c;
}

static inline struct shm_listener_cell *fixture_listener(struct fixture *f, uint32_t seat, uint32_t listener)
{
    return shm_listener_cell(&f->shm, f->shm.seats[seat], listener);
}

static inline struct shm_pool_cell *fixture_pool(struct fixture *f, uint32_t seat, uint32_t pool)
{
    return shm_pool_cell(&f->shm, f->shm.seats[seat], pool);
}

#endif
