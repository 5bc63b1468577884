// SPDX-License-Identifier: MIT
#include "ingest/request/client_address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IPV4_MAPPED_BITS 96
#define ENTRY_SIZE 64

// Every address as IPv6, IPv4 as ::ffff:a.b.c.d, so that there is one comparison.
struct block {
    struct in6_addr address;
    unsigned bits; // of address that count
};

struct client_address_rules {
    size_t count;
    struct block blocks[];
};

static bool client_address_parse(const char *text, struct in6_addr *out) {
    struct in_addr v4;
    if (inet_pton(AF_INET, text, &v4) == 1) {
        *out = (struct in6_addr){0};
        memset(&out->s6_addr[10], 0xff, 2);
        memcpy(&out->s6_addr[12], &v4, sizeof v4);
        return true;
    }
    return inet_pton(AF_INET6, text, out) == 1;
}

static void format_address(const struct in6_addr *address, char out[CLIENT_ADDRESS_SIZE]) {
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        inet_ntop(AF_INET, &address->s6_addr[12], out, CLIENT_ADDRESS_SIZE);
    } else {
        inet_ntop(AF_INET6, address, out, CLIENT_ADDRESS_SIZE);
    }
}

// Copies the next comma-separated entry without the white space around it; false when it doesn't fit.
static bool copy_trimmed(const char *text, size_t length, char out[ENTRY_SIZE]) {
    while (length > 0 && (*text == ' ' || *text == '\t')) {
        text++;
        length--;
    }
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t')) {
        length--;
    }
    if (length >= ENTRY_SIZE) {
        return false;
    }
    memcpy(out, text, length);
    out[length] = '\0';
    return true;
}

static bool parse_bits(const char *text, unsigned most, unsigned *out) {
    size_t length = strlen(text);
    if (length == 0 || length > 3 || strspn(text, "0123456789") != length) {
        return false;
    }
    *out = (unsigned)strtoul(text, NULL, 10);
    return *out <= most;
}

static bool parse_block(char entry[ENTRY_SIZE], struct block *out) {
    char *slash = strchr(entry, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    if (!client_address_parse(entry, &out->address)) {
        return false;
    }
    bool v4 = strchr(entry, ':') == NULL;
    out->bits = 128;
    if (slash != NULL) {
        if (!parse_bits(slash + 1, v4 ? 32 : 128, &out->bits)) {
            return false;
        }
        out->bits += v4 ? IPV4_MAPPED_BITS : 0;
    }
    return true;
}

struct client_address_rules *client_address_rules_parse(const char *list) {
    size_t most = 1;
    for (const char *comma = strchr(list, ','); comma != NULL; comma = strchr(comma + 1, ',')) {
        most++;
    }
    struct client_address_rules *rules = xcalloc(1, sizeof *rules + most * sizeof(struct block));
    for (const char *at = list;;) {
        size_t length = strcspn(at, ",");
        char entry[ENTRY_SIZE];
        if (!copy_trimmed(at, length, entry)) {
            goto malformed;
        }
        if (entry[0] != '\0' && !parse_block(entry, &rules->blocks[rules->count++])) {
            goto malformed;
        }
        if (at[length] == '\0') {
            return rules;
        }
        at += length + 1;
    }
malformed:
    free(rules);
    return NULL;
}

void client_address_rules_free(struct client_address_rules *rules) {
    free(rules);
}

static bool is_in_block(const struct in6_addr *address, const struct block *block) {
    unsigned whole = block->bits / 8, rest = block->bits % 8;
    if (memcmp(address->s6_addr, block->address.s6_addr, whole) != 0) {
        return false;
    }
    return rest == 0 || ((address->s6_addr[whole] ^ block->address.s6_addr[whole]) >> (8 - rest)) == 0;
}

static bool is_trusted(const struct client_address_rules *rules, const struct in6_addr *address) {
    for (size_t i = 0; i < rules->count; i++) {
        if (is_in_block(address, &rules->blocks[i])) {
            return true;
        }
    }
    return false;
}

bool client_address_is_in(const struct client_address_rules *rules, const char *address) {
    struct in6_addr parsed;
    return client_address_parse(address, &parsed) && is_trusted(rules, &parsed);
}

// An entry as proxies write it: "a.b.c.d", "a.b.c.d:port", "v6", "[v6]", "[v6]:port".
static bool parse_entry(const char *text, size_t length, struct in6_addr *out) {
    char entry[ENTRY_SIZE];
    if (!copy_trimmed(text, length, entry)) {
        return false;
    }
    if (entry[0] == '[') {
        char *end = strchr(entry, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':')) {
            return false;
        }
        *end = '\0';
        return client_address_parse(entry + 1, out);
    }
    char *colon = strchr(entry, ':');
    if (colon != NULL && strchr(colon + 1, ':') == NULL) {
        *colon = '\0';
    }
    return client_address_parse(entry, out);
}

// From the right: a trusted proxy's own address leads on to the left, anything that isn't an address ends the search
// at the proxy that let it through.
static void read_forwarded(const struct client_address_rules *rules, const char *list, struct in6_addr *client) {
    const char *end = list + strlen(list);
    while (is_trusted(rules, client)) {
        const char *start = end;
        while (start > list && start[-1] != ',') {
            start--;
        }
        struct in6_addr named;
        if (!parse_entry(start, (size_t)(end - start), &named)) {
            return;
        }
        *client = named;
        if (start == list) {
            return;
        }
        end = start - 1;
    }
}

void client_address_find(const struct client_address_rules *rules, const char *peer, const char *forwarded_for,
                         const char *real_ip, char out[CLIENT_ADDRESS_SIZE]) {
    struct in6_addr client;
    if (!client_address_parse(peer, &client)) {
        snprintf(out, CLIENT_ADDRESS_SIZE, "%s", peer);
        return;
    }
    if (is_trusted(rules, &client)) {
        struct in6_addr named;
        if (forwarded_for != NULL) {
            read_forwarded(rules, forwarded_for, &client);
        } else if (real_ip != NULL && parse_entry(real_ip, strlen(real_ip), &named)) {
            client = named;
        }
    }
    format_address(&client, out);
}

bool client_address_is_trusted(const struct client_address_rules *rules, const char *peer) {
    struct in6_addr address;
    return client_address_parse(peer, &address) && is_trusted(rules, &address);
}

void client_address_limit_key(const char *address, char out[CLIENT_LIMIT_KEY_SIZE]) {
    struct in6_addr parsed;
    if (!client_address_parse(address, &parsed) || IN6_IS_ADDR_V4MAPPED(&parsed)) {
        snprintf(out, CLIENT_LIMIT_KEY_SIZE, "%s", address);
        return;
    }
    memset(&parsed.s6_addr[8], 0, 8);
    char prefix[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, &parsed, prefix, sizeof prefix);
    snprintf(out, CLIENT_LIMIT_KEY_SIZE, "%s/64", prefix);
}
