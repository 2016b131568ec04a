#include "supervisor/resolve.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

#define ERR_MAX 512

static const struct bind *find_bind(const struct resolved *r, const struct address *a)
{
    for (uint32_t i = 0; i < r->n_binds; i++)
        if (address_equal(&r->binds[i].address, a))
            return &r->binds[i];
    return NULL;
}

static void resolve_bind(const struct config *c, uint32_t listener, uint32_t index, struct resolved *out,
                         struct config_errors *errors)
{
    const struct config_listener *l = &c->listeners[listener];
    struct bind b = {.listener = listener, .text = l->binds.items[index]};
    uint32_t line = l->binds.lines[index];
    char err[ERR_MAX];
    if (!address_parse(b.text, true, &b.address, err, sizeof err)) {
        config_errors_add(errors, l->place.file, line, "bind: %s", err);
        return;
    }
    /* The same text twice is found by the config's own check; this is for names. */
    const struct bind *first = find_bind(out, &b.address);
    if (first)
        config_errors_add(errors, l->place.file, line,
                          "bind: %s is bound a second time; the first is %s (listener %s)", b.text,
                          first->text, c->listeners[first->listener].name);
    else
        out->binds[out->n_binds++] = b;
}

static void resolve_group(const struct config *c, const char *path, struct resolved *out,
                          struct config_errors *errors)
{
    const char *name = c->global.admin_group;
    uint64_t number;
    out->admin_gid = -1;
    if (!name)
        return;
    if (units_parse_u64(name, &number) && number < INT_MAX) {
        out->admin_gid = (int)number;
        return;
    }
    errno = 0;
    const struct group *g = getgrnam(name);
    if (g && g->gr_gid < INT_MAX)
        out->admin_gid = (int)g->gr_gid;
    else
        config_errors_add(errors, path, 0,
                          "admin_group: there is no group \"%s\"%s%s; right is one of this system", name,
                          errno ? ": " : "", errno ? strerror(errno) : "");
}

static bool make_room(const struct config *c, struct resolved *out)
{
    size_t n_binds = 0;
    for (uint32_t i = 0; i < c->n_listeners; i++)
        n_binds += c->listeners[i].binds.n;
    out->binds = calloc(n_binds + 1, sizeof *out->binds);
    out->backends = calloc((size_t)c->n_backends + 1, sizeof *out->backends);
    return out->binds && out->backends;
}

bool resolve_config(const struct config *c, const char *path, struct resolved *out,
                    struct config_errors *errors)
{
    unsigned before = errors->n;
    memset(out, 0, sizeof *out);
    if (!make_room(c, out)) {
        config_errors_add(errors, path, 0, "memory was refused");
        return false;
    }
    for (uint32_t i = 0; i < c->n_listeners; i++)
        for (uint32_t k = 0; k < c->listeners[i].binds.n; k++)
            resolve_bind(c, i, k, out, errors);
    for (uint32_t i = 0; i < c->n_backends; i++) {
        const struct config_backend *b = &c->backends[i];
        char err[ERR_MAX];
        if (!address_parse(b->address, true, &out->backends[i], err, sizeof err))
            config_errors_add(errors, b->place.file, b->address_line, "address: %s", err);
    }
    resolve_group(c, path, out, errors);
    return errors->n == before;
}

void resolved_fini(struct resolved *r)
{
    free(r->binds);
    free(r->backends);
    memset(r, 0, sizeof *r);
}
