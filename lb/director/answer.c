#include "director/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "director/table_text.h"
#include "proto/utf8.h"

#define ERROR_MAX 1024u

static const char too_large[] = "the answer is too large, or too many large ones wait to be read";
static const char no_memory[] = "out of memory";

static void put(struct answer *a, struct text *t, const void *bytes, size_t n)
{
    if (!a->failed && !text_append(t, bytes, n))
        a->failed = too_large;
}

/* DEL, which is ASCII and which JSON allows as it is, stands in strings only. */
static int put_json(const char *bytes, size_t n, void *ctx)
{
    struct answer *a = ctx;

    for (const char *del; (del = memchr(bytes, 0x7f, n)); bytes = del + 1) {
        put(a, &a->out, bytes, (size_t)(del - bytes));
        put(a, &a->out, "\\u007F", 6);
        n -= (size_t)(del - bytes) + 1;
    }
    put(a, &a->out, bytes, n);
    return a->failed ? -1 : 0;
}

/* A document's one line: whatever bytes a string has, JSON_ENSURE_ASCII leaves none that ends the line or
 * steers a terminal. */
static void dump(struct answer *a, const json_t *value)
{
    if (json_dump_callback(value, put_json, a, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY) != 0 &&
        !a->failed)
        a->failed = no_memory;
}

void answer_init(struct answer *a, bool json, struct text_budget *budget)
{
    *a = (struct answer){.json = json};
    text_init(&a->out, budget);
    text_init(&a->cells, budget);
    text_init(&a->notes, budget);
}

static void drop_row(struct answer *a)
{
    if (a->depth > 0)
        json_decref(a->row[0]); /* which owns the inner ones */
    a->depth = 0;
}

static void start_over(struct answer *a)
{
    drop_row(a);
    text_free(&a->out);
    text_free(&a->cells);
    text_free(&a->notes);
    a->shape = ANSWER_NOTHING;
    a->failed = NULL;
    a->is_error = false;
    a->n_rows = 0;
}

void answer_fini(struct answer *a)
{
    start_over(a);
}

void answer_list(struct answer *a, const char *const *columns)
{
    start_over(a);
    a->shape = ANSWER_LIST;
    a->columns = columns;
    if (a->json)
        put(a, &a->out, "[", 1);
}

void answer_object(struct answer *a)
{
    start_over(a);
    a->shape = ANSWER_OBJECT;
}

/* ---- rows ---- */

static void push(struct answer *a, json_t *object)
{
    if (!object)
        a->failed = no_memory;
    else
        a->row[a->depth++] = object;
}

void answer_row(struct answer *a)
{
    drop_row(a);
    if (!a->failed)
        push(a, json_object());
}

/* Takes `value`. */
static void set(struct answer *a, const char *key, json_t *value)
{
    if (a->failed || a->depth == 0)
        json_decref(value);
    else if (json_object_set_new(a->row[a->depth - 1], key, value) != 0)
        a->failed = no_memory;
}

void answer_open(struct answer *a, const char *key)
{
    json_t *object = json_object();

    if (a->depth == ANSWER_DEPTH) {
        json_decref(object);
        a->failed = "the answer is nested too deep";
        return;
    }
    set(a, key, object);
    if (!a->failed && a->depth > 0)
        push(a, object); /* the outer one owns it */
}

void answer_close(struct answer *a)
{
    if (!a->failed && a->depth > 1)
        a->depth--;
}

void answer_u64(struct answer *a, const char *key, uint64_t value)
{
    set(a, key, json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value));
}

void answer_bool(struct answer *a, const char *key, bool value)
{
    set(a, key, json_boolean(value));
}

void answer_null(struct answer *a, const char *key)
{
    set(a, key, json_null());
}

/* Bytes that are no UTF-8 become U+FFFD, since JSON can't say them. */
static json_t *string_of(const char *bytes, size_t n)
{
    json_t *s = json_stringn(bytes, n);
    char *fixed, *to;

    if (s)
        return s;
    fixed = to = malloc(n * 3 + 1);
    if (!fixed)
        return NULL;
    for (size_t i = 0; i < n;) {
        size_t len = utf8_next(bytes + i, n - i);

        memcpy(to, len ? bytes + i : "\xef\xbf\xbd", len ? len : 3);
        to += len ? len : 3;
        i += len ? len : 1;
    }
    s = json_stringn(fixed, (size_t)(to - fixed));
    free(fixed);
    return s;
}

void answer_str_n(struct answer *a, const char *key, const char *value, size_t n)
{
    set(a, key, string_of(value, n));
}

void answer_str(struct answer *a, const char *key, const char *value)
{
    if (value)
        answer_str_n(a, key, value, strlen(value));
    else
        answer_null(a, key);
}

void answer_strs(struct answer *a, const char *key, char *const *values, uint32_t n)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < n && !a->failed; i++) {
        if (json_array_append_new(array, string_of(values[i], strlen(values[i]))) != 0)
            a->failed = no_memory;
    }
    set(a, key, array);
}

void answer_row_end(struct answer *a)
{
    if (!a->failed && a->depth != 1)
        a->failed = "a row of the answer was left open";
    if (!a->failed && a->json) {
        if (a->shape == ANSWER_LIST && a->n_rows > 0)
            put(a, &a->out, ",", 1);
        dump(a, a->row[0]);
    } else if (!a->failed) {
        bool fits = a->shape == ANSWER_LIST ? table_text_row(&a->cells, a->row[0], a->columns)
                                            : table_text_object(&a->cells, a->row[0]);
        if (!fits)
            a->failed = too_large;
    }
    drop_row(a);
    a->n_rows++;
}

/* A line for people, whatever bytes it is made of. */
static void put_line(struct answer *a, struct text *t, const char *line, size_t len)
{
    if (!a->failed && !table_text_safe(t, line, len))
        a->failed = too_large;
    put(a, t, "\n", 1);
}

void answer_note(struct answer *a, const char *fmt, ...)
{
    char line[256];
    va_list ap;

    if (a->json)
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    put_line(a, &a->notes, line, strlen(line));
}

/* ---- whole answers ---- */

/* {key: value}, and takes the value. */
static void only(struct answer *a, const char *key, json_t *value)
{
    json_t *object = json_object();

    if (json_object_set_new(object, key, value) == 0)
        dump(a, object);
    else
        a->failed = no_memory;
    json_decref(object);
    put(a, &a->out, "\n", 1);
}

void answer_ok(struct answer *a)
{
    start_over(a);
    if (a->json)
        only(a, "ok", json_true());
    else
        put(a, &a->out, "ok\n", 3);
    a->shape = ANSWER_DONE;
}

void answer_error(struct answer *a, const char *fmt, ...)
{
    char text[ERROR_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    start_over(a);
    a->is_error = true;
    if (a->json) {
        only(a, "error", string_of(text, strlen(text)));
    } else {
        put(a, &a->out, "error: ", 7);
        put_line(a, &a->out, text, strlen(text));
    }
    a->shape = ANSWER_DONE;
}

void answer_text(struct answer *a, const char *key, const char *text, size_t len)
{
    start_over(a);
    if (a->json)
        only(a, key, string_of(text, len));
    for (size_t i = 0; i < len && !a->json;) {
        const char *end = memchr(text + i, '\n', len - i);
        size_t n = end ? (size_t)(end - text) - i : len - i;

        if (n > 0)
            put_line(a, &a->out, text + i, n);
        i += n + 1;
    }
    a->shape = ANSWER_DONE;
}

static void render(struct answer *a)
{
    if (!a->failed && a->json && a->shape == ANSWER_LIST)
        put(a, &a->out, "]", 1);
    if (!a->failed && !a->json && a->shape == ANSWER_LIST &&
        !table_text_render(&a->out, &a->cells, a->columns))
        a->failed = too_large;
    if (!a->failed && !a->json && a->shape == ANSWER_OBJECT && !table_text_render(&a->out, &a->cells, NULL))
        a->failed = too_large;
    if (!a->failed && a->json && a->shape != ANSWER_DONE)
        put(a, &a->out, "\n", 1);
    if (!a->failed && a->notes.len > 0)
        put(a, &a->out, a->notes.p, a->notes.len);
}

void answer_finish(struct answer *a, bool blank_line)
{
    static const char last_word[] = "error: out of memory\n\n",
                      last_word_json[] = "{\"error\":\"out of memory\"}\n\n";

    render(a);
    text_free(&a->cells);
    text_free(&a->notes);
    if (blank_line)
        put(a, &a->out, "\n", 1);
    if (a->failed) {
        answer_error(a, "%s", a->failed);
        if (blank_line)
            put(a, &a->out, "\n", 1);
    }
    if (a->failed || a->out.len == 0) {
        const char *last = a->json ? last_word_json : last_word;

        a->is_error = true;
        text_free(&a->out);
        text_append(&a->out, last, strlen(last) - !blank_line);
    }
    a->shape = ANSWER_DONE;
}
