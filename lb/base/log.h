/* Log lines. A process writes to stderr until it is given a sink: workers and the director hand their lines
 * on (a worker never blocks on a file), the supervisor writes them. A level that is off costs one compare. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_NOTICE, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };
#define LOG_LINE_MAX 1024 /* a longer line is cut and ends with "..." */

/* The line without time and newline; must not block and must not log. */
typedef void (*log_sink)(void *ctx, enum log_level level, const char *line, size_t len);

/* `who` names the process in each line ("supervisor", "worker 2"); it is copied. */
void log_init(const char *who, enum log_level level);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
void log_set_sink(log_sink sink, void *ctx); /* NULL: back to stderr */

const char *log_level_name(enum log_level level);
bool log_level_parse(const char *name, enum log_level *out);

/* Writes one whole line "TIME LEVEL who: text\n" to stderr by one write(2); line breaks and control bytes in
 * the text are shown as '?'. Used by sinks at the end of their way. */
void log_emit(enum log_level level, const char *line, size_t len);

/* The same for a line of another process, which begins with that one's own "who: ". */
void log_emit_other(enum log_level level, const char *line, size_t len);

void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_at(level, ...)                                                                                   \
    do {                                                                                                     \
        if ((level) >= log_get_level())                                                                      \
            log_write((level), __VA_ARGS__);                                                                 \
    } while (0)
#define log_debug(...)   log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)    log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_notice(...)  log_at(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_error(...)   log_at(LOG_LEVEL_ERROR, __VA_ARGS__)

/* For what a stranger can cause as often as he likes: at most one line a second for each `struct log_limit`;
 * the next line that passes tells how many were left out. Zero-initialised. */
struct log_limit {
    uint64_t next_ms;
    uint64_t left_out;
};
void log_limited(struct log_limit *limit, enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
