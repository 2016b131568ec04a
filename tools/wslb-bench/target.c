#include "target.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "proto/http_char.h"

static bool starts(const char *text, const char *prefix)
{
    return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

static bool copy(char *to, size_t cap, const char *from, size_t len)
{
    if (len >= cap)
        return false;
    memcpy(to, from, len);
    to[len] = 0;
    return true;
}

static bool has_port(const char *authority)
{
    const char *colon = strrchr(authority, ':'), *bracket = strrchr(authority, ']');

    return colon && (!bracket || colon > bracket);
}

bool target_parse(struct target *t, const char *text, char *err, size_t err_len)
{
    char with_port[TARGET_HOST_MAX + 4];
    bool url = starts(text, "ws://");

    if (starts(text, "unix:")) {
        copy(t->host, sizeof t->host, "localhost", 9);
        copy(t->path, sizeof t->path, "/", 1);
        return address_parse(text, false, &t->address, err, err_len);
    }
    if (!url && strstr(text, "://")) {
        snprintf(err, err_len, "'%s': only ws:// is spoken here", text);
        return false;
    }
    if (url)
        text += strlen("ws://");
    size_t host_len = strcspn(text, "/?#");
    const char *path = text + host_len;
    for (const char *at = path; *at; at++) {
        if (*at > ' ' && *at < 127 && *at != '#')
            continue;
        snprintf(err, err_len, "'%s': a path has no blanks, control bytes and fragment", path);
        return false;
    }
    if (!copy(t->host, sizeof t->host, text, host_len) ||
        snprintf(t->path, sizeof t->path, "%s%s", *path == '/' ? "" : "/", path) >= (int)sizeof t->path) {
        snprintf(err, err_len, "'%.40s...' is too long", text);
        return false;
    }
    snprintf(with_port, sizeof with_port, "%s%s", t->host, url && !has_port(t->host) ? ":80" : "");
    return address_parse(with_port, true, &t->address, err, err_len);
}

bool target_add_header(struct target *t, const char *line, char *err, size_t err_len)
{
    size_t used = strlen(t->headers), name = 0;
    bool fine;

    while (line[name] && http_is_tchar(line[name]))
        name++;
    fine = name > 0 && line[name] == ':';
    for (const char *at = line; *at && fine; at++)
        fine = http_is_text(*at);
    if (!fine) {
        snprintf(err, err_len, "'%s' should be 'NAME: VALUE'", line);
        return false;
    }
    if (snprintf(t->headers + used, sizeof t->headers - used, "%s\r\n", line) >=
        (int)(sizeof t->headers - used)) {
        snprintf(err, err_len, "too many of them");
        return false;
    }
    return true;
}

static bool add_source(struct target *t, const char *text, char *err, size_t err_len)
{
    struct address *a = &t->sources[t->n_sources];

    if (t->n_sources == TARGET_SOURCES_MAX) {
        snprintf(err, err_len, "more than %d addresses", TARGET_SOURCES_MAX);
        return false;
    }
    memset(a, 0, sizeof *a);
    if (inet_pton(AF_INET, text, &a->in.sin_addr) == 1) {
        a->in.sin_family = AF_INET;
        a->len = sizeof a->in;
    } else if (inet_pton(AF_INET6, text, &a->in6.sin6_addr) == 1) {
        a->in6.sin6_family = AF_INET6;
        a->len = sizeof a->in6;
    } else {
        snprintf(err, err_len, "'%s' is no IP address", text);
        return false;
    }
    t->n_sources++;
    return true;
}

bool target_add_sources(struct target *t, const char *list, char *err, size_t err_len)
{
    char one[INET6_ADDRSTRLEN];

    while (*list) {
        size_t len = strcspn(list, ",");
        if (!copy(one, sizeof one, list, len)) {
            snprintf(err, err_len, "'%s' should be a list of IP addresses", list);
            return false;
        }
        if (!add_source(t, one, err, err_len))
            return false;
        list += len + (list[len] == ',');
    }
    return true;
}

bool target_check(const struct target *t, char *err, size_t err_len)
{
    for (unsigned i = 0; i < t->n_sources; i++) {
        if (t->sources[i].sa.sa_family == t->address.sa.sa_family)
            continue;
        snprintf(err, err_len, "a source address is of another family than the target");
        return false;
    }
    return true;
}
