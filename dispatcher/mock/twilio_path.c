// SPDX-License-Identifier: MIT
#include "dispatcher/mock/twilio_path.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"

#define MESSAGES "/Messages"
#define SUFFIX ".json"

// "/Messages/SM….json": the sid, owned by the caller, or NULL where it is something else.
static char *message_sid(const char *rest) {
    size_t length = strlen(rest), around = strlen(MESSAGES "/") + strlen(SUFFIX);
    if (strncmp(rest, MESSAGES "/", strlen(MESSAGES "/")) != 0 || length <= around ||
        strcmp(rest + length - strlen(SUFFIX), SUFFIX) != 0) {
        return NULL;
    }
    char *sid = xstrndup(rest + strlen(MESSAGES "/"), length - around);
    if (strchr(sid, '/') != NULL) {
        free(sid);
        return NULL;
    }
    return sid;
}

struct mock_twilio_path mock_twilio_path_of(const char *path) {
    struct mock_twilio_path out = {.resource = MOCK_TWILIO_NOTHING};
    if (strncmp(path, MOCK_TWILIO_ACCOUNTS, strlen(MOCK_TWILIO_ACCOUNTS)) != 0) {
        out.account = xstrdup("");
        return out;
    }
    path += strlen(MOCK_TWILIO_ACCOUNTS);
    const char *rest = path + strcspn(path, "/");
    out.account = xstrndup(path, (size_t)(rest - path));
    out.sid = message_sid(rest);
    if (*out.account != '\0' && out.sid != NULL) {
        out.resource = MOCK_TWILIO_MESSAGE;
    } else if (*out.account != '\0' && strcmp(rest, MESSAGES SUFFIX) == 0) {
        out.resource = MOCK_TWILIO_MESSAGES;
    }
    return out;
}

void mock_twilio_path_free(struct mock_twilio_path *path) {
    free(path->account);
    free(path->sid);
    *path = (struct mock_twilio_path){.resource = MOCK_TWILIO_NOTHING};
}
