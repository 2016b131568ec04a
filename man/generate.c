/* wslb-man IN OUT SOURCE_DIR: writes a manual page from a hand-written one, in which a line `@@ NAME` stands
 * for what a table says; see sections.h. Runs when wslb is built and isn't installed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sections.h"

/* false: a line is wrong; it is on stderr. */
static int write_page(FILE *in, const char *in_path, FILE *out, const char *source_dir)
{
    char *line = NULL;
    size_t cap = 0;
    unsigned number = 0;
    int wrong = 0;

    while (getline(&line, &cap, in) > 0) {
        const char *why;
        char *name, *argument;

        number++;
        if (strncmp(line, "@@", 2) != 0) {
            fputs(line, out);
            continue;
        }
        line[strcspn(line, "\n")] = '\0';
        name = line + 2 + strspn(line + 2, " ");
        argument = name + strcspn(name, " ");
        if (*argument) {
            *argument++ = '\0';
            argument += strspn(argument, " ");
        }
        why = sections_write(out, name, argument, source_dir);
        if (!why)
            continue;
        fprintf(stderr, "%s:%u: \"@@ %s %s\": %s\n", in_path, number, name, argument, why);
        wrong = 1;
    }
    free(line);
    if (ferror(in)) {
        fprintf(stderr, "%s: %s\n", in_path, strerror(errno));
        wrong = 1;
    }
    return wrong;
}

int main(int argc, char **argv)
{
    FILE *in, *out;
    int wrong;

    if (argc != 4) {
        fputs("usage: wslb-man IN OUT SOURCE_DIR\n", stderr);
        return 2;
    }
    in = fopen(argv[1], "r");
    if (!in) {
        perror(argv[1]);
        return 1;
    }
    out = fopen(argv[2], "w");
    if (!out) {
        perror(argv[2]);
        fclose(in);
        return 1;
    }
    wrong = write_page(in, argv[1], out, argv[3]);
    fclose(in);
    if (fclose(out) != 0) {
        perror(argv[2]);
        wrong = 1;
    }
    if (wrong)
        remove(argv[2]); /* half a page must not look like one */
    return wrong;
}
