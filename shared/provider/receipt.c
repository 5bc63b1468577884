// SPDX-License-Identifier: MIT
#include "shared/provider/receipt.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/timestamp.h"
#include "shared/base/unicode.h"

struct receipt *receipts_add(struct receipts *receipts) {
    size_t count = receipts->count;
    if ((count & (count - 1)) == 0) { // room is a power of two
        receipts->items = xrealloc(receipts->items, (count > 0 ? 2 * count : 1) * sizeof *receipts->items);
    }
    struct receipt *added = &receipts->items[receipts->count++];
    *added = (struct receipt){.partition = RECEIPT_NO_PARTITION, .occurred_ms = RECEIPT_NO_TIME};
    return added;
}

static void receipt_free(struct receipt *receipt) {
    free(receipt->code);
    free(receipt->reason);
    free(receipt->provider_message_id);
    free(receipt->event_id);
    free(receipt->our_address);
    free(receipt->their_address);
}

void receipts_drop(struct receipts *receipts) {
    receipt_free(&receipts->items[--receipts->count]);
}

void receipts_free(struct receipts *receipts) {
    while (receipts->count > 0) {
        receipts_drop(receipts);
    }
    free(receipts->items);
    *receipts = (struct receipts){0};
}

void receipts_note_broken(struct receipts *receipts, size_t place, const char *why) {
    if (receipts->broken < RECEIPTS_TOLD) {
        receipts->troubles[receipts->broken] = (struct receipt_trouble){place, why};
    }
    receipts->broken++;
}

// ---- What a post says

bool receipt_take_message_id(struct receipt *receipt, const char *text) {
    receipt->has_message_id = text != NULL && *text != '\0';
    return !receipt->has_message_id || uuid_parse(text, &receipt->message_id) == 0;
}

// Without the blanks around it; NULL where nothing is left, or more than `most` bytes.
static char *receipt_trim(const char *text, size_t most) {
    const char *begin = text != NULL ? text + strspn(text, " \t\r\n") : "";
    size_t length = strlen(begin);
    while (length > 0 && strchr(" \t\r\n", begin[length - 1]) != NULL) {
        length--;
    }
    return length > 0 && length <= most ? xstrndup(begin, length) : NULL;
}

char *receipt_code_of(const char *text) {
    char *code = receipt_trim(text, RECEIPT_CODE_MAX);
    if (code != NULL && !unicode_is_printable_ascii(code, RECEIPT_CODE_MAX)) {
        free(code);
        return NULL;
    }
    return code;
}

char *receipt_provider_id_of(const char *text) {
    return receipt_trim(text, RECEIPT_PROVIDER_ID_MAX);
}

int64_t receipt_time_of(const cJSON *given) {
    int64_t ms;
    bool is_time = cJSON_IsNumber(given)   ? timestamp_from_number(given->valuedouble, &ms) == 0
                   : cJSON_IsString(given) ? timestamp_read(given->valuestring, &ms) == 0
                                           : false;
    return is_time && ms >= 0 ? ms : RECEIPT_NO_TIME;
}
