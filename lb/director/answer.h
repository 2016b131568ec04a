/* The answer to a command, made once for both readers: rows of named values become a table for people or one
 * JSON document on one line for programs. A command opens a list or an object, writes rows key by key, and
 * never looks at the format; or it says ok, an error, or a text as it is.
 *
 * A failure while it is made (memory refused, too large) sticks and becomes the answer. No answer holds an
 * empty line, and none holds a byte that could steer a terminal. */
#ifndef DIRECTOR_ANSWER_H
#define DIRECTOR_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "director/text.h"

#define ANSWER_DEPTH 4u

enum answer_shape { ANSWER_NOTHING, ANSWER_LIST, ANSWER_OBJECT, ANSWER_DONE };

struct answer {
    bool json;
    bool is_error;
    enum answer_shape shape;
    const char *const *columns; /* of the table: keys, NULL at the end */
    const char *failed;         /* why it can't be given; static */
    struct text out;            /* JSON as it grows; the finished answer */
    struct text cells;          /* of the table, until all widths are known */
    struct text notes;          /* lines behind the table */
    json_t *row[ANSWER_DEPTH];  /* the open row and the objects open in it */
    unsigned depth;             /* 0: no row is open */
    uint64_t n_rows;
};

void answer_init(struct answer *a, bool json, struct text_budget *budget);
void answer_fini(struct answer *a);

/* A list; the table shows `columns` (static, kept) of each row, JSON all keys. */
void answer_list(struct answer *a, const char *const *columns);
/* One object; for people it is a line for each key, keys of inner objects behind a dot. */
void answer_object(struct answer *a);

void answer_row(struct answer *a); /* begins a row of the list, or the object */
void answer_row_end(struct answer *a);
void answer_u64(struct answer *a, const char *key, uint64_t value);
void answer_str(struct answer *a, const char *key, const char *value); /* NULL: unknown */
void answer_str_n(struct answer *a, const char *key, const char *value, size_t n);
void answer_bool(struct answer *a, const char *key, bool value); /* the table says yes or no */
void answer_null(struct answer *a, const char *key);
void answer_strs(struct answer *a, const char *key, char *const *values, uint32_t n);
void answer_open(struct answer *a, const char *key); /* an object as the value */
void answer_close(struct answer *a);

/* A line for people behind the table; JSON doesn't have it. */
void answer_note(struct answer *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Each replaces whatever there was. */
void answer_ok(struct answer *a);
void answer_error(struct answer *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Lines for people as they are, but without the empty ones; JSON: {key: the same}. */
void answer_text(struct answer *a, const char *key, const char *text, size_t len);

/* Renders it into a->out, which then is the whole answer with its newline, and an empty line behind it where
 * that is wanted. It is empty only when memory was refused for a few bytes. */
void answer_finish(struct answer *a, bool blank_line);

#endif
