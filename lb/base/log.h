/* Log lines. A process writes to stderr until it is given a sink: a worker's hands lines on to the director,
 * the director's and the supervisor's write to log_target (net/log_out.h). Nobody ever waits for who reads
 * them. A level that is off costs one compare. */
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

/* How a line is written down: "TIME LEVEL who: text\n", or with a header for syslog's local socket
 * (facility daemon) "<30>Nov 24 09:52:08 wslb[PID]: who: text\n". */
enum log_style { LOG_STYLE_PLAIN, LOG_STYLE_SYSLOG };
#define LOG_TEXT_MAX (LOG_LINE_MAX + 160) /* of a line written down; there is no NUL */

/* Returns the length. Line breaks and control bytes in the text are shown as '?'. own: false for a line of
 * another process, which begins with that one's "who: ". */
size_t log_format(char out[LOG_TEXT_MAX], enum log_style style, bool own, enum log_level level,
                  const char *line, size_t len);

/* Writes a whole line to stderr by one write(2), or loses it where that would wait. For who has no sink. */
void log_emit(enum log_level level, const char *line, size_t len);

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
