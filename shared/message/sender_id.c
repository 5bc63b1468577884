// SPDX-License-Identifier: MIT
#include "shared/message/sender_id.h"

#include <string.h>

bool sender_id_parse(struct span text, char identity[SENDER_ID_SIZE]) {
    size_t letters = 0, digits = 0;
    if (text.length >= SENDER_ID_SIZE) {
        return false;
    }
    for (size_t i = 0; i < text.length; i++) {
        char c = text.text[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool is_digit = c >= '0' && c <= '9';
        if (!is_letter && !is_digit && (c == '\0' || strchr(SENDER_ID_OTHERS, c) == NULL)) {
            return false;
        }
        letters += is_letter;
        digits += is_digit;
        identity[i] = (char)(is_letter ? c | 0x20 : c);
    }
    identity[text.length] = '\0';
    return letters > 0 && digits <= letters;
}
