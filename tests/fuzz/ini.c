/* A configuration as text: it is refused with errors that name a line, or its printed form reads back as the
 * same. The environment it may name has W (a word) and N (a number) only. */
#include "config/config.h"

#include "fuzz.h"

static void check_errors(const struct config_errors *e)
{
    size_t lines = 0;

    fuzz_check(e->n > 0 && e->text && e->len == strlen(e->text) && e->text[e->len - 1] == '\n');
    for (const char *p = e->text; *p; p++)
        fuzz_check((unsigned char)*p >= 32 || *p == '\n');
    for (const char *p = e->text; *p; p = strchr(p, '\n') + 1) {
        lines++;
        if (e->n <= CONFIG_ERRORS_SHOWN)
            fuzz_check(strncmp(p, "in:", 3) == 0 && p[3] >= '0' && p[3] <= '9');
    }
    fuzz_check(lines == e->n || e->n > CONFIG_ERRORS_SHOWN);
}

/* That every index and every name in it can be used. */
static void check_config(const struct config *c)
{
    fuzz_check(c->n_listeners > 0 && c->n_pools > 0 && c->n_backends > 0);
    fuzz_check(c->n_backends <= c->global.max_backends && c->global.admin_socket[0] == '/');
    for (uint32_t i = 0; i < c->n_listeners; i++) {
        const struct config_listener *l = &c->listeners[i];

        fuzz_check(l->pool < c->n_pools && l->binds.n > 0 && l->head_max_bytes >= 1024);
        fuzz_check(config_find_listener(c, l->name) == (int)i);
    }
    for (uint32_t i = 0; i < c->n_pools; i++)
        fuzz_check(c->pools[i].algorithm && config_find_pool(c, c->pools[i].name) == (int)i);
    for (uint32_t i = 0; i < c->n_backends; i++) {
        const struct config_backend *b = &c->backends[i];

        fuzz_check(b->pool < c->n_pools && b->address && b->weight <= ALGO_WEIGHT_MAX);
        fuzz_check(config_find_backend(c, b->name) == (int)i);
    }
}

static void check_again(const struct config *c)
{
    struct config_errors errors = {0};
    size_t len = 0, again_len = 0;
    char *text = config_print(c, &len);

    fuzz_check(text && strlen(text) == len);
    struct config *again = config_parse(text, len, "printed", &errors);
    if (!again)
        fprintf(stderr, "%s\n%s\n", text, errors.text);
    fuzz_check(again && errors.n == 0);
    char *text_again = config_print(again, &again_len);
    fuzz_check(text_again && strcmp(text, text_again) == 0);
    fuzz_check(again->n_listeners == c->n_listeners && again->n_pools == c->n_pools);
    fuzz_check(again->n_backends == c->n_backends);
    config_free(again);
    config_errors_fini(&errors);
    free(text);
    free(text_again);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    clearenv();
    setenv("W", "web", 1);
    setenv("N", "7", 1);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_errors errors = {0};
    char *text = fuzz_copy(data, size);
    struct config *c = config_parse(text, size, "in", &errors);

    free(text);
    if (c) {
        fuzz_check(errors.n == 0);
        check_config(c);
        check_again(c);
    } else {
        check_errors(&errors);
    }
    config_free(c);
    config_errors_fini(&errors);
    return 0;
}
