/* Networks. They are declared beside the addresses that they are compared with. */
#include "base/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"

#define SHOWN "\"%.80s\"" /* how a text is quoted in an error */

/* Sets the bits behind the first `bits` to zero; whether any was set. */
static bool clear_host_bits(uint8_t ip[16], unsigned bits)
{
    bool any = false;
    for (unsigned i = bits; i < 128; i++) {
        uint8_t bit = (uint8_t)(0x80u >> (i % 8));
        any |= (ip[i / 8] & bit) != 0;
        ip[i / 8] &= (uint8_t)~bit;
    }
    return any;
}

bool cidr_parse(const char *text, struct cidr *out, char *err, size_t err_len)
{
    struct cidr c = {0};
    char host[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : strlen(text);
    if (n < sizeof host) {
        memcpy(host, text, n);
        host[n] = '\0';
        c.family = inet_pton(AF_INET, host, c.ip) == 1 ? 4 : inet_pton(AF_INET6, host, c.ip) == 1 ? 6 : 0;
    }
    if (c.family == 0) {
        snprintf(err, err_len,
                 SHOWN ": that is no network; right would be 10.0.0.0/8, 2001:db8::/32 or one IP address",
                 text);
        return false;
    }
    unsigned width = c.family == 4 ? 32 : 128;
    uint64_t bits = width;
    if (slash && (!units_parse_u64(slash + 1, &bits) || bits > width)) {
        snprintf(err, err_len, SHOWN ": behind the slash stands a number from 0 to %u", text, width);
        return false;
    }
    c.bits = (uint8_t)bits;
    bool host_bits = clear_host_bits(c.ip, c.bits);
    /* A client that comes by a dual-stack socket is an IPv4 client to us, so its network is an IPv4 one. */
    struct in6_addr mapped;
    memcpy(&mapped, c.ip, sizeof mapped);
    if (c.family == 6 && c.bits >= 96 && IN6_IS_ADDR_V4MAPPED(&mapped)) {
        c.family = 4;
        c.bits = (uint8_t)(c.bits - 96);
        memset(c.ip, 0, sizeof c.ip);
        memcpy(c.ip, mapped.s6_addr + 12, 4);
    }
    if (host_bits) {
        char right[ADDRESS_TEXT_MAX];
        cidr_format(&c, right);
        snprintf(err, err_len, SHOWN ": bits behind the network's are set; right would be %s", text, right);
        return false;
    }
    *out = c;
    return true;
}

size_t cidr_format(const struct cidr *c, char out[ADDRESS_TEXT_MAX])
{
    char ip[INET6_ADDRSTRLEN] = "";
    inet_ntop(c->family == 4 ? AF_INET : AF_INET6, c->ip, ip, sizeof ip);
    return (size_t)snprintf(out, ADDRESS_TEXT_MAX, "%s/%u", ip, (unsigned)c->bits);
}

bool cidr_match(const struct cidr *c, const struct address_ip *ip)
{
    if (c->family != ip->family || (c->family != 4 && c->family != 6))
        return false;
    unsigned whole = c->bits / 8, rest = c->bits % 8;
    if (memcmp(c->ip, ip->ip, whole) != 0)
        return false;
    return rest == 0 || ((c->ip[whole] ^ ip->ip[whole]) & (0xff00u >> rest) & 0xffu) == 0;
}
