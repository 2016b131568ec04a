#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"

#define HOST_MAX      253 /* RFC 1035, in text */
#define LABEL_MAX     63
#define UNIX_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)
#define SHOWN         "\"%.80s\"" /* how a text is quoted in an error */

struct error {
    char *text;
    size_t cap;
};

__attribute__((format(printf, 2, 3))) static bool fail(const struct error *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->text, e->cap, fmt, ap);
    va_end(ap);
    return false;
}

static bool parse_unix(const char *text, const char *path, struct address *out, const struct error *e)
{
    size_t n = strlen(path);
    bool abstract = path[0] == '@';
    if (path[0] != '/' && !abstract)
        return fail(
            e, SHOWN ": a Unix socket needs an absolute path (unix:/run/name.sock) or a name (unix:@name)",
            text);
    if (n == 1)
        return fail(e, SHOWN ": the socket's name is missing; right would be unix:%sname", text, path);
    if (n > UNIX_PATH_MAX)
        return fail(e, SHOWN ": the path has %zu bytes, a Unix socket's has at most %zu", text, n,
                    UNIX_PATH_MAX);
    memset(out, 0, sizeof *out);
    out->un.sun_family = AF_UNIX;
    memcpy(out->un.sun_path, path, n);
    if (abstract)
        out->un.sun_path[0] = '\0';
    /* A path counts its NUL, as the kernel does; an abstract name has none. */
    out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + !abstract);
    return true;
}

static void set_v6(struct address *out, const struct in6_addr *ip, uint32_t scope, uint16_t port)
{
    memset(out, 0, sizeof *out);
    out->len = sizeof out->in6;
    out->in6.sin6_family = AF_INET6;
    out->in6.sin6_addr = *ip;
    out->in6.sin6_scope_id = scope;
    out->in6.sin6_port = htons(port);
}

static void set_v4(struct address *out, const struct in_addr *ip, uint16_t port)
{
    memset(out, 0, sizeof *out);
    out->len = sizeof out->in;
    out->in.sin_family = AF_INET;
    out->in.sin_addr = *ip;
    out->in.sin_port = htons(port);
}

static bool parse_port(const char *text, const char *digits, uint16_t *out, const struct error *e)
{
    uint64_t port;
    if (!units_parse_u64(digits, &port) || port < 1 || port > 65535)
        return fail(e, SHOWN ": the port must be a number from 1 to 65535", text);
    *out = (uint16_t)port;
    return true;
}

/* What stands in brackets: an IPv6 address, with "%interface" behind it when it is link-local. */
static bool parse_v6(const char *text, char *host, uint16_t port, struct address *out, const struct error *e)
{
    struct in6_addr ip;
    uint32_t scope = 0;
    char *percent = strchr(host, '%');
    if (percent) {
        *percent = '\0';
        uint64_t index;
        scope = if_nametoindex(percent + 1);
        if (scope == 0 && units_parse_u64(percent + 1, &index) && index <= UINT32_MAX)
            scope = (uint32_t)index;
        if (scope == 0)
            return fail(e, SHOWN ": there is no network interface " SHOWN, text, percent + 1);
    }
    if (inet_pton(AF_INET6, host, &ip) != 1)
        return fail(e, SHOWN ": what stands in the brackets is no IPv6 address; right would be [::1]:%u",
                    text, (unsigned)port);
    set_v6(out, &ip, scope, port);
    return true;
}

/* A last label of digits (or hexadecimal) can't be a name's: the resolver would read "1.2.3" as 1.2.0.3. */
static bool looks_like_v4(const char *host)
{
    const char *dot = strrchr(host, '.');
    const char *last = dot ? dot + 1 : host;
    if (last[0] == '0' && (last[1] == 'x' || last[1] == 'X'))
        return true;
    return last[0] && last[strspn(last, "0123456789")] == '\0';
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static bool check_name(const char *text, const char *host, const struct error *e)
{
    size_t label = 0;
    for (const char *p = host; *p; p++) {
        if (*p == '.' ? label == 0 : !is_name_char(*p))
            return fail(e,
                        SHOWN ": the host is neither an IP address nor a name; right would be 10.0.0.1:80,"
                              " [::1]:80, name:80 or unix:/path",
                        text);
        label = *p == '.' ? 0 : label + 1;
        if (label > LABEL_MAX)
            return fail(e, SHOWN ": a part of the name is longer than %d characters", text, LABEL_MAX);
    }
    if (host[0] == '-')
        return fail(e, SHOWN ": a host name doesn't begin with '-'", text);
    return true;
}

/* Takes text apart. A literal is complete in *out afterwards; for a name out->len is 0, and its parts are in
 * host and *port. */
static bool parse(const char *text, struct address *out, char host[HOST_MAX + 1], uint16_t *port,
                  const struct error *e)
{
    out->len = 0;
    if (strncmp(text, "unix:", 5) == 0)
        return parse_unix(text, text + 5, out, e);
    if (strncmp(text, "fd:", 3) == 0)
        return fail(e, SHOWN ": a descriptor is no address; right would be 10.0.0.1:80 or unix:/path", text);

    bool brackets = text[0] == '[';
    const char *colon = strrchr(text, ':');
    const char *end = brackets ? strrchr(text, ']') : colon;
    if (brackets && !end)
        return fail(e, SHOWN ": the closing bracket is missing; right would be [::1]:80", text);
    if (!brackets && colon && memchr(text, ':', (size_t)(colon - text)))
        return fail(e, SHOWN ": an IPv6 address stands in brackets; right would be [::1]:80", text);
    if (!colon || (brackets && end[1] != ':')) {
        const char *right = text[0] ? text : "10.0.0.1";
        int len = brackets ? (int)(end + 1 - text) : (int)strlen(right);
        return fail(e, SHOWN ": the port is missing; right would be %.*s:80", text, len, right);
    }
    const char *begin = text + brackets;
    size_t n = (size_t)(end - begin);
    if (n > HOST_MAX)
        return fail(e, SHOWN ": the host has %zu characters, at most %d are allowed", text, n, HOST_MAX);
    memcpy(host, begin, n);
    host[n] = '\0';
    if (!parse_port(text, end + 1 + brackets, port, e))
        return false;

    struct in_addr v4;
    if (brackets)
        return parse_v6(text, host, *port, out, e);
    if (n == 0 || strcmp(host, "*") == 0) {
        set_v6(out, &in6addr_any, 0, *port);
        return true;
    }
    if (inet_pton(AF_INET, host, &v4) == 1) {
        set_v4(out, &v4, *port);
        return true;
    }
    if (looks_like_v4(host))
        return fail(e, SHOWN ": an IPv4 address has four numbers from 0 to 255, such as 10.0.0.1:%u", text,
                    (unsigned)*port);
    return check_name(text, host, e);
}

static bool resolve_name(const char *text, const char *host, uint16_t port, struct address *out,
                         const struct error *e)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *answer = NULL;
    int status = getaddrinfo(host, NULL, &hints, &answer);
    if (status != 0) {
        const char *why = status == EAI_SYSTEM ? strerror(errno) : gai_strerror(status);
        return fail(e, SHOWN ": the name can't be resolved: %s", text, why);
    }
    bool found = false;
    for (struct addrinfo *a = answer; a && !found; a = a->ai_next) {
        if (a->ai_family == AF_INET && a->ai_addrlen == sizeof out->in) {
            struct sockaddr_in in;
            memcpy(&in, a->ai_addr, sizeof in);
            set_v4(out, &in.sin_addr, port);
            found = true;
        } else if (a->ai_family == AF_INET6 && a->ai_addrlen == sizeof out->in6) {
            struct sockaddr_in6 in6;
            memcpy(&in6, a->ai_addr, sizeof in6);
            set_v6(out, &in6.sin6_addr, in6.sin6_scope_id, port);
            found = true;
        }
    }
    freeaddrinfo(answer);
    return found || fail(e, SHOWN ": the name has no IPv4 or IPv6 address", text);
}

bool address_parse(const char *text, bool resolve, struct address *out, char *err, size_t err_len)
{
    struct error e = {err, err_len};
    struct address parsed;
    char host[HOST_MAX + 1];
    uint16_t port = 0;
    if (!parse(text, &parsed, host, &port, &e))
        return false;
    if (parsed.len == 0 && !resolve)
        return fail(&e, SHOWN ": a name can't stand here; right would be an IP address, such as 10.0.0.1:%u",
                    text, (unsigned)port);
    if (parsed.len == 0 && !resolve_name(text, host, port, &parsed, &e))
        return false;
    *out = parsed;
    return true;
}

bool address_check(const char *text, char *err, size_t err_len)
{
    struct error e = {err, err_len};
    struct address parsed;
    char host[HOST_MAX + 1];
    uint16_t port;
    return parse(text, &parsed, host, &port, &e);
}

/* The bytes of sun_path that count: without the NUL of a path, with the leading one of an abstract name. */
static size_t unix_path_len(const struct address *a)
{
    size_t head = offsetof(struct sockaddr_un, sun_path);
    if (a->len <= head)
        return 0;
    size_t n = a->len - head;
    if (n > sizeof a->un.sun_path)
        n = sizeof a->un.sun_path;
    return a->un.sun_path[0] ? strnlen(a->un.sun_path, n) : n;
}

static size_t format_unix(const struct address *a, char out[ADDRESS_TEXT_MAX])
{
    size_t n = unix_path_len(a);
    memcpy(out, "unix:", 5);
    for (size_t i = 0; i < n; i++)
        out[5 + i] = a->un.sun_path[i] ? a->un.sun_path[i] : '@';
    out[5 + n] = '\0';
    return 5 + n;
}

static size_t format_v6(const struct sockaddr_in6 *in6, char out[ADDRESS_TEXT_MAX])
{
    char ip[INET6_ADDRSTRLEN] = "";
    char scope[IF_NAMESIZE + 1] = "";
    unsigned port = ntohs(in6->sin6_port);
    if (IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr) && in6->sin6_scope_id == 0)
        return (size_t)snprintf(out, ADDRESS_TEXT_MAX, "*:%u", port);
    inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof ip);
    if (in6->sin6_scope_id != 0) {
        scope[0] = '%';
        if (!if_indextoname(in6->sin6_scope_id, scope + 1))
            snprintf(scope + 1, sizeof scope - 1, "%u", in6->sin6_scope_id);
    }
    return (size_t)snprintf(out, ADDRESS_TEXT_MAX, "[%s%s]:%u", ip, scope, port);
}

size_t address_format(const struct address *a, char out[ADDRESS_TEXT_MAX])
{
    char ip[INET_ADDRSTRLEN] = "";
    switch (a->len == 0 ? AF_UNSPEC : a->sa.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &a->in.sin_addr, ip, sizeof ip);
        return (size_t)snprintf(out, ADDRESS_TEXT_MAX, "%s:%u", ip, (unsigned)ntohs(a->in.sin_port));
    case AF_INET6:
        return format_v6(&a->in6, out);
    case AF_UNIX:
        return format_unix(a, out);
    default:
        return (size_t)snprintf(out, ADDRESS_TEXT_MAX, "-");
    }
}

bool address_equal(const struct address *a, const struct address *b)
{
    if (a->len == 0 || b->len == 0)
        return a->len == b->len;
    if (a->sa.sa_family != b->sa.sa_family)
        return false;
    switch (a->sa.sa_family) {
    case AF_INET:
        return a->in.sin_port == b->in.sin_port && a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
    case AF_INET6:
        return a->in6.sin6_port == b->in6.sin6_port && a->in6.sin6_scope_id == b->in6.sin6_scope_id &&
               IN6_ARE_ADDR_EQUAL(&a->in6.sin6_addr, &b->in6.sin6_addr);
    case AF_UNIX: {
        size_t n = unix_path_len(a);
        return n == unix_path_len(b) && memcmp(a->un.sun_path, b->un.sun_path, n) == 0;
    }
    default:
        return false;
    }
}

void address_to_ip(const struct address *a, struct address_ip *out)
{
    memset(out, 0, sizeof *out);
    switch (a->len == 0 ? AF_UNSPEC : a->sa.sa_family) {
    case AF_INET:
        out->family = 4;
        out->port = ntohs(a->in.sin_port);
        memcpy(out->ip, &a->in.sin_addr, 4);
        break;
    case AF_INET6:
        out->port = ntohs(a->in6.sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr)) {
            out->family = 4;
            memcpy(out->ip, a->in6.sin6_addr.s6_addr + 12, 4);
        } else {
            out->family = 6;
            memcpy(out->ip, &a->in6.sin6_addr, 16);
        }
        break;
    case AF_UNIX:
        out->family = 1;
        break;
    default:
        break;
    }
}

size_t address_ip_format(const struct address_ip *ip, bool with_port, char out[ADDRESS_TEXT_MAX])
{
    char text[INET6_ADDRSTRLEN] = "";
    if (ip->family != 4 && ip->family != 6)
        return (size_t)snprintf(out, ADDRESS_TEXT_MAX, "%s", ip->family == 1 ? "unix" : "-");
    inet_ntop(ip->family == 4 ? AF_INET : AF_INET6, ip->ip, text, sizeof text);
    if (!with_port)
        return (size_t)snprintf(out, ADDRESS_TEXT_MAX, "%s", text);
    return (size_t)snprintf(out, ADDRESS_TEXT_MAX, ip->family == 4 ? "%s:%u" : "[%s]:%u", text,
                            (unsigned)ip->port);
}
