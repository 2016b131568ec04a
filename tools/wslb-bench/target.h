/* Where the load goes: ws://HOST[:PORT][/PATH], HOST:PORT[/PATH] or unix:PATH, and the source addresses. */
#ifndef WSLB_BENCH_TARGET_H
#define WSLB_BENCH_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"

#define TARGET_SOURCES_MAX 256
#define TARGET_PATH_MAX    1024
#define TARGET_HOST_MAX    256
#define TARGET_HEADERS_MAX 4096

struct target {
    struct address address;
    char host[TARGET_HOST_MAX]; /* of the Host header */
    char path[TARGET_PATH_MAX];
    char headers[TARGET_HEADERS_MAX]; /* lines of the user's own, each with its CRLF */
    struct address sources[TARGET_SOURCES_MAX];
    unsigned n_sources;
};

/* Each returns false with `err`. A name is resolved here, once. */
bool target_parse(struct target *t, const char *text, char *err, size_t err_len);
bool target_add_header(struct target *t, const char *line, char *err, size_t err_len);
bool target_add_sources(struct target *t, const char *list, char *err, size_t err_len);
/* Sources and target must be of one family; to be called when all is known. */
bool target_check(const struct target *t, char *err, size_t err_len);

#endif
