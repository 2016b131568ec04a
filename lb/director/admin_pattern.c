#include "director/admin_pattern.h"

#include <stdbool.h>
#include <string.h>

/* A piece of the pattern: the word, or what stands between brackets. */
struct piece {
    const char *p;
    size_t len;
    bool optional;
};

static bool next_piece(const char **at, struct piece *out)
{
    const char *p = *at + strspn(*at, " ");

    if (!*p)
        return false;
    out->optional = *p == '[';
    out->p = out->optional ? p + 1 : p;
    out->len = strcspn(out->p, out->optional ? "]" : " ");
    *at = out->p + out->len + (out->optional ? 1 : 0);
    return true;
}

static bool is_argument(const char *p, size_t len)
{
    return (*p >= 'A' && *p <= 'Z') || memchr(p, '|', len);
}

static bool equals(const char *p, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(p, word, len) == 0;
}

/* Whether an argument of this kind may be `word`. */
static bool accepts(const char *p, size_t len, const char *word)
{
    if (!memchr(p, '|', len))
        return true;
    for (const char *end = p + len; p < end;) {
        const char *bar = memchr(p, '|', (size_t)(end - p));
        size_t n = (size_t)((bar ? bar : end) - p);

        if (equals(p, n, word))
            return true;
        p += n + 1;
    }
    return false;
}

/* "key ARG" or "ARG" between brackets: the key's length is 0 for the latter. */
static size_t key_len(const struct piece *g)
{
    const char *blank = memchr(g->p, ' ', g->len);

    return blank ? (size_t)(blank - g->p) : 0;
}

/* Gives the words left over to the brackets; false: one belongs to none. `at` is the first bracket, `arg` its
 * number. */
static bool match_optional(const char *at, unsigned arg, char *const *words, unsigned n,
                           const char *args[ADMIN_ARGS_MAX])
{
    for (unsigned w = 0; w < n;) {
        const char *rest = at;
        struct piece g;
        bool taken = false;

        for (unsigned i = arg; !taken && next_piece(&rest, &g); i++) {
            size_t key = key_len(&g);
            unsigned value = key ? w + 1 : w;

            if (args[i] || value >= n || (key && !equals(g.p, key, words[w])))
                continue;
            if (!accepts(g.p + (key ? key + 1 : 0), g.len - (key ? key + 1 : 0), words[value]))
                return false;
            args[i] = words[value];
            w = value + 1;
            taken = true;
        }
        if (!taken)
            return false;
    }
    return true;
}

static enum admin_match match(const char *pattern, char *const *words, unsigned n,
                              const char *args[ADMIN_ARGS_MAX], unsigned *fits)
{
    const char *at = pattern, *before = pattern;
    struct piece piece;
    unsigned w = 0, arg = 0;
    bool named = false; /* all first words that are said as they are have come */

    while (next_piece(&at, &piece)) {
        bool argument = is_argument(piece.p, piece.len);

        named = named || argument || piece.optional;
        if (piece.optional)
            break;
        if (w == n ||
            !(argument ? accepts(piece.p, piece.len, words[w]) : equals(piece.p, piece.len, words[w])))
            return named ? ADMIN_MATCH_NAME : ADMIN_MATCH_NONE;
        if (argument)
            args[arg++] = words[w];
        *fits = ++w;
        before = at;
    }
    return match_optional(before, arg, words + w, n - w, args) ? ADMIN_MATCH_WHOLE : ADMIN_MATCH_NAME;
}

enum admin_match admin_pattern_match(const char *pattern, char *const *words, unsigned n_words,
                                     const char *args[ADMIN_ARGS_MAX], unsigned *fits)
{
    enum admin_match m;

    *fits = 0;
    memset(args, 0, ADMIN_ARGS_MAX * sizeof *args);
    m = match(pattern, words, n_words, args, fits);
    if (m != ADMIN_MATCH_WHOLE)
        memset(args, 0, ADMIN_ARGS_MAX * sizeof *args);
    return m;
}

unsigned admin_pattern_name(const char *pattern, char out[ADMIN_PATTERN_NAME])
{
    const char *at = pattern;
    struct piece piece;
    unsigned n = 0;
    size_t len = 0;

    while (next_piece(&at, &piece) && !piece.optional && !is_argument(piece.p, piece.len) &&
           len + piece.len + 2 <= ADMIN_PATTERN_NAME) {
        if (n++ > 0)
            out[len++] = ' ';
        memcpy(out + len, piece.p, piece.len);
        len += piece.len;
    }
    out[len] = '\0';
    return n;
}
