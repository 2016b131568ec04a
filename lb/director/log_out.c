#include "director/log_out.h"

#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

/* stderr is shared with who started us, so it can't be made non-blocking; a pipe or socket that polls as
 * writable takes a whole line, and a file always does. */
static bool is_writable(void)
{
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

    return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT);
}

static bool make_way(struct log_out *o)
{
    char line[80];

    if (!is_writable()) {
        o->dropped++;
        return false;
    }
    if (o->dropped > 0) {
        int n =
            snprintf(line, sizeof line, "%" PRIu64 " log lines were dropped: nobody read them", o->dropped);

        o->dropped = 0;
        log_emit(LOG_LEVEL_WARNING, line, (size_t)n);
        if (!is_writable()) {
            o->dropped++;
            return false;
        }
    }
    return true;
}

static void sink(void *ctx, enum log_level level, const char *line, size_t len)
{
    if (make_way(ctx))
        log_emit(level, line, len);
}

void log_out_init(struct log_out *o)
{
    *o = (struct log_out){0};
    log_set_sink(sink, o);
}

void log_out_other(struct log_out *o, enum log_level level, const char *line, size_t len)
{
    if (make_way(o))
        log_emit_other(level, line, len);
}
