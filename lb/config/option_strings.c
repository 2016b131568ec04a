/* Texts and lists: how each such type of option is read, printed and described. Whatever is kept must be a
 * value that -T can print on one line and read back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/ini_reader.h"
#include "config/options.h"

#define ADMIN_SOCKET_MAX 100 /* of sun_path's 108: the lock beside it adds its ending */

static bool say(char error[OPTION_ERROR_MAX], const char *text)
{
    snprintf(error, OPTION_ERROR_MAX, "%s", text);
    return false;
}

static bool out_of_memory(char error[OPTION_ERROR_MAX])
{
    return say(error, "out of memory");
}

/* The bytes of `text` with "${" written as "$${". */
static size_t escaped_len(const char *text)
{
    size_t len = strlen(text);

    for (const char *p = text; (p = strstr(p, "${")); p += 2)
        len++;
    return len;
}

static bool check_printable(const struct option *o, const char *text, char error[OPTION_ERROR_MAX])
{
    size_t room = INI_READER_LINE_MAX - strlen(o->key) - strlen(" = ");

    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return say(error, "the value holds a control byte");
        if ((*p == ';' || *p == '#') && (p == text || p[-1] == ' '))
            return say(
                error,
                "a ';' or '#' that follows a blank or comes first begins a comment, so no value may hold it");
    }
    if (escaped_len(text) > room) {
        snprintf(error, OPTION_ERROR_MAX,
                 "the value has %zu bytes; with its key on one line at most %zu are read", escaped_len(text),
                 room);
        return false;
    }
    return true;
}

static bool keep(char **field, const char *text, char error[OPTION_ERROR_MAX])
{
    char *copy = strdup(text);

    if (!copy)
        return out_of_memory(error);
    free(*field);
    *field = copy;
    return true;
}

static bool print_string(const struct option *o, const struct config *c, const void *field, uint32_t index,
                         char out[OPTION_TEXT_MAX])
{
    const char *text = *(char *const *)field;

    (void)o, (void)c;
    if (index > 0 || !text)
        return false;
    snprintf(out, OPTION_TEXT_MAX, "%s", text);
    return true;
}

static void fini_string(void *field)
{
    free(*(char **)field);
    *(char **)field = NULL;
}

/* the admin socket's path */

static bool parse_path(const struct option *o, const struct option_value *v, void *field,
                       char error[OPTION_ERROR_MAX])
{
    char values[OPTION_VALUES_MAX];
    size_t len = strlen(v->text);

    if (!check_printable(o, v->text, error))
        return false;
    o->type->describe(o, values);
    if (v->text[0] != '/' || v->text[len - 1] == '/') {
        snprintf(error, OPTION_ERROR_MAX, "\"%s\" is not the absolute path of a file; right is %s", v->text,
                 values);
        return false;
    }
    if (len > ADMIN_SOCKET_MAX) {
        snprintf(error, OPTION_ERROR_MAX, "the path has %zu bytes; right is %s", len, values);
        return false;
    }
    return keep(field, v->text, error);
}

static void describe_path(const struct option *o, char out[OPTION_VALUES_MAX])
{
    (void)o;
    snprintf(out, OPTION_VALUES_MAX, "an absolute path of at most %d bytes", ADMIN_SOCKET_MAX);
}

const struct option_type option_type_path = {parse_path, print_string, describe_path, fini_string};

/* a user's or group's name or number; whether there is such a one is asked when it is used */

static bool parse_name(const struct option *o, const struct option_value *v, void *field,
                       char error[OPTION_ERROR_MAX])
{
    struct config_name *name = field;

    if (!check_printable(o, v->text, error))
        return false;
    if (strpbrk(v->text, " :/,")) {
        snprintf(error, OPTION_ERROR_MAX, "\"%s\" is no %s; right is the name or number of one", v->text,
                 o->type == &option_type_user ? "user" : "group");
        return false;
    }
    if (!keep(&name->text, v->text, error))
        return false;
    name->place = (struct config_place){.file = v->file, .line = v->line};
    return true;
}

static bool print_name(const struct option *o, const struct config *c, const void *field, uint32_t index,
                       char out[OPTION_TEXT_MAX])
{
    return print_string(o, c, &((const struct config_name *)field)->text, index, out);
}

static void fini_name(void *field)
{
    fini_string(&((struct config_name *)field)->text);
}

static void describe_user(const struct option *o, char out[OPTION_VALUES_MAX])
{
    (void)o;
    snprintf(out, OPTION_VALUES_MAX, "the name or number of a user");
}

const struct option_type option_type_user = {parse_name, print_name, describe_user, fini_name};

static void describe_group(const struct option *o, char out[OPTION_VALUES_MAX])
{
    (void)o;
    snprintf(out, OPTION_VALUES_MAX, "the name or number of a group");
}

const struct option_type option_type_group = {parse_name, print_name, describe_group, fini_name};

/* addresses */

static bool check_address(const struct option *o, const char *text, char error[OPTION_ERROR_MAX])
{
    if (!check_printable(o, text, error))
        return false;
    if (strncmp(text, "fd:", 3) == 0) {
        snprintf(error, OPTION_ERROR_MAX,
                 "\"%s\": descriptors can't be named; right is an address such as 10.0.0.1:80", text);
        return false;
    }
    return address_check(text, error, OPTION_ERROR_MAX);
}

static bool is_any(const char *text)
{
    static const uint8_t zeros[16];
    char ignored[OPTION_ERROR_MAX];
    struct address a;

    if (!address_parse(text, false, &a, ignored, sizeof(ignored)))
        return false;
    return (a.sa.sa_family == AF_INET && memcmp(&a.in.sin_addr, zeros, 4) == 0) ||
           (a.sa.sa_family == AF_INET6 && memcmp(&a.in6.sin6_addr, zeros, 16) == 0);
}

static bool parse_address(const struct option *o, const struct option_value *v, void *field,
                          char error[OPTION_ERROR_MAX])
{
    if (!check_address(o, v->text, error))
        return false;
    if (is_any(v->text)) {
        snprintf(error, OPTION_ERROR_MAX,
                 "\"%s\" is no address to connect to; right is one host's, such as 10.0.0.1:80", v->text);
        return false;
    }
    return keep(field, v->text, error);
}

static void describe_address(const struct option *o, char out[OPTION_VALUES_MAX])
{
    (void)o;
    snprintf(out, OPTION_VALUES_MAX, "10.0.0.1:80, [::1]:80, name:80, unix:/path or unix:@name");
}

const struct option_type option_type_address = {parse_address, print_string, describe_address, fini_string};

/* Calls `take` for each item of a comma-separated text. */
static bool each_item(const struct option *o, const struct option_value *v, void *field,
                      char error[OPTION_ERROR_MAX],
                      bool (*take)(const struct option *o, const char *item, uint32_t line, void *field,
                                   char error[OPTION_ERROR_MAX]))
{
    const char *p = v->text;

    for (;;) {
        size_t len = strcspn(p, ","), blanks = strspn(p, " \t");
        const char *end = p + len;
        char *item;
        bool ok;

        blanks = blanks < len ? blanks : len;
        p += blanks;
        for (len -= blanks; len > 0 && (p[len - 1] == ' ' || p[len - 1] == '\t'); len--)
            ;
        if (len == 0) {
            snprintf(error, OPTION_ERROR_MAX,
                     "\"%s\" has nothing between its commas; right is one comma between two", v->text);
            return false;
        }
        item = strndup(p, len);
        ok = item ? take(o, item, v->line, field, error) : out_of_memory(error);
        free(item);
        if (!ok || !*end)
            return ok;
        p = end + 1;
    }
}

/* Room for one more item; grows by doubling, so the capacity follows from n. */
static bool grow(void *array, uint32_t n, size_t item_bytes)
{
    void **items = array;
    void *more;

    if (n > 0 && (n & (n - 1)) != 0)
        return true;
    if (n > UINT32_MAX / 2)
        return false;
    more = reallocarray(*items, n ? 2 * (size_t)n : 1, item_bytes);
    if (!more)
        return false;
    *items = more;
    return true;
}

static bool add_address(const struct option *o, const char *item, uint32_t line, void *field,
                        char error[OPTION_ERROR_MAX])
{
    struct config_list *list = field;
    char *copy = NULL;

    if (!check_address(o, item, error))
        return false;
    if (!grow(&list->items, list->n, sizeof(*list->items)) ||
        !grow(&list->lines, list->n, sizeof(*list->lines)) || !(copy = strdup(item)))
        return out_of_memory(error);
    list->items[list->n] = copy;
    list->lines[list->n] = line;
    list->n++;
    return true;
}

static bool parse_addresses(const struct option *o, const struct option_value *v, void *field,
                            char error[OPTION_ERROR_MAX])
{
    return each_item(o, v, field, error, add_address);
}

static bool print_addresses(const struct option *o, const struct config *c, const void *field, uint32_t index,
                            char out[OPTION_TEXT_MAX])
{
    const struct config_list *list = field;

    (void)o, (void)c;
    if (index >= list->n)
        return false;
    snprintf(out, OPTION_TEXT_MAX, "%s", list->items[index]);
    return true;
}

static void describe_addresses(const struct option *o, char out[OPTION_VALUES_MAX])
{
    (void)o;
    snprintf(out, OPTION_VALUES_MAX,
             "10.0.0.1:80, [::1]:80, *:80 (all addresses), name:80, unix:/path or unix:@name");
}

static void fini_addresses(void *field)
{
    struct config_list *list = field;

    for (uint32_t i = 0; i < list->n; i++)
        free(list->items[i]);
    free(list->items);
    free(list->lines);
    *list = (struct config_list){0};
}

const struct option_type option_type_addresses = {parse_addresses, print_addresses, describe_addresses,
                                                  fini_addresses};

/* networks */

static bool add_network(const struct option *o, const char *item, uint32_t line, void *field,
                        char error[OPTION_ERROR_MAX])
{
    struct config_cidrs *list = field;
    struct cidr cidr;

    (void)o, (void)line;
    if (!cidr_parse(item, &cidr, error, OPTION_ERROR_MAX))
        return false;
    if (!grow(&list->items, list->n, sizeof(*list->items)))
        return out_of_memory(error);
    list->items[list->n++] = cidr;
    return true;
}

static bool parse_networks(const struct option *o, const struct option_value *v, void *field,
                           char error[OPTION_ERROR_MAX])
{
    return each_item(o, v, field, error, add_network);
}

static bool print_networks(const struct option *o, const struct config *c, const void *field, uint32_t index,
                           char out[OPTION_TEXT_MAX])
{
    const struct config_cidrs *list = field;

    (void)o, (void)c;
    if (index >= list->n)
        return false;
    cidr_format(&list->items[index], out);
    return true;
}

static void describe_networks(const struct option *o, char out[OPTION_VALUES_MAX])
{
    (void)o;
    snprintf(out, OPTION_VALUES_MAX, "networks such as 10.0.0.0/8 or 2001:db8::/32, or single IP addresses");
}

static void fini_networks(void *field)
{
    struct config_cidrs *list = field;

    free(list->items);
    *list = (struct config_cidrs){0};
}

const struct option_type option_type_networks = {parse_networks, print_networks, describe_networks,
                                                 fini_networks};

/* include: acted upon while the file is read, kept nowhere */

static bool parse_include(const struct option *o, const struct option_value *v, void *field,
                          char error[OPTION_ERROR_MAX])
{
    (void)o, (void)v, (void)field;
    return say(error, "an include has its place in a file");
}

static bool print_include(const struct option *o, const struct config *c, const void *field, uint32_t index,
                          char out[OPTION_TEXT_MAX])
{
    (void)o, (void)c, (void)field, (void)index, (void)out;
    return false;
}

static void describe_include(const struct option *o, char out[OPTION_VALUES_MAX])
{
    (void)o;
    snprintf(out, OPTION_VALUES_MAX, "a path, or a pattern such as conf.d/*.ini");
}

const struct option_type option_type_include = {parse_include, print_include, describe_include, NULL};
