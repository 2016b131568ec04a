#include "proto/close_reason.h"

#include <stddef.h>

enum kind { NONE, REJECT, CLOSE };

static const struct row {
    enum kind kind;
    const char *name, *text;
} ROWS[CLOSE_REASON_COUNT] = {[CLOSE_REASON_NONE] = {NONE, "none", "not ended"},
#define X(kind, name, text) [CLOSE_REASON_##name] = {kind, #name, text},
                              CLOSE_REASONS(X)
#undef X
};

/* A number from a row or a message of another version may be one that this table hasn't. */
static const struct row *row_of(enum close_reason r)
{
    static const struct row UNKNOWN = {NONE, "unknown", "a reason that this version doesn't know"};

    return (unsigned)r < CLOSE_REASON_COUNT ? &ROWS[r] : &UNKNOWN;
}

const char *close_reason_name(enum close_reason r)
{
    return row_of(r)->name;
}

const char *close_reason_text(enum close_reason r)
{
    return row_of(r)->text;
}

int close_reason_is_reject(enum close_reason r)
{
    return row_of(r)->kind == REJECT;
}
