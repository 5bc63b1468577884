// SPDX-License-Identifier: MIT
#include "dispatcher/mock/refusals.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/json.h"
#include "shared/message/address.h"

struct mock_refusals {
    enum channel channel;
    const struct phone_region *region;
    char *text;
    char **senders; // normalized
    size_t count;
};

// A sender in the form that is compared.
static char *identity(const struct mock_refusals *refusals, const char *text) {
    struct address_list list;
    if (address_keep(refusals->channel, text, refusals->region, &list) != NULL) {
        return xstrdup(text);
    }
    char *normalized = list.addresses->normalized;
    list.addresses->normalized = NULL;
    address_list_free(&list);
    return normalized;
}

static bool mock_refusals_take_senders(struct mock_refusals *refusals, const cJSON *array) {
    const cJSON *sender;
    refusals->senders = xcalloc((size_t)cJSON_GetArraySize(array) + 1, sizeof *refusals->senders);
    cJSON_ArrayForEach(sender, array) {
        if (!cJSON_IsString(sender)) {
            return false;
        }
        refusals->senders[refusals->count++] = identity(refusals, sender->valuestring);
    }
    return true;
}

struct mock_refusals *mock_refusals_parse(enum provider provider, const struct phone_region *region, const char *text) {
    const char *why, *list = *text == '\0' ? "[]" : text;
    cJSON *array = json_parse(list, strlen(list), &why);
    struct mock_refusals *refusals = NULL;
    if (cJSON_IsArray(array)) {
        refusals = xcalloc(1, sizeof *refusals);
        refusals->channel = provider == PROVIDER_EMAIL ? CHANNEL_EMAIL : CHANNEL_SMS;
        refusals->region = region;
        refusals->text = xstrdup(text);
        if (!mock_refusals_take_senders(refusals, array)) {
            mock_refusals_free(refusals);
            refusals = NULL;
        }
    }
    cJSON_Delete(array);
    return refusals;
}

void mock_refusals_free(struct mock_refusals *refusals) {
    if (refusals == NULL) {
        return;
    }
    for (size_t i = 0; i < refusals->count; i++) {
        free(refusals->senders[i]);
    }
    free(refusals->senders);
    free(refusals->text);
    free(refusals);
}

const char *mock_refusals_text(const struct mock_refusals *refusals) {
    return refusals != NULL ? refusals->text : "";
}

bool mock_refusals_has(const struct mock_refusals *refusals, const char *sender) {
    if (refusals == NULL || refusals->count == 0 || sender == NULL) {
        return false;
    }
    bool found = false;
    char *name = identity(refusals, sender);
    for (size_t i = 0; i < refusals->count && !found; i++) {
        found = strcasecmp(refusals->senders[i], name) == 0;
    }
    free(name);
    return found;
}
