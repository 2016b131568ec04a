/* The end of a log line's way: log_target, which is stderr, a file, or syslog. The supervisor and the
 * director have one each; workers hand their lines to the director. Lines that can't be written are counted,
 * and told of at most once a minute: in the log as soon as it takes lines again, and on stderr when it
 * refuses them.
 *
 * syslog is spoken here and not by syslog(3), whose send waits for a daemon that has stopped. */
#ifndef NET_LOG_OUT_H
#define NET_LOG_OUT_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "net/line_out.h"

/* Lines that nobody will read, and when it was told. */
struct log_lost {
    uint64_t lines; /* not told of yet */
    uint64_t next_ms;
    int error; /* of the last */
};
void log_lost_add(struct log_lost *l, uint64_t lines, int error);
/* When it is time to tell: "12 lines were dropped: nobody reads them" in `out`, and the count is zero. */
bool log_lost_tell(struct log_lost *l, char *out, size_t cap);

struct log_out {
    struct line_out out;
    struct log_lost lost;
    bool is_stderr;
    void (*count)(void *ctx, uint64_t lines); /* of each lost line, for the counters */
    void *ctx;
};

/* To stderr, and this process's own lines from now on. `count` must not log. */
void log_out_init(struct log_out *o, struct ev_loop *loop, void (*count)(void *ctx, uint64_t lines),
                  void *ctx);
void log_out_to(struct log_out *o, int fd); /* takes fd */
bool log_out_to_syslog(struct log_out *o);  /* false: errno */
/* A line of another process, which begins with its name. */
void log_out_other(struct log_out *o, enum log_level level, const char *line, size_t len);
/* Once in a while: tells of lines that were lost. */
void log_out_tick(struct log_out *o);
/* Own lines go to stderr again. */
void log_out_fini(struct log_out *o, unsigned patience_ms);

#endif
