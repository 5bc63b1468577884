// SPDX-License-Identifier: MIT
#include "dispatcher/mock/receipts.h"

#include <errno.h>
#include <stdlib.h>

#include "dispatcher/mock/fate.h"
#include "dispatcher/mock/sendgrid_events.h"
#include "dispatcher/mock/twilio_path.h"
#include "dispatcher/mock/twilio_status.h"
#include "shared/base/form.h"
#include "shared/base/json.h"

struct mock_receipts {
    const struct mock_behaviour *config;
    struct mock_teller teller;
    struct mock_ledger *ledger;
    struct mock_fates fates[PROVIDER_COUNT];
    struct mock_outbox *outbox;
    struct mock_events *events;
};

// Fills what the settings give. NULL, or what is wrong with which.
static char *mock_receipts_read_settings(const struct settings *settings, struct mock_teller *out) {
    *out = (struct mock_teller){.settings = settings};
    char *error = mock_codes_read(settings, &out->codes);
    if (error != NULL) {
        return error;
    }
    char *why;
    out->key = mock_event_key_read(settings->mock_email_private_key_file, &why);
    if (why != NULL) {
        error = xasprintf("MOCK_EMAIL_PRIVATE_KEY_FILE: %s %s", settings->mock_email_private_key_file, why);
        free(why);
        mock_codes_free(&out->codes);
    }
    return error;
}

static void forget_settings(struct mock_teller *teller) {
    mock_codes_free(&teller->codes);
    mock_event_key_free(teller->key);
}

char *mock_receipts_check(const struct settings *settings) {
    struct mock_teller teller;
    char *error = mock_receipts_read_settings(settings, &teller);
    if (error == NULL) {
        forget_settings(&teller);
    }
    return error;
}

void mock_receipts_restart(struct mock_receipts *receipts) {
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        mock_fates_start(&receipts->fates[i], receipts->config->providers[i].seed, (enum provider)i);
    }
}

static void follow_sms(struct mock_receipts *receipts, const struct mock_request *request, const struct mock_fate *fate,
                       int64_t delay_ms, const char *key) {
    struct form form;
    (void)!form_parse(request->body, request->length, &form);
    struct mock_twilio_path path = mock_twilio_path_of(request->path);
    struct mock_message message = mock_message_of(path.account, request->id, &form);
    const char *url = form_get(&form, "StatusCallback");
    mock_status_settle(&receipts->teller, fate, delay_ms, &message);
    if (url != NULL && *url != '\0') {
        mock_status_follow(&receipts->teller, &message, fate, url, key);
    }
    mock_outbox_add(receipts->outbox, &message);
    form_free(&form);
    mock_twilio_path_free(&path);
}

static void follow_mail(struct mock_receipts *receipts, const struct mock_request *request,
                        const struct mock_answer *answer, const struct mock_fate *fate, int64_t delay_ms,
                        const char *key) {
    const char *why;
    cJSON *mail = json_parse(request->body, request->length, &why);
    mock_events_follow(receipts->events, mail, answer->message_id, fate, key, delay_ms);
    cJSON_Delete(mail);
}

void mock_receipts_follow(struct mock_receipts *receipts, enum provider provider, const struct mock_request *request,
                          const struct mock_answer *answer, const char *key) {
    const struct mock_settings *behaviour = &receipts->config->providers[provider];
    struct mock_fate fate = mock_fates_next(&receipts->fates[provider], behaviour, receipts->teller.settings);
    if (provider == PROVIDER_EMAIL) {
        follow_mail(receipts, request, answer, &fate, behaviour->receipt_delay_ms, key);
    } else {
        follow_sms(receipts, request, &fate, behaviour->receipt_delay_ms, key);
    }
}

const struct mock_outbox *mock_receipts_outbox(const struct mock_receipts *receipts) {
    return receipts->outbox;
}

const struct mock_teller *mock_receipts_teller(const struct mock_receipts *receipts) {
    return &receipts->teller;
}

static void mock_receipts_release(struct mock_receipts *receipts) {
    forget_settings(&receipts->teller);
    mock_ledger_close(receipts->ledger);
    free(receipts);
}

struct mock_receipts *mock_receipts_create(uv_loop_t *loop, const struct settings *settings,
                                           const struct mock_behaviour *config, struct mock_stats *stats) {
    struct mock_ledger *ledger = mock_ledger_open(settings->mock_receipt_file);
    if (ledger == NULL) {
        return NULL;
    }
    struct mock_receipts *receipts = xcalloc(1, sizeof *receipts);
    receipts->config = config;
    receipts->ledger = ledger;
    free(mock_receipts_read_settings(settings, &receipts->teller)); // checked before
    receipts->teller.callbacks = mock_callbacks_create(loop, settings, stats, ledger);
    if (receipts->teller.callbacks == NULL) {
        mock_receipts_release(receipts);
        errno = ENOMEM;
        return NULL;
    }
    receipts->outbox = mock_outbox_create();
    receipts->events = mock_events_create(loop, &receipts->teller);
    mock_receipts_restart(receipts);
    return receipts;
}

void mock_receipts_destroy(struct mock_receipts *receipts) {
    mock_callbacks_destroy(receipts->teller.callbacks);
    mock_events_destroy(receipts->events);
    mock_outbox_destroy(receipts->outbox);
    mock_receipts_release(receipts);
}
