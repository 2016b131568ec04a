/* THE table of options: one row is the key, its type, where it is kept, its default, what it may be and the
 * line of the manual. Reading, defaults, -T, the nearest right spelling and the manual all come from it. A
 * default is text and is read by the code that reads a user's. */
#ifndef CONFIG_OPTIONS_H
#define CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

#define OPTION_ERROR_MAX  512
#define OPTION_VALUES_MAX 256
#define OPTION_TEXT_MAX   256 /* a printed value; a line of the file is shorter */

enum option_section { OPTION_GLOBAL, OPTION_LISTENER, OPTION_POOL, OPTION_BACKEND, OPTION_SECTIONS };

/* Finds a pool's index by name. -1: there is none; *nearest is then the nearest name, or NULL. */
struct option_pools {
    int (*find)(void *ctx, const char *name, const char **nearest);
    void *ctx;
};

struct option_value {
    const char *text; /* without blanks at its ends, not empty, without control bytes */
    const char *file; /* lives as long as the config; NULL: a default's */
    uint32_t line;
    const struct option_pools *pools;
};

struct option;

struct option_type {
    /* Writes the value into the field; a list grows by one. false: `error` says what is wrong and what would
     * be right, and the field is as it was. */
    bool (*parse)(const struct option *o, const struct option_value *v, void *field,
                  char error[OPTION_ERROR_MAX]);
    /* The text of the value, or of a list's item `index`, as parse reads it. false: there is none. */
    bool (*print)(const struct option *o, const struct config *c, const void *field, uint32_t index,
                  char out[OPTION_TEXT_MAX]);
    void (*describe)(const struct option *o, char out[OPTION_VALUES_MAX]);
    void (*fini)(void *field); /* NULL: nothing to free */
};

struct option {
    enum option_section section;
    const char *key;
    const struct option_type *type;
    size_t offset;            /* of the field in the section's struct */
    const char *def;          /* NULL: none */
    uint64_t min, max;        /* of numbers, in the field's unit */
    const char *zero;         /* the word that stands for 0 and means there is no such limit; NULL: none */
    const char *const *words; /* of enums, NULL-terminated; the index is the value */
    bool required, repeatable;
    const char *help;
};

extern const struct option option_table[]; /* sections in the enum's order */
extern const size_t option_count;

const char *option_section_name(enum option_section s);

/* OPTION_SECTIONS: there is none of that name. */
enum option_section option_section_find(const char *name);

/* NULL: there is none of that name in the section. */
const struct option *option_find(enum option_section s, const char *key);

/* The first row of a section and behind its last. */
const struct option *option_begin(enum option_section s);
const struct option *option_end(enum option_section s);

/* Says of a key that the section doesn't have where it belongs or how it is spelt; "" when nothing is near.
 */
void option_hint(enum option_section s, const char *key, char out[OPTION_ERROR_MAX]);

static inline void *option_field(const struct option *o, void *section)
{
    return (char *)section + o->offset;
}

static inline const void *option_field_const(const struct option *o, const void *section)
{
    return (const char *)section + o->offset;
}

/* Writes every default into a section's struct, which is all zeros before. false: memory was refused. */
bool option_defaults(enum option_section s, void *section);

/* Frees what the section's fields own. */
void option_fini(enum option_section s, void *section);

/* option_numbers.c */
extern const struct option_type option_type_count32, option_type_count64, option_type_time, option_type_size,
    option_type_rate, option_type_mode, option_type_close_code;
/* option_words.c */
extern const struct option_type option_type_switch, option_type_word, option_type_log_level,
    option_type_algorithm, option_type_pool;
/* option_strings.c */
extern const struct option_type option_type_path, option_type_user, option_type_group, option_type_address,
    option_type_addresses, option_type_networks, option_type_include;

#endif
