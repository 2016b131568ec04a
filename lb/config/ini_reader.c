#include "config/ini_reader.h"

#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct reader {
    const char *at, *end;
    uint32_t line, lines_max;
    size_t key_len, value_len; /* of the line that inih has now */
    bool pending;              /* inih has not yet called the handler for it */
    bool stopped;
    const struct ini_reader_events *events;
    void *ctx;
};

static void __attribute__((format(printf, 2, 3))) fail(struct reader *r, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    r->events->error(r->ctx, r->line, text);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void trim(const char **s, size_t *len)
{
    while (*len > 0 && is_blank((*s)[0]))
        (*s)++, (*len)--;
    while (*len > 0 && is_blank((*s)[*len - 1]))
        (*len)--;
}

/* Where a ';' or '#' follows a blank or opens the text; NULL: nowhere. */
static const char *find_comment(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((s[i] == ';' || s[i] == '#') && (i == 0 || is_blank(s[i - 1])))
            return s + i;
    return NULL;
}

static bool has_control(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (((unsigned char)s[i] < 0x20 && s[i] != '\t') || s[i] == 0x7f)
            return true;
    return false;
}

/* "[kind name]", trimmed. */
static bool check_header(struct reader *r, const char *s, size_t len)
{
    const char *close = memchr(s, ']', len), *kind = s + 1, *name;
    bool whole = close == s + len - 1;
    size_t kind_len, name_len;
    char text[INI_READER_LINE_MAX + 2];

    if (!close) {
        fail(r, "a section's header lacks its ']'; right is [listener NAME], for example");
        r->events->section(r->ctx, r->line, NULL, NULL);
        return false;
    }
    if (!whole)
        fail(r, "something follows the section's ']'; comments belong on a line of their own");
    len = (size_t)(close - kind);
    trim(&kind, &len);
    for (kind_len = 0; kind_len < len && !is_blank(kind[kind_len]); kind_len++)
        ;
    name = kind + kind_len;
    name_len = len - kind_len;
    trim(&name, &name_len);
    memcpy(text, kind, kind_len);
    text[kind_len] = '\0';
    memcpy(text + kind_len + 1, name, name_len);
    text[kind_len + 1 + name_len] = '\0';
    r->events->section(r->ctx, r->line, text, text + kind_len + 1);
    return whole;
}

/* "key = value", trimmed. */
static bool check_pair(struct reader *r, const char *s, size_t len)
{
    const char *equal = memchr(s, '=', len), *colon = memchr(s, ':', len), *value;
    size_t key_len, value_len;

    if (colon && (!equal || colon < equal)) {
        fail(r, "a key and its value are separated by '=', not by ':'");
        return false;
    }
    if (!equal) {
        fail(r, "\"%.*s\" is neither \"key = value\" nor a [section] nor a comment", (int)len, s);
        return false;
    }
    key_len = (size_t)(equal - s);
    value = equal + 1;
    value_len = len - key_len - 1;
    trim(&s, &key_len);
    trim(&value, &value_len);
    if (key_len == 0) {
        fail(r, "there is no key before the '='");
        return false;
    }
    if (key_len > INI_READER_KEY_MAX) {
        fail(r, "unknown key \"%.*s\": none is longer than %d bytes", (int)key_len, s, INI_READER_KEY_MAX);
        return false;
    }
    if (find_comment(s, key_len) || find_comment(value, value_len)) {
        fail(r, "a ';' or '#' after a blank would begin a comment and cut the line; put comments on a line "
                "of their own");
        return false;
    }
    r->key_len = key_len;
    r->value_len = value_len;
    r->pending = true;
    return true;
}

/* Whether inih may have this line: a header or a pair that it reads as everybody does. */
static bool check_line(struct reader *r, const char *s, size_t len)
{
    bool header = s[0] == '[';

    if (has_control(s, len))
        fail(r, "the line holds a control byte");
    else if (len > INI_READER_LINE_MAX)
        fail(r,
             "the line has %zu bytes and would be cut; the limit is %d (a long list is made by repeating its "
             "key)",
             len, INI_READER_LINE_MAX);
    else
        return header ? check_header(r, s, len) : check_pair(r, s, len);
    if (header)
        r->events->section(r->ctx, r->line, NULL, NULL);
    return false;
}

static bool take_line(struct reader *r, const char **s, size_t *len)
{
    size_t rest = (size_t)(r->end - r->at);
    const char *newline;

    if (rest == 0 || r->stopped)
        return false;
    if (r->line >= r->lines_max) {
        fail(r, "the configuration has too many lines; it ends here");
        r->stopped = true;
        return false;
    }
    r->line++;
    newline = memchr(r->at, '\n', rest);
    *s = r->at;
    *len = newline ? (size_t)(newline - r->at) : rest;
    r->at = newline ? newline + 1 : r->end;
    if (memchr(*s, '\0', *len)) {
        fail(r, "the line holds a NUL byte: this isn't a text file");
        r->stopped = true;
        return false;
    }
    if (*len > 0 && (*s)[*len - 1] == '\r')
        (*len)--;
    trim(s, len);
    return true;
}

/* The handler wasn't called for the last line, or got less than stands in it. */
static void fail_misread(struct reader *r)
{
    r->pending = false;
    fail(r, "the INI library misreads this line");
}

/* ini_reader of inih: gives it one line, empty where there is nothing for it. */
static char *give_line(char *out, int cap, void *stream)
{
    struct reader *r = stream;
    const char *s;
    size_t len;

    if (r->pending)
        fail_misread(r);
    if (!take_line(r, &s, &len))
        return NULL;
    if (len == 0 || s[0] == ';' || s[0] == '#' || !check_line(r, s, len))
        len = 0;
    if (len + 2 > (size_t)cap) { /* an inih built for shorter lines than Debian's */
        r->pending = false;
        fail(r, "the line has %zu bytes and would be cut; the limit is %d", len, cap - 2);
        len = 0;
    }
    memcpy(out, s, len);
    out[len] = '\n';
    out[len + 1] = '\0';
    return out;
}

static int take_value(void *user, const char *section, const char *key, const char *value)
{
    struct reader *r = user;

    (void)section; /* cut at 49 bytes: ours is the one from the header */
    if (!r->pending || !key || !value || strlen(key) != r->key_len || strlen(value) != r->value_len) {
        fail_misread(r);
        return 1;
    }
    r->pending = false;
    r->events->value(r->ctx, r->line, key, value);
    return 1;
}

bool ini_reader_run(const char *text, size_t len, uint32_t lines_max, uint32_t *lines,
                    const struct ini_reader_events *events, void *ctx)
{
    struct reader r = {.at = text, .end = text + len, .lines_max = lines_max, .events = events, .ctx = ctx};
    int rc;

    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        r.at += 3;
    rc = ini_parse_stream(give_line, &r, take_value, &r);
    if (r.pending)
        fail_misread(&r);
    else if (rc < 0)
        fail(&r, "out of memory");
    *lines = r.line;
    return rc >= 0 && !r.stopped;
}
