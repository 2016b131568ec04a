#include "proto/http_accept.h"

#include <openssl/evp.h>
#include <string.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

bool http_accept_of(const char *key, size_t key_len, char out[HTTP_ACCEPT_LEN])
{
    char text[HTTP_ACCEPT_KEY_MAX + sizeof GUID - 1];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned char base64[HTTP_ACCEPT_LEN + 1]; /* EVP_EncodeBlock ends it by a NUL */
    unsigned digest_len = 0;

    if (key_len > HTTP_ACCEPT_KEY_MAX)
        return false;
    memcpy(text, key, key_len);
    memcpy(text + key_len, GUID, sizeof GUID - 1);
    if (!EVP_Digest(text, key_len + sizeof GUID - 1, digest, &digest_len, EVP_sha1(), NULL) ||
        digest_len != 20)
        return false;
    if (EVP_EncodeBlock(base64, digest, 20) != HTTP_ACCEPT_LEN)
        return false;
    memcpy(out, base64, HTTP_ACCEPT_LEN);
    return true;
}
