#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define WHO_MAX        32
#define PREFIX_MAX     (CLOCK_TEXT_MAX + 16 + WHO_MAX)
#define LIMIT_EVERY_MS 1000u
#define EINTR_TRIES    8

static char log_who[WHO_MAX] = "wslb";
static enum log_level log_level = LOG_LEVEL_INFO;
static log_sink log_to;
static void *log_to_ctx;

static const char *const level_names[] = {"debug", "info", "notice", "warning", "error"};
#define LEVELS (sizeof level_names / sizeof level_names[0])

void log_init(const char *who, enum log_level level)
{
    snprintf(log_who, sizeof log_who, "%s", who);
    log_level = level;
}

void log_set_level(enum log_level level)
{
    log_level = level;
}

enum log_level log_get_level(void)
{
    return log_level;
}

void log_set_sink(log_sink sink, void *ctx)
{
    log_to = sink;
    log_to_ctx = ctx;
}

const char *log_level_name(enum log_level level)
{
    return (size_t)level < LEVELS ? level_names[level] : "unknown";
}

bool log_level_parse(const char *name, enum log_level *out)
{
    for (size_t i = 0; i < LEVELS; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* Copies text that may come from a stranger so that it can neither end the line nor steer a terminal (U+0080
 * to U+009F do that, too, and are C2 80 to C2 9F in UTF-8). */
static void copy_printable(char *to, const char *from, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)from[i];
        bool c1 = c >= 0x80 && c <= 0x9f && i > 0 && (unsigned char)from[i - 1] == 0xc2;
        if (c1)
            to[i - 1] = '?';
        to[i] = c < 0x20 || c == 0x7f || c1 ? '?' : (char)c;
    }
}

static void emit(const char *who, enum log_level level, const char *line, size_t len)
{
    int saved = errno;
    char out[PREFIX_MAX + LOG_LINE_MAX + 1];
    char time[CLOCK_TEXT_MAX];
    clock_format(clock_real_ms(), time);
    int prefix = snprintf(out, PREFIX_MAX, "%s %s %s%s", time, log_level_name(level), who, *who ? ": " : "");
    size_t n = prefix < 0 ? 0 : (size_t)prefix < PREFIX_MAX ? (size_t)prefix : PREFIX_MAX - 1;

    bool cut = len > LOG_LINE_MAX;
    size_t kept = cut ? LOG_LINE_MAX - 3 : len;
    copy_printable(out + n, line, kept);
    n += kept;
    if (cut) {
        memcpy(out + n, "...", 3);
        n += 3;
    }
    out[n++] = '\n';

    /* One write, so that lines of several processes never mix. A stderr that is full or broken loses the
     * line: waiting for it would stop the traffic. */
    for (int i = 0; i < EINTR_TRIES && write(STDERR_FILENO, out, n) < 0 && errno == EINTR; i++)
        continue;
    errno = saved;
}

void log_emit(enum log_level level, const char *line, size_t len)
{
    emit(log_who, level, line, len);
}

void log_emit_other(enum log_level level, const char *line, size_t len)
{
    emit("", level, line, len);
}

/* Formats into cap bytes, cut with "..." at the end; returns the length without NUL. cap > 3. */
__attribute__((format(printf, 3, 0))) static size_t format_cut(char *out, size_t cap, const char *fmt,
                                                               va_list ap)
{
    int n = vsnprintf(out, cap, fmt, ap);
    if (n < 0)
        n = snprintf(out, cap, "a line that can't be formatted: %s", fmt);
    if (n < 0)
        return 0;
    if ((size_t)n < cap)
        return (size_t)n;
    memcpy(out + cap - 4, "...", 4);
    return cap - 1;
}

static void hand_on(enum log_level level, const char *line, size_t len)
{
    if (log_to)
        log_to(log_to_ctx, level, line, len);
    else
        log_emit(level, line, len);
}

void log_write(enum log_level level, const char *fmt, ...)
{
    int saved = errno;
    char line[LOG_LINE_MAX];
    va_list ap;
    va_start(ap, fmt);
    size_t len = format_cut(line, sizeof line, fmt, ap);
    va_end(ap);
    hand_on(level, line, len);
    errno = saved;
}

void log_limited(struct log_limit *limit, enum log_level level, const char *fmt, ...)
{
    if (level < log_level)
        return;
    int saved = errno;
    uint64_t now_ms = clock_mono_ms();
    if (now_ms < limit->next_ms) {
        limit->left_out++;
        return;
    }
    char line[LOG_LINE_MAX];
    char more[64] = "";
    size_t more_len = 0;
    if (limit->left_out > 0) {
        int n = snprintf(more, sizeof more, " (and %llu more left out)", (unsigned long long)limit->left_out);
        more_len = n > 0 ? (size_t)n : 0;
    }
    limit->next_ms = now_ms + LIMIT_EVERY_MS;
    limit->left_out = 0;

    va_list ap;
    va_start(ap, fmt);
    errno = saved;
    size_t len = format_cut(line, sizeof line - more_len, fmt, ap);
    va_end(ap);
    memcpy(line + len, more, more_len);
    hand_on(level, line, len + more_len);
    errno = saved;
}
