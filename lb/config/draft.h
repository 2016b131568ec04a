/* What stands in the files, before it has a meaning: sections in their order, each with the options that were
 * said, includes flattened and ${NAME} expanded. Unknown sections and keys, duplicates and empty sections are
 * found here; values are still text. */
#ifndef CONFIG_DRAFT_H
#define CONFIG_DRAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "config/options.h"

/* Of all files together, and the bytes once more of all values. An effective text says what the files leave
 * to defaults, and each item of a list on its own line: whatever fits into the files must fit into it. */
#define DRAFT_FILES_BYTES_MAX (8u << 20)
#define DRAFT_FILES_LINES_MAX 1000000u
#define DRAFT_TEXT_BYTES_MAX  (256u << 20)
#define DRAFT_TEXT_LINES_MAX  16000000u

#define DRAFT_FILES_MAX 1024u
#define DRAFT_DEPTH_MAX 8u /* of includes within includes */

struct draft_entry {
    const struct option *option;
    char *text;
    uint32_t file, line;
};

struct draft_section {
    enum option_section kind;
    char name[CONFIG_NAME_MAX + 1]; /* "" of [global] */
    uint32_t index;                 /* among those of its kind */
    uint32_t file, line;
    bool dropped; /* its header is an error; its keys are looked at and forgotten */
    bool empty;
    uint64_t said; /* a bit for each option, by its place in the section's rows */
    struct draft_entry *entries;
    uint32_t n_entries;
};

struct draft {
    struct draft_section **sections;
    uint32_t n_sections;
    struct draft_section *global;      /* NULL: nobody said it */
    uint32_t counts[OPTION_SECTIONS];  /* without the dropped ones */
    uint32_t headers[OPTION_SECTIONS]; /* with them */
    char **files;
    uint32_t n_files;
    bool incomplete; /* something wasn't read: what seems to lack may stand there */
    struct config_errors *errors;

    void *names; /* a tsearch tree of the sections that aren't dropped */
    uint64_t (*file_ids)[2];
    size_t bytes_max, file_bytes, value_bytes;
    uint32_t lines_max, lines;
};

void draft_init(struct draft *d, struct config_errors *errors);
void draft_fini(struct draft *d);

/* Errors are in d->errors. */
void draft_read_file(struct draft *d, const char *path);
void draft_read_text(struct draft *d, const char *text, size_t len, const char *name);

/* NULL: there is none; the nearest spelling, or NULL, is in *nearest when that isn't NULL. */
const struct draft_section *draft_find(const struct draft *d, enum option_section kind, const char *name,
                                       const char **nearest);

static inline uint64_t draft_bit(const struct option *o)
{
    return UINT64_C(1) << (o - option_begin(o->section));
}

/* Where the section said the option first. NULL: it didn't, or the value was an error. */
const struct draft_entry *draft_entry_of(const struct draft_section *s, const struct option *o);

/* Whether another error would still be shown: looking for what was meant takes time that nobody thanks for.
 */
static inline bool draft_hints_wanted(const struct draft *d)
{
    return d->errors->n < CONFIG_ERRORS_SHOWN;
}

/* For those who fill a draft. Room for one more; doubles, so that the capacity follows from n. NULL: memory
 * was refused and the array is as it was. */
void *draft_grown(void *array, uint32_t n, size_t item_bytes);

/* Of two sections, by kind and name; for tsearch. */
int draft_compare(const void *a, const void *b);

#endif
