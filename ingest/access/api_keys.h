// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCESS_API_KEYS_H
#define INGEST_ACCESS_API_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "ingest/request/route.h"
#include "ingest/request/verdicts.h"
#include "shared/base/mem.h"

// The keys that /api asks for. Of each only the SHA-256 is known here, so that reading the settings gives nobody a key:
// a key is 256 random bits (bin/api-key.sh), for which a plain hash is as good as a slow one.
//
// An entry is name:scope[+scope]:sha256hex. The name is for the log; two entries may have the same, for the time in
// which a client changes its key.

// Whose key it is and what it is good for.
struct api_key_owner {
    char name[API_KEY_NAME_SIZE];
    unsigned scopes; // enum api_scope, or-ed
};

struct api_keys; // safe to use from several threads

// "send", "read", "admin".
const char *api_scope_name(enum api_scope scope);

struct api_key_set; // keys that were read

// list: entries joined by commas; path: a file with an entry a line, blank lines and `#` comments aside. Either may be
// "", and where both are, there are no keys, and nobody is asked for one. Returns the keys, for api_keys_take or
// api_key_set_free; or NULL with *error, one line owned by the caller, that names the setting, the line and what is
// allowed, and repeats nothing of the entry.
struct api_key_set *api_key_set_read(const char *list, const char *path, char **error) MUST_CHECK;
size_t api_key_set_count(const struct api_key_set *set);
void api_key_set_free(struct api_key_set *set); // may be NULL

// Takes ownership of the set. Release with api_keys_free.
struct api_keys *api_keys_create(struct api_key_set *set);
// Takes ownership of the set: from here on these keys are the good ones.
void api_keys_take(struct api_keys *keys, struct api_key_set *set);
// Whether /api asks for keys.
bool api_keys_are_asked_for(struct api_keys *keys);
size_t api_keys_count(struct api_keys *keys);
// Whether there is such a key; fills *out. The time it takes depends on the key's length and on how many keys there
// are, not on what they are.
bool api_keys_find(struct api_keys *keys, const char *key, size_t length, struct api_key_owner *out);
void api_keys_free(struct api_keys *keys); // may be NULL

#endif
