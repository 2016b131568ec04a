/* Feeds a target the files and folders of the command line, in the order of their names: the seed corpus as a
 * test, by any compiler, and a finding under a debugger. */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "fuzz.h"

static unsigned n_inputs;

static _Noreturn void cannot(const char *path)
{
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    exit(2);
}

static void feed_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    size_t n = 0, cap = 4096;
    uint8_t *bytes = malloc(cap), *exact;

    if (!f || !bytes)
        cannot(path);
    for (size_t got; (got = fread(bytes + n, 1, cap - n, f)) > 0;) {
        n += got;
        if (n == cap && !(bytes = realloc(bytes, cap *= 2)))
            cannot(path);
    }
    if (ferror(f))
        cannot(path);
    fclose(f);
    exact = fuzz_copy(bytes, n);
    free(bytes);
    fprintf(stderr, "%s\n", path);
    fuzz_check(LLVMFuzzerTestOneInput(exact, n) == 0);
    free(exact);
    n_inputs++;
}

static void feed(const char *path)
{
    struct dirent **names;
    struct stat st;
    char below[4096];
    int n;

    if (stat(path, &st) != 0)
        cannot(path);
    if (!S_ISDIR(st.st_mode)) {
        feed_file(path);
        return;
    }
    n = scandir(path, &names, NULL, alphasort);
    if (n < 0)
        cannot(path);
    for (int i = 0; i < n; i++) {
        int len = snprintf(below, sizeof below, "%s/%s", path, names[i]->d_name);

        fuzz_check(len > 0 && (size_t)len < sizeof below);
        if (names[i]->d_name[0] != '.')
            feed(below);
        free(names[i]);
    }
    free(names);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

int main(int argc, char **argv)
{
    if (LLVMFuzzerInitialize)
        LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++)
        feed(argv[i]);
    fprintf(stderr, "%u inputs\n", n_inputs);
    return n_inputs ? 0 : 2;
}
