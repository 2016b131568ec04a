#include "director/table_text.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "proto/utf8.h"

#define COLUMNS_MAX 32u
#define KEY_MAX     128u
#define GAP         2u

/* Before the bytes of each cell. */
struct cell {
    uint32_t len;
    uint32_t width; /* in characters */
    uint32_t is_number;
};

bool table_text_safe(struct text *out, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t len = utf8_next(bytes + i, n - i);
        unsigned char c = (unsigned char)bytes[i];
        /* U+0080 to U+009F steer terminals, too. */
        bool bad = len == 0 || c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)bytes[i + 1] < 0xa0);
        char hex[8];

        if (len == 0)
            len = 1;
        if (!bad && !text_append(out, bytes + i, len))
            return false;
        for (size_t k = i; bad && k < i + len; k++) {
            snprintf(hex, sizeof hex, "\\x%02x", (unsigned char)bytes[k]);
            if (!text_append(out, hex, 4))
                return false;
        }
        i += len;
    }
    return true;
}

static uint32_t width_of(const char *bytes, size_t n)
{
    uint32_t width = 0;

    for (size_t i = 0; i < n; i++)
        width += ((unsigned char)bytes[i] & 0xc0) != 0x80;
    return width;
}

static bool value_text(struct text *out, const json_t *value)
{
    char number[32];

    switch (json_typeof(value)) {
    case JSON_STRING:
        if (json_string_length(value) == 0)
            return text_append(out, "-", 1);
        return table_text_safe(out, json_string_value(value), json_string_length(value));
    case JSON_INTEGER:
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return text_append(out, number, strlen(number));
    case JSON_REAL:
        snprintf(number, sizeof number, "%.6g", json_real_value(value));
        return text_append(out, number, strlen(number));
    case JSON_TRUE:
        return text_append(out, "yes", 3);
    case JSON_FALSE:
        return text_append(out, "no", 2);
    case JSON_ARRAY:
        if (json_array_size(value) == 0)
            return text_append(out, "-", 1);
        for (size_t i = 0; i < json_array_size(value); i++) {
            if ((i > 0 && !text_append(out, ",", 1)) || !value_text(out, json_array_get(value, i)))
                return false;
        }
        return true;
    case JSON_OBJECT:
    case JSON_NULL:
        break;
    }
    return text_append(out, "-", 1);
}

static bool add_cell(struct text *cells, const json_t *value)
{
    struct cell cell = {.is_number = !value || json_is_number(value) || json_is_null(value)};
    size_t at = cells->len, start;

    if (!text_append(cells, &cell, sizeof cell))
        return false;
    start = cells->len;
    if (!(value ? value_text(cells, value) : text_append(cells, "-", 1)))
        return false;
    cell.len = (uint32_t)(cells->len - start);
    cell.width = width_of(cells->p + start, cell.len);
    memcpy(cells->p + at, &cell, sizeof cell);
    return true;
}

static bool add_key(struct text *cells, const char *key)
{
    struct cell cell = {.len = (uint32_t)strlen(key)};

    cell.width = width_of(key, cell.len);
    return text_append(cells, &cell, sizeof cell) && text_append(cells, key, cell.len);
}

bool table_text_row(struct text *cells, const json_t *row, const char *const *columns)
{
    for (; *columns; columns++) {
        if (!add_cell(cells, json_object_get(row, *columns)))
            return false;
    }
    return true;
}

static bool add_object(struct text *cells, const char *prefix, const json_t *object)
{
    char name[KEY_MAX];
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        snprintf(name, sizeof name, "%s%s", prefix, key);
        if (json_object_size(value) > 0) {
            char inner[KEY_MAX + 1];

            snprintf(inner, sizeof inner, "%s.", name);
            if (!add_object(cells, inner, value))
                return false;
        } else if (!add_key(cells, name) || !add_cell(cells, value)) {
            return false;
        }
    }
    return true;
}

bool table_text_object(struct text *cells, const json_t *object)
{
    return add_object(cells, "", object);
}

/* ---- rendering ---- */

struct widths {
    unsigned n;
    uint32_t width[COLUMNS_MAX];
    bool right[COLUMNS_MAX];
};

static size_t read_cell(const struct text *cells, size_t at, struct cell *out)
{
    memcpy(out, cells->p + at, sizeof *out);
    return at + sizeof *out;
}

static void measure(struct widths *w, const struct text *cells, const char *const *columns)
{
    *w = (struct widths){.n = 2};
    if (columns) {
        for (w->n = 0; w->n < COLUMNS_MAX && columns[w->n]; w->n++) {
            w->width[w->n] = width_of(columns[w->n], strlen(columns[w->n]));
            w->right[w->n] = cells->len > 0;
        }
    }
    unsigned i = 0;
    for (size_t at = 0; at < cells->len; i = (i + 1) % w->n) {
        struct cell c;

        at = read_cell(cells, at, &c) + c.len;
        if (c.width > w->width[i])
            w->width[i] = c.width;
        if (!c.is_number)
            w->right[i] = false;
    }
}

/* One cell with its padding and, in the last column, the end of the line. */
static bool put_cell(struct text *out, const struct widths *w, unsigned i, const char *bytes, size_t len,
                     uint32_t width)
{
    size_t pad = w->width[i] - width;
    bool last = i + 1 == w->n;

    return (!w->right[i] || text_pad(out, ' ', pad)) && text_append(out, bytes, len) &&
           text_pad(out, ' ', last ? 0 : GAP + (w->right[i] ? 0 : pad)) &&
           (!last || text_append(out, "\n", 1));
}

bool table_text_render(struct text *out, const struct text *cells, const char *const *columns)
{
    struct widths w;

    measure(&w, cells, columns);
    for (unsigned i = 0; columns && i < w.n; i++) {
        size_t len = strlen(columns[i]);

        if (!put_cell(out, &w, i, columns[i], len, width_of(columns[i], len)))
            return false;
    }
    unsigned i = 0;
    for (size_t at = 0; at < cells->len; i = (i + 1) % w.n) {
        struct cell c;

        at = read_cell(cells, at, &c);
        if (!put_cell(out, &w, i, cells->p + at, c.len, c.width))
            return false;
        at += c.len;
    }
    return true;
}
