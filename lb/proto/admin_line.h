/* The lines of the admin socket: commands joined by ';', a command is words between blanks. A backslash takes
 * the next byte as it is ("\;", "\ ", "\\"), in HAProxy's manner. The director takes lines apart with this,
 * and wslbctl counts with it how many answers a line will get. */
#ifndef PROTO_ADMIN_LINE_H
#define PROTO_ADMIN_LINE_H

#include <stdbool.h>
#include <stddef.h>

#define ADMIN_LINE_MAX  16384u /* bytes of a line, without its end */
#define ADMIN_WORDS_MAX 64u    /* of one command */

/* Whether a line can be one: valid UTF-8 without control bytes (a tab is a blank, and one CR before the end
 * is dropped by who reads the line). *why says what isn't. */
bool admin_line_check(const char *line, size_t len, const char **why);

/* Takes the next command that has a word from *rest, which is a NUL-terminated line and is taken apart in
 * place: fills `words` and returns their number, 0 when none is left, ADMIN_WORDS_MAX + 1 when the command
 * has too many
 * (*rest is behind it). The words live as long as the line. */
unsigned admin_line_next(char **rest, char *words[ADMIN_WORDS_MAX]);

#endif
