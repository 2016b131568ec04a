/* The configuration: INI text in, one const struct out. There is one parser and so one truth: the supervisor
 * reads the file, prints its effective text, and each child reads that text with this same parser. Names are
 * resolved to indexes here; addresses stay text (the supervisor resolves them and writes the result into the
 * shared table). Every error is reported with file and line and what would be right, not only the first. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "algo/algo.h"
#include "base/address.h"
#include "base/log.h"

#define CONFIG_NAME_MAX      47 /* inih cuts longer ones; with NUL 48 */
#define CONFIG_LISTENERS_MAX 256
#define CONFIG_POOLS_MAX     1024
#define CONFIG_BACKENDS_MAX  65536 /* the most that max_backends may be */
#define CONFIG_OFF           0     /* of sizes, times and limits whose default is off */

enum config_protocol { CONFIG_PROTOCOL_WEBSOCKET, CONFIG_PROTOCOL_TCP };
enum config_forwarded { CONFIG_FORWARDED_OFF, CONFIG_FORWARDED_X, CONFIG_FORWARDED_RFC7239 };
enum config_backend_state { CONFIG_STATE_READY, CONFIG_STATE_DRAIN, CONFIG_STATE_MAINT };

struct config_list { /* of strings, owned by the config */
    char **items;
    uint32_t *lines; /* where each was said */
    uint32_t n;
};
struct config_cidrs {
    struct cidr *items;
    uint32_t n;
};

/* Where a section was said, for errors that show later (a name that doesn't resolve). */
struct config_place {
    const char *file; /* owned by the config */
    uint32_t line;
};

/* The name or number of a user or group. */
struct config_name {
    char *text; /* NULL: unchanged; owned by the config */
    struct config_place place;
};

struct config_global {
    uint32_t workers; /* 0: auto */
    struct config_name user, group;
    char *admin_socket;
    uint32_t admin_mode;
    struct config_name admin_group;
    uint32_t max_backends;
    uint64_t max_connections; /* 0: what the descriptors carry */
    uint64_t shutdown_delay_ms, shutdown_timeout_ms;
    uint32_t log_level; /* enum log_level */
};

struct config_listener {
    char name[CONFIG_NAME_MAX + 1];
    struct config_place place;
    struct config_list binds;
    uint32_t backlog;
    uint32_t protocol; /* enum config_protocol */
    uint32_t pool;     /* index */
    struct config_cidrs trusted_proxies;
    uint64_t handshake_timeout_ms, establish_timeout_ms;
    uint64_t head_max_bytes;
    uint64_t half_close_timeout_ms, close_timeout_ms, keepalive_ms, stall_timeout_ms;
    uint64_t buffer_max_bytes;
    uint32_t forwarded; /* enum config_forwarded */
};

struct config_pool {
    char name[CONFIG_NAME_MAX + 1];
    struct config_place place;
    const struct algo *algorithm;
    uint64_t connect_timeout_ms, answer_timeout_ms;
    uint32_t close_code;
    uint32_t lost_close_code; /* 0: off */
    double close_rate_per_s;
};

struct config_backend {
    char name[CONFIG_NAME_MAX + 1];
    struct config_place place;
    uint32_t pool; /* index */
    char *address;
    uint32_t address_line;
    uint32_t weight;
    uint64_t max_connections; /* 0: off */
    bool backup;
    uint32_t state; /* enum config_backend_state */
};

struct config {
    struct config_global global;
    struct config_listener *listeners;
    uint32_t n_listeners;
    struct config_pool *pools;
    uint32_t n_pools;
    struct config_backend *backends;
    uint32_t n_backends;
    char **files; /* the names that places point to */
    uint32_t n_files;
};

/* Errors gather as text, one a line: "FILE:LINE: what is wrong, and what would be right\n". */
#define CONFIG_ERRORS_SHOWN 200
struct config_errors {
    char *text; /* NULL: none, or memory was refused; the caller frees it by config_errors_fini */
    size_t len;
    unsigned n; /* all; of many only the first CONFIG_ERRORS_SHOWN are in the text, and its last line says how
                   many more there were */
};
void config_errors_add(struct config_errors *e, const char *file, uint32_t line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void config_errors_fini(struct config_errors *e);

/* Reads a file with its includes and ${NAME}. NULL: errors has at least one. */
struct config *config_load(const char *path, struct config_errors *errors);

/* Reads an effective text as config_print makes it (include is an error, `name` stands for the file in
 * errors). */
struct config *config_parse(const char *text, size_t len, const char *name, struct config_errors *errors);

/* The effective config: every option with the value in force; reads back as the same config. A '#' comment
 * marks what is a default. The caller frees it; NULL: memory was refused. */
char *config_print(const struct config *c, size_t *len);

void config_free(struct config *c);

/* -1 when there is none of that name */
int config_find_pool(const struct config *c, const char *name);
int config_find_listener(const struct config *c, const char *name);
int config_find_backend(const struct config *c, const char *name);

/* Describes every option, for the manual, `--help` and the tests. `each` is called for each row of the table
 * in its order. */
struct config_option_info {
    const char *section, *key, *values, *help; /* `values` lives for the call only */
    const char *def;                           /* NULL: none */
    bool required;
    bool repeatable; /* by a comma or by repeating the key */
};
void config_options_each(void (*each)(void *ctx, const struct config_option_info *o), void *ctx);

#endif
