// SPDX-License-Identifier: MIT
#include "dispatcher/mock/codes.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { SMS_DIGITS = 5, MOST_DIGITS = 3 };

const char *mock_code_message(int code) {
    static const struct {
        int code;
        const char *message;
    } known[] = {
        {30001, "Queue overflow"},
        {30002, "Account suspended"},
        {30003, "Unreachable destination handset"},
        {30004, "Message blocked"},
        {30005, "Unknown destination handset"},
        {30006, "Landline or unreachable carrier"},
        {30007, "Message filtered"},
        {30008, "Unknown error"},
        {30034, "US A2P 10DLC - Message from an Unregistered Number"},
        {21610, "Attempt to send to unsubscribed recipient"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].code == code) {
            return known[i].message;
        }
    }
    return NULL;
}

static bool is_sms_code(const char *text) {
    return strspn(text, "0123456789") == SMS_DIGITS && text[SMS_DIGITS] == '\0' && text[0] != '0';
}

// RFC 3463, 2: class, subject and detail; a class 2 would be a success.
static bool is_email_code(const char *text) {
    if (strcmp(text, MOCK_DROPPED) == 0) {
        return true;
    }
    if ((text[0] != '4' && text[0] != '5') || text[1] != '.') {
        return false;
    }
    size_t subject = strspn(text + 2, "0123456789");
    const char *detail = text + 2 + subject + 1;
    if (subject < 1 || subject > MOST_DIGITS || text[2 + subject] != '.') {
        return false;
    }
    size_t digits = strspn(detail, "0123456789");
    return digits >= 1 && digits <= MOST_DIGITS && detail[digits] == '\0';
}

// Splits at commas, blanks around the items gone. Returns whether each is a code and there is one; *out is to be freed
// either way.
static bool codes_split(const char *text, bool (*is_code)(const char *item), char ***out, size_t *count) {
    bool good = true;
    *out = xcalloc(strlen(text) + 2, sizeof **out);
    *count = 0;
    for (size_t length;; text += length + 1) {
        length = strcspn(text, ",");
        size_t blank = strspn(text, " ");
        blank = blank < length ? blank : length;
        size_t end = length;
        while (end > blank && text[end - 1] == ' ') {
            end--;
        }
        char *item = xstrndup(text + blank, end - blank);
        good = good && is_code(item);
        (*out)[(*count)++] = item;
        if (text[length] == '\0') {
            return good;
        }
    }
}

static void free_items(char **items, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(items[i]);
    }
    free(items);
}

char *mock_codes_read(const struct settings *settings, struct mock_codes *out) {
    char **sms;
    *out = (struct mock_codes){0};
    bool good_sms = codes_split(settings->mock_undelivered_codes, is_sms_code, &sms, &out->sms_count);
    bool good_email = codes_split(settings->mock_bounce_codes, is_email_code, &out->email, &out->email_count);
    out->sms = xcalloc(out->sms_count, sizeof *out->sms);
    for (size_t i = 0; i < out->sms_count; i++) {
        out->sms[i] = atoi(sms[i]);
    }
    free_items(sms, out->sms_count);
    if (good_sms && good_email) {
        return NULL;
    }
    mock_codes_free(out);
    return good_sms ? xasprintf("MOCK_BOUNCE_CODES: '%s' is no list of them; allowed: status codes such as 5.1.1 or "
                                "4.2.2, and the word " MOCK_DROPPED ", joined by commas",
                                settings->mock_bounce_codes)
                    : xasprintf("MOCK_UNDELIVERED_CODES: '%s' is no list of them; allowed: numbers of five digits such "
                                "as 30003, joined by commas",
                                settings->mock_undelivered_codes);
}

void mock_codes_free(struct mock_codes *codes) {
    free_items(codes->email, codes->email_count);
    free(codes->sms);
    *codes = (struct mock_codes){0};
}
