/* Addresses: what a config, a socket and a log line have in common. Four kinds: IPv4, IPv6, `unix:PATH`
 * and, where a service manager opened the socket, `fd:N`. Names are resolved once, at start. */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct address {
    socklen_t len; /* 0: none */
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    };
};

/* An IP address and a port without the padding of a sockaddr: what a row holds of a client. */
struct address_ip {
    uint8_t family; /* 0: none, 4, 6, or 1 for a Unix socket (no address) */
    uint8_t pad;
    uint16_t port;  /* host order */
    uint8_t ip[16]; /* the first 4 for IPv4; an IPv4-mapped IPv6 address is stored as IPv4 */
};

struct cidr {
    uint8_t family; /* 4 or 6 */
    uint8_t bits;
    uint8_t ip[16]; /* host bits are zero */
};

#define ADDRESS_TEXT_MAX 128 /* "[v6]:port", "unix:" and a path of 107 bytes; with NUL */

/* "1.2.3.4:80" "[::1]:80" "*:80" ":80" (any IPv4 and IPv6: one [::] socket) "unix:/path" "unix:@abstract"
 * "name:80". false: `err` says what is wrong and what would be right. A name that isn't a literal is refused
 * unless `resolve` is set; then getaddrinfo is asked (it may block for seconds), the first answer is taken.
 */
bool address_parse(const char *text, bool resolve, struct address *out, char *err, size_t err_len);

/* Whether `text` is well formed ("name:80" included), without asking anybody. */
bool address_check(const char *text, char *err, size_t err_len);

/* The text form that address_parse reads; returns the length. */
size_t address_format(const struct address *a, char out[ADDRESS_TEXT_MAX]);
bool address_equal(const struct address *a, const struct address *b);

void address_to_ip(const struct address *a, struct address_ip *out);
/* "1.2.3.4:5678", "[::1]:5678", "unix"; without the port when with_port is false (and then no brackets). */
size_t address_ip_format(const struct address_ip *ip, bool with_port, char out[ADDRESS_TEXT_MAX]);

/* "10.0.0.0/8", "::1", "unix" is refused. Host bits that are set are an error that names the right network.
 */
bool cidr_parse(const char *text, struct cidr *out, char *err, size_t err_len);
size_t cidr_format(const struct cidr *c, char out[ADDRESS_TEXT_MAX]);
bool cidr_match(const struct cidr *c, const struct address_ip *ip);

#endif
