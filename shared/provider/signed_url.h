// SPDX-License-Identifier: MIT
#ifndef SHARED_PROVIDER_SIGNED_URL_H
#define SHARED_PROVIDER_SIGNED_URL_H

// The forms of a URL of which Twilio may have signed any: those that its own packages try one after the other (twilio
// for Node 6.3.1, lib/webhooks/webhooks.js; for Python 9.13.0, request_validator.py).

enum { SIGNED_URL_FORMS = 6 };

// url: as it was called, with whatever user, port and query. Its forms are, without its port and with it (where it has
// none: its scheme's): as it is; as a browser would write it (WHATWG URL, 4.5: scheme and host in lower case, what has
// no place in path or query escaped); as that, with the query as Node's querystring.stringify would write it, or
// without the mark of an empty one. All of out is owned by the caller; a form that is an earlier one again is NULL.
void signed_url_forms(const char *url, char *out[SIGNED_URL_FORMS]);
void signed_url_free(char *forms[SIGNED_URL_FORMS]);

#endif
