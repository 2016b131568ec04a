#include "net/log_out.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define TELL_EVERY_MS 60000u
#define TELL_MAX      128

/* ---- what is lost ---- */

void log_lost_add(struct log_lost *l, uint64_t lines, int error)
{
    l->lines += lines;
    l->error = error;
}

bool log_lost_tell(struct log_lost *l, char *out, size_t cap)
{
    uint64_t now_ms = clock_mono_ms();
    if (l->lines == 0 || now_ms < l->next_ms)
        return false;
    snprintf(out, cap, "%" PRIu64 " lines were dropped: %s", l->lines,
             l->error ? strerrordesc_np(l->error) : "nobody reads them");
    l->next_ms = now_ms + TELL_EVERY_MS;
    l->lines = 0;
    return true;
}

static void on_lost(void *ctx, uint64_t lines, int error)
{
    struct log_out *o = ctx;
    log_lost_add(&o->lost, lines, error);
    o->count(o->ctx, lines);
}

/* ---- lines ---- */

static void put(struct log_out *o, bool own, enum log_level level, const char *line, size_t len)
{
    char text[LOG_TEXT_MAX];
    enum log_style style = o->out.way == LINE_OUT_SYSLOG ? LOG_STYLE_SYSLOG : LOG_STYLE_PLAIN;
    line_out_put(&o->out, text, log_format(text, style, own, level, line, len));
    line_out_flush(&o->out);
}

static void tell(struct log_out *o)
{
    char what[TELL_MAX], line[TELL_MAX + 8];
    bool refused = o->out.error;
    /* While the log takes nothing, one line more would only be lost, too. */
    if ((refused && o->is_stderr) || (!refused && o->out.queue))
        return;
    if (!log_lost_tell(&o->lost, what, sizeof what))
        return;
    int n = snprintf(line, sizeof line, "log: %s", what);
    if (refused)
        log_emit(LOG_LEVEL_WARNING, line, (size_t)n);
    else
        put(o, true, LOG_LEVEL_WARNING, line, (size_t)n);
}

static void sink(void *ctx, enum log_level level, const char *line, size_t len)
{
    put(ctx, true, level, line, len);
    tell(ctx);
}

void log_out_other(struct log_out *o, enum log_level level, const char *line, size_t len)
{
    put(o, false, level, line, len);
    tell(o);
}

void log_out_tick(struct log_out *o)
{
    tell(o);
}

/* ---- where to ---- */

void log_out_init(struct log_out *o, struct ev_loop *loop, void (*count)(void *ctx, uint64_t lines),
                  void *ctx)
{
    *o = (struct log_out){.count = count, .ctx = ctx, .is_stderr = true};
    line_out_init(&o->out, loop, on_lost, o);
    line_out_to(&o->out, fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    log_set_sink(sink, o);
}

void log_out_to(struct log_out *o, int fd)
{
    o->is_stderr = false;
    line_out_to(&o->out, fd);
}

bool log_out_to_syslog(struct log_out *o)
{
    if (!line_out_to_syslog(&o->out))
        return false;
    o->is_stderr = false;
    return true;
}

void log_out_fini(struct log_out *o, unsigned patience_ms)
{
    log_set_sink(NULL, NULL);
    line_out_fini(&o->out, patience_ms);
}
