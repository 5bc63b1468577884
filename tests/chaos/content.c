// SPDX-License-Identifier: MIT
#include "tests/chaos/content.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/json.h"
#include "shared/base/rfc3339.h"
#include "tests/chaos/dice.h"

#define FIRST_MS INT64_C(1730469600000) // 2024-11-01T14:00:00Z
#define BEGIN "chaos "

enum { PHONES = 200, OUR_PHONES = 20, MAILS = 150, KEYED_PERCENT = 60, MOST_WORDS = 12, REFUSED_PERCENT = 2 };

struct kind {
    int percent; // of the load
    const char *path, *type;
    bool is_webhook, is_email;
    int least_attachments, most_attachments;
};

static const struct kind kinds[] = {
    {40, "/api/messages/sms", "sms", false, false, 0, 0},
    {10, "/api/messages/sms", "mms", false, false, 1, CONTENT_MOST_ATTACHMENTS},
    {20, "/api/messages/email", "email", false, true, 0, CONTENT_MOST_ATTACHMENTS},
    {15, "/api/webhooks/sms", "sms", true, false, 0, 0},
    {5, "/api/webhooks/sms", "mms", true, false, 0, CONTENT_MOST_ATTACHMENTS},
    {10, "/api/webhooks/email", "email", true, true, 0, CONTENT_MOST_ATTACHMENTS},
};

static const struct kind *pick_kind(struct dice *dice) {
    int roll = dice_percent(dice);
    const struct kind *kind = kinds;
    for (; roll >= kind->percent; kind++) {
        roll -= kind->percent;
    }
    return kind;
}

// Words that a text might be damaged by: quotes, markup, several bytes a character, several code points a character.
static void write_body(struct content *out, struct dice *dice) {
    static const char *const words[] = {"hello",     "\"quoted\"", "back\\slash", "<b>bold</b>",        "a\tb",
                                        "line\nend", "äöü",        "日本語",      "👩‍👩‍👧", "100%",
                                        "{}[]",      "'; --",      "&amp; &lt;",  "e\u0301t\u0301",     "\\N",
                                        "\\.",       "x",          "NULL"};
    int used = snprintf(out->body, sizeof out->body, BEGIN "%" PRIu32, out->number);
    for (int64_t left = dice_between(dice, 1, MOST_WORDS); left > 0; left--) {
        const char *word = words[dice_roll(dice) % (sizeof words / sizeof *words)];
        used += snprintf(out->body + used, sizeof out->body - (size_t)used, " %s", word);
    }
}

static void write_addresses(struct content *out, const struct kind *kind, struct dice *dice) {
    char theirs[sizeof out->from], ours[sizeof out->from];
    if (kind->is_email) {
        snprintf(theirs, sizeof theirs, "Them%d@chaos.example", (int)dice_between(dice, 0, MAILS - 1));
        snprintf(ours, sizeof ours, "us+%d@chaos.example", (int)dice_between(dice, 0, 9));
    } else {
        snprintf(theirs, sizeof theirs, "+1 (555) %07d", (int)dice_between(dice, 0, PHONES - 1));
        snprintf(ours, sizeof ours, "+1666%07d", (int)dice_between(dice, 0, OUR_PHONES - 1));
    }
    memcpy(out->from, kind->is_webhook ? theirs : ours, sizeof theirs);
    memcpy(out->to, kind->is_webhook ? ours : theirs, sizeof theirs);
}

// Some of the mails are sent by the one whom a hostile provider refuses.
static void choose_sender(const struct options *options, const struct kind *kind, struct content *out) {
    struct dice dice = dice_make(options->seed, "sender", out->number);
    out->is_refused = options->hostile && kind->is_email && !kind->is_webhook && dice_percent(&dice) < REFUSED_PERCENT;
    if (out->is_refused) {
        snprintf(out->from, sizeof out->from, "%s", CONTENT_REFUSED_SENDER);
    }
}

void content_make(const struct options *options, uint32_t number, struct content *out) {
    uint64_t seed = options->seed;
    struct dice dice = dice_make(seed, "content", number);
    const struct kind *kind = pick_kind(&dice);
    *out = (struct content){.number = number,
                            .path = kind->path,
                            .type = kind->type,
                            .is_webhook = kind->is_webhook,
                            .occurred_ms = FIRST_MS + dice_between(&dice, 0, INT64_C(30) * 86400 * 1000)};
    write_addresses(out, kind, &dice);
    choose_sender(options, kind, out);
    write_body(out, &dice);
    out->attachment_count = (int)dice_between(&dice, kind->least_attachments, kind->most_attachments);
    for (int i = 0; i < out->attachment_count; i++) {
        snprintf(out->attachments[i], sizeof out->attachments[i], "https://chaos.example/%" PRIu32 "/%d", number, i);
    }
    if (kind->is_webhook) {
        snprintf(out->provider_id, sizeof out->provider_id, "chaos-%" PRIu64 "-%" PRIu32, seed, number);
    } else if (dice_percent(&dice) < KEYED_PERCENT) {
        snprintf(out->key, sizeof out->key, "chaos-%" PRIu64 "-%" PRIu32, seed, number);
    }
}

void content_write(const struct content *content, struct buf *out) {
    char time[RFC3339_SIZE];
    rfc3339_format(content->occurred_ms, time);
    bool is_email = strcmp(content->type, "email") == 0;
    buf_putc(out, '{');
    json_write_member(out, "from", content->from);
    json_write_member(out, "to", content->to);
    if (!is_email) {
        json_write_member(out, "type", content->type);
    }
    if (content->is_webhook) {
        json_write_member(out, is_email ? "xillio_id" : "messaging_provider_id", content->provider_id);
    }
    json_write_member(out, "body", content->body);
    json_write_name(out, "attachments");
    buf_putc(out, '[');
    for (int i = 0; i < content->attachment_count; i++) {
        buf_puts(out, i > 0 ? "," : "");
        json_write_string(out, content->attachments[i]);
    }
    buf_putc(out, ']');
    json_write_member(out, "timestamp", time);
    buf_putc(out, '}');
}

void content_row_digest(const struct content_row *row, uint8_t out[CONTENT_DIGEST_BYTES]) {
    struct buf text = {0};
    unsigned char hash[EVP_MAX_MD_SIZE];
    buf_printf(&text, "%s\n%s\n%s\n%s\n%s\n%" PRId64 "\n%s\n%s", row->type, row->direction, row->from, row->to,
               row->provider_id, row->occurred_ms, row->attachments, row->body);
    EVP_Digest(text.data, text.length, hash, NULL, EVP_sha256(), NULL);
    memcpy(out, hash, CONTENT_DIGEST_BYTES);
    buf_free(&text);
}

void content_digest(const struct content *content, uint8_t out[CONTENT_DIGEST_BYTES]) {
    struct buf attachments = {0};
    buf_puts(&attachments, "");
    for (int i = 0; i < content->attachment_count; i++) {
        buf_printf(&attachments, "%s\n", content->attachments[i]);
    }
    content_row_digest(&(struct content_row){.type = content->type,
                                             .direction = content->is_webhook ? "inbound" : "outbound",
                                             .from = content->from,
                                             .to = content->to,
                                             .body = content->body,
                                             .attachments = attachments.data,
                                             .provider_id = content->provider_id,
                                             .occurred_ms = content->occurred_ms},
                       out);
    buf_free(&attachments);
}

bool content_number(const char *body, uint32_t *number) {
    return sscanf(body, BEGIN "%" SCNu32, number) == 1;
}
