#include "supervisor/resolve.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static bool as_number(const char *text, uint32_t *out)
{
    uint64_t number;
    /* The last one means "unchanged" to the kernel. */
    if (!units_parse_u64(text, &number) || number >= UINT32_MAX)
        return false;
    *out = (uint32_t)number;
    return true;
}

static void no_such(const struct config_name *name, const char *key, const char *what,
                    struct config_errors *errors)
{
    config_errors_add(errors, name->place.file, name->place.line,
                      "%s: there is no %s \"%s\"%s%s; right is one of this system", key, what, name->text,
                      errno ? ": " : "", errno ? strerror(errno) : "");
}

static bool resolve_group(const struct config_name *name, const char *key, uint32_t *gid,
                          struct config_errors *errors)
{
    if (as_number(name->text, gid))
        return true;
    errno = 0;
    const struct group *g = getgrnam(name->text);
    if (!g) {
        no_such(name, key, "group", errors);
        return false;
    }
    *gid = g->gr_gid;
    return true;
}

/* The user, and its own group where the config names none. */
static void resolve_user(const struct config_global *c, struct sandbox *out, struct config_errors *errors)
{
    const struct config_name *name = &c->user;
    bool is_number = as_number(name->text, &out->uid);
    errno = 0;
    const struct passwd *p = is_number ? getpwuid(out->uid) : getpwnam(name->text);
    if (p) {
        out->uid = p->pw_uid;
        out->gid = p->pw_gid;
    } else if (!is_number) {
        no_such(name, "user", "user", errors);
    } else if (!c->group.text) {
        config_errors_add(errors, name->place.file, name->place.line,
                          "user: %s is no user of this system, so its group isn't known; right is \"group\" "
                          "beside it",
                          name->text);
    }
}

static void resolve_sandbox(const struct config_global *c, struct sandbox *out, struct config_errors *errors)
{
    *out = (struct sandbox){.become = c->user.text || c->group.text, .uid = getuid(), .gid = getgid()};
    if (c->user.text)
        resolve_user(c, out, errors);
    if (c->group.text)
        resolve_group(&c->group, "group", &out->gid, errors);
}

static void resolve_admin_group(const struct config_global *c, int64_t *gid, struct config_errors *errors)
{
    uint32_t number;
    *gid = -1;
    if (c->admin_group.text && resolve_group(&c->admin_group, "admin_group", &number, errors))
        *gid = number;
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
    resolve_sandbox(&c->global, &out->sandbox, errors);
    resolve_admin_group(&c->global, &out->admin_gid, errors);
    return errors->n == before;
}

void resolved_fini(struct resolved *r)
{
    free(r->binds);
    free(r->backends);
    memset(r, 0, sizeof *r);
}
