// SPDX-License-Identifier: MIT
#ifndef SHARED_MESSAGE_HTML_ENTITY_TABLE_H
#define SHARED_MESSAGE_HTML_ENTITY_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A named character reference: "amp" of "&amp;".
struct html_entity {
    const char *name;      // without '&' and ';'
    int32_t first, second; // the code points that it stands for; second 0: one only
    bool bare;             // HTML also knows it without ';'
};

extern const struct html_entity html_entities[]; // by name, bytewise
extern const size_t html_entity_count;

#endif
