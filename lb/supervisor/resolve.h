/* What a config names and only the system can tell: addresses behind names, numbers of
 * users and groups. Asked once, at
 * start (and by -t); it may block for seconds. Sections' order is kept: binds stand in the order of
 * listeners, backends as in the config. */
#ifndef SUPERVISOR_RESOLVE_H
#define SUPERVISOR_RESOLVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/sandbox.h"
#include "config/config.h"

struct bind {
    struct address address;
    uint32_t listener; /* index */
    const char *text;  /* the config's */
};

struct resolved {
    struct bind *binds;
    uint32_t n_binds;
    struct address *backends; /* config->n_backends of them */
    int64_t admin_gid;        /* -1: unchanged */
    struct sandbox sandbox;   /* the children's user; its filter isn't decided here */
};

/* false: `errors` has at least one ("FILE:LINE: …"); `path` is the config's file, for what has no line of its
 * own. *out is to be freed either way. */
bool resolve_config(const struct config *c, const char *path, struct resolved *out,
                    struct config_errors *errors);
void resolved_fini(struct resolved *r);

#endif
