#include "proto/channel.h"

static const struct {
    const char *name;
    size_t min;
    unsigned fds;
} types[MSG_TYPE_COUNT] = {
#define X(name, way, body, fds, text) [MSG_##name] = {#name, body, fds},
    MSG_TYPES(X)
#undef X
};

bool msg_check(const void *packet, size_t n, unsigned n_fds, const char **why)
{
    const struct msg *m = packet;
    *why = NULL;
    if (n < sizeof *m)
        *why = "shorter than a header";
    else if (m->version != MSG_VERSION)
        *why = "of another version";
    else if (m->type == MSG_NONE || m->type >= MSG_TYPE_COUNT)
        *why = "of an unknown type";
    else if (m->bytes != n - sizeof *m)
        *why = "not as long as it says";
    else if (m->bytes < types[m->type].min)
        *why = "too short for its type";
    else if (n_fds > types[m->type].fds)
        *why = "with more descriptors than its type carries";
    return !*why;
}

const char *msg_type_name(uint16_t type)
{
    return type > MSG_NONE && type < MSG_TYPE_COUNT ? types[type].name : "unknown";
}
