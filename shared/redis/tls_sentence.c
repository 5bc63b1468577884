// SPDX-License-Identifier: MIT
#include "shared/redis/tls_sentence.h"

#include <string.h>

char *redis_tls_sentence(const struct tls *tls, const char *host, bool announced) {
    const char *detail = tls_detail(tls);
    switch (tls_trouble(tls)) {
    case TLS_NO_TROUBLE:
        return xstrdup("Redis closed the connection");
    case TLS_NO_TLS:
        return xstrdup("what answers there speaks no TLS: name the port on which Redis does, or write redis:// in "
                       "REDIS_URL");
    case TLS_EXPIRED:
        return xasprintf("Redis's certificate has expired (%s): give Redis a new one", detail);
    case TLS_EARLY:
        return xasprintf(
            "Redis's certificate isn't valid before %s: correct the clock of whichever machine is wrong, or "
            "give Redis another one",
            detail);
    case TLS_OTHER_HOST:
        return announced
                   ? xasprintf(
                         "Redis's certificate is not for %s, as the Sentinels name it, but for %s: have them announce "
                         "one of its names (resolve-hostnames yes, announce-hostnames yes), or give Redis one for this",
                         host, detail)
                   : xasprintf(
                         "Redis's certificate is not for %s, but for %s: write one of its names into REDIS_URL, or "
                         "give Redis one for this name",
                         host, detail);
    case TLS_UNKNOWN_AUTHORITY:
        return xasprintf(
            "Redis's certificate is signed by %s, whom nobody here knows: put that authority's certificate "
            "into REDIS_CA_FILE",
            detail);
    case TLS_BAD_CERTIFICATE:
        return xasprintf("Redis's certificate won't do: %s", detail);
    case TLS_WANTS_CERTIFICATE:
        return xstrdup("Redis asks for a client's certificate: set REDIS_CERT_FILE and REDIS_KEY_FILE");
    case TLS_REFUSES_CERTIFICATE:
        return xasprintf("Redis refuses the certificate in REDIS_CERT_FILE (%s): it must be valid, and signed by an "
                         "authority that Redis trusts",
                         detail);
    case TLS_NOTHING_IN_COMMON:
        return xasprintf("Redis and this program find no way of TLS in common (%s): TLS 1.2 or newer is needed",
                         detail);
    case TLS_OTHER_TROUBLE:
        break;
    }
    return xasprintf("TLS with Redis failed: %s", detail);
}
