// SPDX-License-Identifier: MIT
// What providers post about messages → receipts → what travels through Redis → the same receipts.
// Input: a character, '0' for Twilio's status callback, 'g' for a gateway's receipts, others for SendGrid's events; the
// body.

#include <string.h>

#include "shared/base/json_items.h"
#include "shared/base/unicode.h"
#include "shared/provider/provider.h"
#include "shared/provider/reasons.h"
#include "tests/fuzz/targets.h"

static void assert_same_text(const char *one, const char *other) {
    FUZZ_ASSERT((one == NULL) == (other == NULL));
    FUZZ_ASSERT(one == NULL || strcmp(one, other) == 0);
}

static void assert_travels(enum provider provider, const struct receipt *receipt) {
    const struct receipt_entry entry = {.provider = provider,
                                        .status = receipt->status,
                                        .at_ms = receipt->occurred_ms,
                                        .code = receipt->code,
                                        .reason = receipt->reason,
                                        .provider_message_id = receipt->provider_message_id};
    struct buf text = {0};
    struct receipt_entry read;
    receipt_entry_encode(&entry, &text);
    const char *error = receipt_entry_decode(text.data, text.length, &read);
    if (error != NULL) {
        fprintf(stderr, "%s\n%s\n", error, text.data);
        abort();
    }
    FUZZ_ASSERT(read.provider == provider && read.status == receipt->status && read.at_ms == receipt->occurred_ms);
    assert_same_text(read.code, receipt->code);
    assert_same_text(read.reason, receipt->reason);
    assert_same_text(read.provider_message_id, receipt->provider_message_id);
    receipt_entry_free(&read);
    buf_free(&text);
}

static void assert_receipt(enum provider provider, const struct receipt *receipt) {
    FUZZ_ASSERT(receipt->has_status || receipt->opt != RECEIPT_OPT_NONE);
    FUZZ_ASSERT(receipt->reason == NULL || strlen(receipt->reason) <= REASON_MAX);
    FUZZ_ASSERT(receipt->reason == NULL || !unicode_has_control(receipt->reason));
    FUZZ_ASSERT(receipt->status == RECEIPT_UNDELIVERED || (receipt->code == NULL && receipt->reason == NULL));
    assert_travels(provider, receipt);
}

// How many elements the body has as an array; SIZE_MAX where it is none.
static size_t count_items(const char *body, size_t length) {
    struct json_items items;
    const char *item;
    size_t count = 0, bytes;
    json_items_begin(&items, body, length);
    while (json_items_next(&items, &item, &bytes)) {
        FUZZ_ASSERT(item >= body && item + bytes <= body + length);
        count++;
    }
    return items.error == NULL ? count : SIZE_MAX;
}

static void assert_all(enum provider provider, const struct receipts *receipts, size_t items) {
    size_t all = receipts->count + receipts->skipped + receipts->broken;
    FUZZ_ASSERT(items == SIZE_MAX ? all == 1 : all == items);
    for (size_t i = 0; i < receipts->count; i++) {
        assert_receipt(provider, &receipts->items[i]);
    }
    for (size_t i = 0; i < receipts->broken && i < RECEIPTS_TOLD; i++) {
        FUZZ_ASSERT(receipts->troubles[i].why != NULL && receipts->troubles[i].place < all);
    }
}

static const char *parameter(const void *context, const char *name) {
    (void)context;
    return strcmp(name, "message_id") == 0 ? "0194c0de-0000-7000-8000-000000000001" : "3";
}

void fuzz_receipts(const uint8_t *data, size_t size) {
    if (size == 0) {
        return;
    }
    bool is_form = data[0] == '0';
    enum provider provider = is_form || data[0] == 'g' ? PROVIDER_SMS_MMS : PROVIDER_EMAIL;
    const char *type = is_form ? "application/x-www-form-urlencoded" : "application/json";
    char *body = malloc(size);
    memcpy(body, data + 1, size - 1);
    body[size - 1] = '\0'; // as http_body's
    const struct provider_post post = {.body = body, .length = size - 1, .parameter = parameter};
    struct receipts receipts;
    const char *error = NULL;
    const struct provider_way_in *way = provider_way_in_of_any(provider, PROVIDER_ROUTE_RECEIPTS, type);
    if (way->read_receipts(&post, &receipts, &error) == 0) {
        assert_all(provider, &receipts, is_form ? SIZE_MAX : count_items(body, size - 1));
    } else {
        FUZZ_ASSERT(error != NULL && receipts.items == NULL && receipts.count == 0);
    }
    receipts_free(&receipts);
    free(body);
}
