#include "director/lookup.h"

#include <string.h>

#include "config/spelling.h"
#include "director/director_int.h"

#define SHOWN_MAX 64 /* bytes of a wrong name in an error */

static void nothing_of(struct command *c, const char *what, const struct spelling *s)
{
    if (s->best)
        answer_error(&c->answer, "no %s \"%.*s\"; did you mean \"%s\"?", what, SHOWN_MAX, s->wrong, s->best);
    else
        answer_error(&c->answer, "no %s \"%.*s\"", what, SHOWN_MAX, s->wrong);
}

bool lookup_pool(struct command *c, const char *name, uint32_t *pool)
{
    const struct config *config = c->d->config;
    struct spelling s;

    spelling_init(&s, name);
    for (uint32_t i = 0; i < config->n_pools; i++) {
        if (strcmp(config->pools[i].name, name) == 0) {
            *pool = i;
            return true;
        }
        spelling_try(&s, config->pools[i].name);
    }
    nothing_of(c, "pool", &s);
    return false;
}

bool lookup_slot_used(const struct director *d, uint32_t slot)
{
    return shm_get32(&shm_backend(&d->shm, slot)->generation) != 0;
}

bool lookup_backend(struct command *c, const char *name, uint32_t *slot, uint64_t *id)
{
    const struct shm *shm = &c->d->shm;
    uint32_t n = shm_get32(&shm->supervisor->n_slots);
    struct spelling s;

    spelling_init(&s, name);
    for (uint32_t i = 0; i < n; i++) {
        const struct shm_backend *b = shm_backend(shm, i);

        if (!lookup_slot_used(c->d, i))
            continue;
        if (strncmp(b->name, name, sizeof b->name) == 0) {
            *slot = i;
            *id = shm_backend_id(i, shm_get32(&b->generation));
            return true;
        }
        spelling_try(&s, b->name);
    }
    nothing_of(c, "backend", &s);
    return false;
}

bool lookup_session(struct command *c, const char *text, uint64_t *id)
{
    size_t len = strlen(text);

    *id = 0;
    for (size_t i = 0; i < len && len <= 16; i++) {
        char ch = text[i];
        int digit = ch >= '0' && ch <= '9'   ? ch - '0'
                    : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10
                    : ch >= 'A' && ch <= 'F' ? ch - 'A' + 10
                                             : -1;
        if (digit < 0) {
            *id = 0;
            break;
        }
        *id = *id << 4 | (uint64_t)digit;
    }
    if (*id == 0)
        answer_error(&c->answer,
                     "a session's ID is 16 hexadecimal digits, as `show sessions` lists them, not \"%.*s\"",
                     SHOWN_MAX, text);
    return *id != 0;
}
