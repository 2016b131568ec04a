/* A line of the admin socket: whether it is one, and the commands and words it falls into, against a splitter
 * that builds them anew; then every command's pattern is held against them. */
#include "proto/admin_line.h"

#include "director/admin_commands.h"
#include "director/admin_pattern.h"
#include "fuzz.h"

/* ---- whether it is a line ---- */

/* The bytes of one character, by decoding it and encoding it again; 0: it is none. */
static size_t slow_utf8(const uint8_t *b, size_t n)
{
    uint32_t first = b[0], code;
    size_t len = first < 0x80   ? 1
                 : first < 0xc0 ? 0
                 : first < 0xe0 ? 2
                 : first < 0xf0 ? 3
                 : first < 0xf8 ? 4
                                : 0;
    uint8_t again[4];

    if (len == 0 || len > n)
        return 0;
    code = len == 1 ? first : first & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((b[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (b[i] & 0x3f);
    }
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    size_t need = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (need != len)
        return 0;
    for (size_t i = len; i-- > 1; code >>= 6)
        again[i] = (uint8_t)(0x80 | (code & 0x3f));
    again[0] = (uint8_t)(len == 1 ? code : (0xf00u >> len & 0xff) | code);
    fuzz_check(memcmp(again, b, len) == 0);
    return len;
}

static bool slow_check(const uint8_t *b, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t len = slow_utf8(b + i, n - i);
        if (len == 0 || (b[i] < 32 && b[i] != '\t') || b[i] == 127)
            return false;
        i += len;
    }
    return n <= ADMIN_LINE_MAX;
}

/* ---- commands and words ---- */

/* All words, a NUL behind each, and a 1 before each command's first. */
struct slow_words {
    char *text;
    size_t n;
};

static void put(struct slow_words *w, char c)
{
    w->text[w->n++] = c;
}

static void slow_split(struct slow_words *w, const char *line)
{
    bool in_word = false, in_command = false;

    for (const char *p = line;; p++) {
        if (*p == '\0' || *p == ';' || *p == ' ' || *p == '\t') {
            if (in_word)
                put(w, '\0');
            in_word = false;
            if (*p == ';')
                in_command = false;
            if (*p == '\0')
                return;
            continue;
        }
        if (!in_command)
            put(w, 1);
        in_command = in_word = true;
        if (*p == '\\' && p[1])
            p++;
        put(w, *p);
    }
}

/* ---- patterns ---- */

static void match_all(char *const *words, unsigned n)
{
    unsigned wholes = 0;

    for (unsigned i = 0; i < admin_commands_n; i++) {
        const char *args[ADMIN_ARGS_MAX];
        unsigned fits = 77, given = 0;
        enum admin_match m = admin_pattern_match(admin_commands[i].pattern, words, n, args, &fits);
        char name[ADMIN_PATTERN_NAME];
        unsigned in_name = admin_pattern_name(admin_commands[i].pattern, name);

        wholes += m == ADMIN_MATCH_WHOLE;
        fuzz_check(fits <= n && in_name > 0);
        fuzz_check(m == ADMIN_MATCH_NONE || fits >= in_name);
        for (unsigned k = 0; k < ADMIN_ARGS_MAX; k++) {
            bool one_of_them = false;
            for (unsigned w = in_name; w < n; w++)
                one_of_them = one_of_them || args[k] == words[w];
            fuzz_check(!args[k] || (m == ADMIN_MATCH_WHOLE && one_of_them));
            given += args[k] != NULL;
        }
        fuzz_check(given <= n - (m == ADMIN_MATCH_WHOLE ? in_name : 0));
    }
    fuzz_check(wholes <= 1); /* no line means two commands */
}

/* `line` is taken apart; `want` is how it must fall. */
static void split(char *line, size_t len, const struct slow_words *want)
{
    char *rest = line, *words[ADMIN_WORDS_MAX];
    size_t at = 0;
    unsigned n;

    while ((n = admin_line_next(&rest, words)) > 0) {
        fuzz_check(n <= ADMIN_WORDS_MAX + 1 && rest <= line + len);
        fuzz_check(at < want->n && want->text[at] == 1);
        at++;
        for (unsigned i = 0; i < n && i < ADMIN_WORDS_MAX; i++) {
            fuzz_check(words[i] >= line && words[i] <= line + len);
            fuzz_check(at < want->n && strcmp(words[i], want->text + at) == 0);
            at += strlen(words[i]) + 1;
        }
        if (n <= ADMIN_WORDS_MAX)
            match_all(words, n);
        for (; n > ADMIN_WORDS_MAX && at < want->n && want->text[at] != 1; n++)
            at += strlen(want->text + at) + 1;
    }
    fuzz_check(at == want->n);
    fuzz_check(admin_line_next(&rest, words) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *exact = fuzz_copy(data, size);
    const char *why = NULL;
    bool ok = admin_line_check(exact, size, &why);

    free(exact);
    fuzz_check(ok == slow_check(data, size) && ok == !why);
    if (!ok)
        return 0;
    char *line = malloc(size + 1);
    struct slow_words want = {.text = malloc(2 * size + 2)};
    fuzz_check(line && want.text);
    if (size)
        memcpy(line, data, size);
    line[size] = '\0';
    slow_split(&want, line);
    split(line, size, &want);
    free(line);
    free(want.text);
    return 0;
}
