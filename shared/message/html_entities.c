// SPDX-License-Identifier: MIT
#include "shared/message/html_entities.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/hex.h"
#include "shared/message/html_entity_table.h"

enum {
    MOST_NAME = 31,  // characters of the longest name
    MOST_BARE = 6,   // of the longest that may come without ';'
    LEAST_BARE = 2,  // and of the shortest
    NO_CODE = 0xfffd // what stands for a number that is no code point
};

// What browsers take numbers from 0x80 to 0x9f for: Windows-1252 (0: the number itself).
static const uint16_t windows_1252[32] = {0x20ac, 0,      0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
                                          0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0,      0x017d, 0,
                                          0,      0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
                                          0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,      0x017e, 0x0178};

struct entity_key {
    const char *name;
    size_t length;
};

static int compare_name(const void *wanted, const void *element) {
    const struct entity_key *key = wanted;
    const struct html_entity *entity = element;
    int order = strncmp(key->name, entity->name, key->length);
    return order != 0 ? order : -(int)(unsigned char)entity->name[key->length];
}

static const struct html_entity *find_entity(const char *name, size_t length) {
    struct entity_key key = {name, length};
    return bsearch(&key, html_entities, html_entity_count, sizeof *html_entities, compare_name);
}

static size_t take_entity(const struct html_entity *entity, size_t length, int32_t codes[2]) {
    codes[0] = entity->first;
    codes[1] = entity->second;
    return length;
}

// The longest name without ';' at name, which goes on for `length` letters and digits.
static size_t decode_bare(const char *name, size_t length, size_t left, bool in_attribute, int32_t codes[2]) {
    for (size_t most = length < MOST_BARE ? length : MOST_BARE; most >= LEAST_BARE; most--) {
        const struct html_entity *entity = find_entity(name, most);
        if (entity != NULL && entity->bare) {
            bool goes_on = most < length || (most < left && name[most] == '=');
            return in_attribute && goes_on ? 0 : take_entity(entity, 1 + most, codes);
        }
    }
    return 0;
}

static size_t decode_named(const char *name, size_t left, bool in_attribute, int32_t codes[2]) {
    size_t length = 0;
    while (length < left && length <= MOST_NAME && isalnum((unsigned char)name[length])) {
        length++;
    }
    if (length < left && name[length] == ';') {
        const struct html_entity *entity = find_entity(name, length);
        if (entity != NULL) {
            return take_entity(entity, length + 2, codes);
        }
    }
    return decode_bare(name, length, left, in_attribute, codes);
}

static int32_t code_of_number(int32_t number) {
    if (number >= 0x80 && number <= 0x9f && windows_1252[number - 0x80] != 0) {
        return windows_1252[number - 0x80];
    }
    bool surrogate = number >= 0xd800 && number <= 0xdfff;
    return number == 0 || number > 0x10ffff || surrogate ? NO_CODE : number;
}

static int digit_of(char c, int base) {
    int digit = hex_digit(c);
    return digit < base ? digit : -1;
}

static size_t decode_number(const char *text, size_t left, int32_t codes[2]) {
    size_t at = 2;
    int base = at < left && (text[at] == 'x' || text[at] == 'X') ? 16 : 10;
    at += base == 16;
    size_t begin = at;
    int32_t number = 0;
    for (int digit; at < left && (digit = digit_of(text[at], base)) >= 0; at++) {
        number = number > 0x10ffff ? number : number * base + digit;
    }
    if (at == begin) {
        return 0;
    }
    codes[0] = code_of_number(number);
    codes[1] = 0;
    return at < left && text[at] == ';' ? at + 1 : at;
}

size_t html_entity_decode(const char *text, size_t left, bool in_attribute, int32_t codes[2]) {
    if (left > 1 && text[1] == '#') {
        return decode_number(text, left, codes);
    }
    return left > 1 ? decode_named(text + 1, left - 1, in_attribute, codes) : 0;
}
