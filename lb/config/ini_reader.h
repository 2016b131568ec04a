/* Reads INI text through inih, and says what inih would cut or misread. inih asks for the text line by line,
 * so the reader that stands before it counts lines, sees every section (inih hides empty and repeated ones
 * and cuts long names), strips leading blanks (inih would take the line as more of the value before), and
 * refuses long lines, comments behind a value and ':' in place of '='. What a handler of inih gets is
 * compared with what stands in the line. */
#ifndef CONFIG_INI_READER_H
#define CONFIG_INI_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INI_READER_LINE_MAX 195 /* bytes without blanks at the ends; inih cuts a little later */
#define INI_READER_KEY_MAX  49  /* inih keeps 49 bytes of a name */

/* Strings live for the call only. An error's line isn't read further; reading goes on with the next one. */
struct ini_reader_events {
    /* `kind` and `name` of "[kind name]", "" where there is none. NULL, NULL: a header that can't be read,
     * whose keys belong nowhere. */
    void (*section)(void *ctx, uint32_t line, const char *kind, const char *name);
    void (*value)(void *ctx, uint32_t line, const char *key, const char *value);
    void (*error)(void *ctx, uint32_t line, const char *text);
};

/* false: reading stopped before the end (a NUL, more than lines_max, no memory), which has been reported.
 * *lines is how many were read. */
bool ini_reader_run(const char *text, size_t len, uint32_t lines_max, uint32_t *lines,
                    const struct ini_reader_events *events, void *ctx);

#endif
