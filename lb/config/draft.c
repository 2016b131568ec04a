#include "config/draft.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/source.h"
#include "config/spelling.h"

/* Who asks for a file: the line of an include, or nobody (the main file). */
struct asker {
    const struct source *src; /* NULL: the main file */
    uint32_t line;
};

static void __attribute__((format(printf, 4, 5)))
fail(struct draft *d, const struct asker *by, const char *path, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    d->incomplete = true;
    if (by->src)
        config_errors_add(d->errors, d->files[by->src->file], by->line, "include %s: %s", path, text);
    else
        config_errors_add(d->errors, path, 0, "%s", text);
}

void *draft_grown(void *array, uint32_t n, size_t item_bytes)
{
    if (n > 0 && (n & (n - 1)) != 0)
        return array;
    return reallocarray(array, n ? 2 * (size_t)n : 1, item_bytes);
}

int draft_compare(const void *a, const void *b)
{
    const struct draft_section *x = a, *y = b;

    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    return strcmp(x->name, y->name);
}

const struct draft_entry *draft_entry_of(const struct draft_section *s, const struct option *o)
{
    for (uint32_t i = 0; i < s->n_entries; i++)
        if (s->entries[i].option == o)
            return &s->entries[i];
    return NULL;
}

static bool add_file(struct draft *d, const char *name, const uint64_t id[2])
{
    char **files = draft_grown(d->files, d->n_files, sizeof(*files));
    uint64_t(*ids)[2] = draft_grown(d->file_ids, d->n_files, sizeof(*ids));
    char *copy = strdup(name);

    if (files)
        d->files = files;
    if (ids)
        d->file_ids = ids;
    if (!files || !ids || !copy) {
        free(copy);
        return false;
    }
    files[d->n_files] = copy;
    ids[d->n_files][0] = id[0];
    ids[d->n_files][1] = id[1];
    d->n_files++;
    return true;
}

/* Opens a file to read. Only the main file may be a pipe: nobody means to include one. -1: an error has been
 * reported. */
static int open_file(struct draft *d, const struct asker *by, const char *path, uint64_t id[2])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | (by->src ? O_NONBLOCK : 0));
    struct stat st;

    if (fd < 0) {
        fail(d, by, path, "%s", strerror(errno));
        return -1;
    }
    if (fstat(fd, &st) < 0)
        fail(d, by, path, "%s", strerror(errno));
    else if (S_ISDIR(st.st_mode))
        fail(d, by, path, "it is a directory%s", by->src ? "; right is a pattern such as conf.d/*.ini" : "");
    else if (by->src && !S_ISREG(st.st_mode))
        fail(d, by, path, "it is no regular file");
    else {
        id[0] = st.st_dev;
        id[1] = st.st_ino;
        return fd;
    }
    close(fd);
    return -1;
}

/* Reads up to `max` bytes and one more, by which the caller sees that there were too many. false: errno. */
static bool read_all(int fd, size_t max, char **out, size_t *len)
{
    size_t cap = 0;
    ssize_t n;

    *out = NULL;
    *len = 0;
    do {
        if (*len == cap) {
            char *more = realloc(*out, cap = cap ? 2 * cap : 4096);

            if (!more)
                return false;
            *out = more;
        }
        n = read(fd, *out + *len, cap - *len);
        if (n < 0 && errno != EINTR)
            return false;
        *len += n > 0 ? (size_t)n : 0;
    } while (n != 0 && *len <= max);
    return true;
}

/* A file that is read twice makes every section of it a duplicate; say the cause instead. */
static bool check_not_read(struct draft *d, const struct asker *by, const char *path, const uint64_t id[2])
{
    for (const struct source *s = by->src; s; s = s->parent) {
        if (memcmp(d->file_ids[s->file], id, sizeof(d->file_ids[0])) == 0) {
            fail(d, by, path, "the file includes itself");
            return false;
        }
    }
    for (uint32_t i = 0; i < d->n_files; i++) {
        if (memcmp(d->file_ids[i], id, sizeof(d->file_ids[0])) == 0) {
            fail(d, by, path, "the file has been included before");
            return false;
        }
    }
    return true;
}

static bool check_limits(struct draft *d, const struct asker *by, const char *path)
{
    if (by->src && by->src->depth >= DRAFT_DEPTH_MAX)
        fail(d, by, path, "more than %u files include one another", DRAFT_DEPTH_MAX);
    else if (d->n_files >= DRAFT_FILES_MAX)
        fail(d, by, path, "the configuration has more than %u files", DRAFT_FILES_MAX);
    else
        return true;
    return false;
}

static void read_includes(struct source *src);

static void read_file(struct draft *d, const struct asker *by, const char *path)
{
    struct source src = {
        .d = d, .parent = by->src, .depth = by->src ? by->src->depth + 1 : 0, .may_include = true};
    uint64_t id[2];
    char *text;
    size_t len;
    bool ok;
    int fd;

    if (!check_limits(d, by, path) || (fd = open_file(d, by, path, id)) < 0)
        return;
    if (!check_not_read(d, by, path, id)) {
        close(fd);
        return;
    }
    ok = read_all(fd, d->bytes_max - d->file_bytes, &text, &len);
    if (!ok)
        fail(d, by, path, "%s", strerror(errno));
    close(fd);
    if (ok && len > d->bytes_max - d->file_bytes) {
        fail(d, by, path, "the configuration is larger than %zu MiB", d->bytes_max >> 20);
        ok = false;
    }
    if (ok && !add_file(d, path, id)) {
        fail(d, by, path, "out of memory");
        ok = false;
    }
    if (ok) {
        d->file_bytes += len;
        src.file = d->n_files - 1;
        source_read(&src, text, len);
    }
    free(text);
    read_includes(&src);
    source_fini(&src);
}

/* The pattern as seen from here: beside the file that includes it, whose own path is taken literally. NULL:
 * no memory. */
static char *beside(const char *file, const char *pattern, bool literal)
{
    const char *slash = strrchr(file, '/');
    size_t dir_len = slash && pattern[0] != '/' ? (size_t)(slash - file) + 1 : 0;
    char *out = malloc(2 * dir_len + strlen(pattern) + 1), *p = out;

    if (!out)
        return NULL;
    for (size_t i = 0; i < dir_len; i++) {
        if (!literal && strchr("*?[]\\", file[i]))
            *p++ = '\\';
        *p++ = file[i];
    }
    strcpy(p, pattern);
    return out;
}

/* A directory that isn't there has no match; one that can't be read is an error. */
static int on_glob_error(const char *path, int error)
{
    (void)path;
    return error != ENOENT && error != ENOTDIR;
}

static void read_matches(struct source *src, const struct asker *by, const char *pattern)
{
    glob_t found;
    int rc = glob(pattern, 0, on_glob_error, &found);

    if (rc == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            read_file(src->d, by, found.gl_pathv[i]);
    } else if (rc != GLOB_NOMATCH) {
        fail(src->d, by, pattern, "%s", rc == GLOB_NOSPACE ? "out of memory" : "a directory can't be read");
    }
    globfree(&found);
}

static void read_includes(struct source *src)
{
    for (uint32_t i = 0; i < src->n_includes; i++) {
        const char *pattern = src->includes[i].pattern;
        struct asker by = {src, src->includes[i].line};
        bool literal = !strpbrk(pattern, "*?[");
        char *path = beside(src->d->files[src->file], pattern, literal);

        if (!path)
            fail(src->d, &by, pattern, "out of memory");
        else if (literal)
            read_file(src->d, &by, path);
        else
            read_matches(src, &by, path);
        free(path);
    }
}

void draft_read_file(struct draft *d, const char *path)
{
    struct asker nobody = {0};

    d->bytes_max = DRAFT_FILES_BYTES_MAX;
    d->lines_max = DRAFT_FILES_LINES_MAX;
    read_file(d, &nobody, path);
}

void draft_read_text(struct draft *d, const char *text, size_t len, const char *name)
{
    struct source src = {.d = d};
    static const uint64_t no_id[2];

    d->bytes_max = DRAFT_TEXT_BYTES_MAX;
    d->lines_max = DRAFT_TEXT_LINES_MAX;
    if (len > d->bytes_max) {
        config_errors_add(d->errors, name, 0, "the configuration is larger than %u MiB",
                          DRAFT_TEXT_BYTES_MAX >> 20);
        return;
    }
    if (!add_file(d, name, no_id)) {
        config_errors_add(d->errors, name, 0, "out of memory");
        return;
    }
    source_read(&src, text, len);
    source_fini(&src);
}

static const char *nearest_name(const struct draft *d, enum option_section kind, const char *name)
{
    struct spelling near;

    spelling_init(&near, name);
    for (uint32_t i = 0; i < d->n_sections; i++)
        if (d->sections[i]->kind == kind && !d->sections[i]->dropped)
            spelling_try(&near, d->sections[i]->name);
    return near.best;
}

const struct draft_section *draft_find(const struct draft *d, enum option_section kind, const char *name,
                                       const char **nearest)
{
    struct draft_section wanted = {.kind = kind};
    void *node;

    if (nearest)
        *nearest = NULL;
    if (strlen(name) <= CONFIG_NAME_MAX) {
        strcpy(wanted.name, name);
        node = tfind(&wanted, &d->names, draft_compare);
        if (node)
            return *(struct draft_section *const *)node;
    }
    if (nearest && draft_hints_wanted(d))
        *nearest = nearest_name(d, kind, name);
    return NULL;
}

void draft_init(struct draft *d, struct config_errors *errors)
{
    *d = (struct draft){.errors = errors};
}

static void keep_section(void *s)
{
    (void)s;
}

void draft_fini(struct draft *d)
{
    tdestroy(d->names, keep_section);
    for (uint32_t i = 0; i < d->n_sections; i++) {
        for (uint32_t k = 0; k < d->sections[i]->n_entries; k++)
            free(d->sections[i]->entries[k].text);
        free(d->sections[i]->entries);
        free(d->sections[i]);
    }
    for (uint32_t i = 0; i < d->n_files; i++)
        free(d->files[i]);
    free(d->sections);
    free(d->files);
    free(d->file_ids);
}
