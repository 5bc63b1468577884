// SPDX-License-Identifier: MIT
#include "ingest/access/api_keys.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/crypto.h"
#include "shared/base/hex.h"

#define FORM "name:scope[+scope]:sha256hex with scopes send, read, admin"
#define MOST_KEYS 10000
#define MOST_BYTES 400 // of an entry

struct key {
    struct api_key_owner owner;
    uint8_t digest[SHA256_DIGEST_LENGTH];
};

struct api_key_set {
    struct key *keys;
    size_t count;
};

struct api_keys {
    pthread_rwlock_t lock; // held for reading while a key is looked for, for writing while the sets change places
    struct api_key_set *set;
    atomic_bool asked_for; // the set isn't empty
};

static const struct {
    enum api_scope scope;
    const char *name;
} scopes[] = {{SCOPE_SEND, "send"}, {SCOPE_READ, "read"}, {SCOPE_ADMIN, "admin"}};

#define SCOPE_COUNT (sizeof scopes / sizeof *scopes)

const char *api_scope_name(enum api_scope scope) {
    for (size_t i = 0; i < SCOPE_COUNT; i++) {
        if (scopes[i].scope == scope) {
            return scopes[i].name;
        }
    }
    return "none";
}

// ---- One entry

// Each reader takes its part of an entry, [text, text + length), and returns NULL or what is wrong with it.

static const char *api_keys_read_name(const char *text, size_t length, struct key *out) {
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    if (length == 0 || length >= API_KEY_NAME_SIZE || strspn(text, allowed) < length) {
        return "the name must be 1 to 32 of A-Z, a-z, 0-9, '.', '_' and '-'";
    }
    memcpy(out->owner.name, text, length);
    out->owner.name[length] = '\0';
    return NULL;
}

static unsigned scope_of(const char *word, size_t length) {
    for (size_t i = 0; i < SCOPE_COUNT; i++) {
        if (strlen(scopes[i].name) == length && memcmp(scopes[i].name, word, length) == 0) {
            return scopes[i].scope;
        }
    }
    return SCOPE_NONE;
}

static const char *read_scopes(const char *text, size_t length, struct key *out) {
    const char *end = text + length;
    for (const char *word = text; word <= end;) {
        size_t size = strcspn(word, "+:");
        unsigned scope = scope_of(word, size);
        if (scope == SCOPE_NONE) {
            return "a scope must be send, read or admin";
        }
        out->owner.scopes |= scope;
        word += size + 1;
    }
    return NULL;
}

static const char *read_digest(const char *text, struct key *out) {
    if (!hex_decode(text, strlen(text), out->digest, sizeof out->digest)) {
        return "the last part must be the 64 hexadecimal digits of a key's SHA-256";
    }
    return NULL;
}

static const char *read_entry(const char *entry, struct key *out) {
    *out = (struct key){0};
    const char *first = strchr(entry, ':');
    const char *second = first != NULL ? strchr(first + 1, ':') : NULL;
    if (second == NULL) {
        return "it must have three parts";
    }
    const char *wrong = api_keys_read_name(entry, (size_t)(first - entry), out);
    if (wrong == NULL) {
        wrong = read_scopes(first + 1, (size_t)(second - first - 1), out);
    }
    return wrong != NULL ? wrong : read_digest(second + 1, out);
}

static const char *add_entry(struct api_key_set *set, const char *entry) {
    struct key key;
    const char *wrong = strlen(entry) > MOST_BYTES ? "it is too long" : read_entry(entry, &key);
    if (wrong != NULL) {
        return wrong;
    }
    if (set->count == MOST_KEYS) {
        return "there are more than 10000 keys";
    }
    for (size_t i = 0; i < set->count; i++) {
        if (memcmp(set->keys[i].digest, key.digest, sizeof key.digest) == 0) {
            return "the same key is there already"; // which of the two scopes would hold?
        }
    }
    set->keys = xrealloc(set->keys, (set->count + 1) * sizeof *set->keys);
    set->keys[set->count++] = key;
    return NULL;
}

// ---- The setting and the file

// Cuts white space off both ends, in place.
static char *api_keys_trim(char *text) {
    text += strspn(text, " \t\r\n");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL) {
        length--;
    }
    text[length] = '\0';
    return text;
}

static char *read_list(struct api_key_set *set, const char *list) {
    char *copy = xstrdup(list), *rest = copy, *entry, *error = NULL;
    for (unsigned number = 1; error == NULL && (entry = strsep(&rest, ",")) != NULL; number++) {
        const char *wrong = add_entry(set, api_keys_trim(entry));
        if (wrong != NULL) {
            error = xasprintf("API_KEYS: entry %u: %s; allowed: " FORM ", joined by commas", number, wrong);
        }
    }
    free(copy);
    return error;
}

static char *read_lines(struct api_key_set *set, FILE *in, const char *path) {
    char *line = NULL, *error = NULL;
    size_t room = 0;
    for (unsigned number = 1; error == NULL && getline(&line, &room, in) >= 0; number++) {
        const char *entry = api_keys_trim(line);
        const char *wrong = *entry == '\0' || *entry == '#' ? NULL : add_entry(set, entry);
        if (wrong != NULL) {
            error = xasprintf("API_KEYS_FILE: %s, line %u: %s; allowed: " FORM, path, number, wrong);
        }
    }
    if (error == NULL && ferror(in)) {
        error = xasprintf("API_KEYS_FILE: %s: can't be read: %s", path, strerror(errno));
    }
    free(line);
    return error;
}

static char *read_file(struct api_key_set *set, const char *path) {
    FILE *in = fopen(path, "re");
    if (in == NULL) {
        return xasprintf("API_KEYS_FILE: %s: %s", path, strerror(errno));
    }
    char *error = read_lines(set, in, path);
    fclose(in);
    return error;
}

static char *api_keys_read_all(struct api_key_set *set, const char *list, const char *path) {
    char *error = *list != '\0' ? read_list(set, list) : NULL;
    if (error == NULL && *path != '\0') {
        error = read_file(set, path);
    }
    if (error == NULL && *path != '\0' && set->count == 0) { // else nobody could get in, or, worse, everybody
        error = xasprintf("API_KEYS_FILE: %s holds no key; allowed: lines of " FORM, path);
    }
    return error;
}

struct api_key_set *api_key_set_read(const char *list, const char *path, char **error) {
    struct api_key_set *set = xcalloc(1, sizeof *set);
    *error = api_keys_read_all(set, list, path);
    if (*error != NULL) {
        api_key_set_free(set);
        return NULL;
    }
    return set;
}

size_t api_key_set_count(const struct api_key_set *set) {
    return set->count;
}

void api_key_set_free(struct api_key_set *set) {
    if (set != NULL) {
        free(set->keys);
        free(set);
    }
}

// ---- The keys

struct api_keys *api_keys_create(struct api_key_set *set) {
    struct api_keys *keys = xcalloc(1, sizeof *keys);
    pthread_rwlock_init(&keys->lock, NULL);
    keys->set = set;
    atomic_init(&keys->asked_for, set->count > 0);
    return keys;
}

void api_keys_take(struct api_keys *keys, struct api_key_set *set) {
    pthread_rwlock_wrlock(&keys->lock);
    struct api_key_set *former = keys->set;
    keys->set = set;
    atomic_store(&keys->asked_for, set->count > 0);
    pthread_rwlock_unlock(&keys->lock);
    api_key_set_free(former);
}

bool api_keys_are_asked_for(struct api_keys *keys) {
    return atomic_load_explicit(&keys->asked_for, memory_order_relaxed);
}

size_t api_keys_count(struct api_keys *keys) {
    pthread_rwlock_rdlock(&keys->lock);
    size_t count = keys->set->count;
    pthread_rwlock_unlock(&keys->lock);
    return count;
}

bool api_keys_find(struct api_keys *keys, const char *key, size_t length, struct api_key_owner *out) {
    uint8_t digest[SHA256_DIGEST_LENGTH];
    bool found = false;
    crypto_sha256(key, length, digest);
    pthread_rwlock_rdlock(&keys->lock);
    for (size_t i = 0; i < keys->set->count; i++) { // all of them, whichever it is
        if (CRYPTO_memcmp(keys->set->keys[i].digest, digest, sizeof digest) == 0) {
            *out = keys->set->keys[i].owner;
            found = true;
        }
    }
    pthread_rwlock_unlock(&keys->lock);
    return found;
}

void api_keys_free(struct api_keys *keys) {
    if (keys == NULL) {
        return;
    }
    pthread_rwlock_destroy(&keys->lock);
    api_key_set_free(keys->set);
    free(keys);
}
