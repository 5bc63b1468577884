// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "shared/base/buf.h"
#include "shared/settings/file.h"
#include "shared/settings/mock_url.h"
#include "shared/settings/settings.h"
#include "shared/settings/table.h"

// Where values are looked for, the first that has one winning. An empty value counts as none.
struct sources {
    settings_lookup environment;
    struct settings_file dotenv;
    struct settings_file config;
};

// A value and where it was found; file is NULL for the environment and the table's default.
struct found {
    const char *value;
    const struct settings_file *file;
    int line;
};

static bool find_in_file(const struct settings_file *file, const char *name, struct found *found) {
    const struct settings_pair *pair = settings_file_find(file, name);
    if (pair == NULL || *pair->value == '\0') {
        return false;
    }
    *found = (struct found){pair->value, file, pair->line};
    return true;
}

static bool find_above_config(const struct sources *sources, const char *name, struct found *found) {
    const char *value = sources->environment(name);
    if (value != NULL && *value != '\0') {
        *found = (struct found){.value = value};
        return true;
    }
    return find_in_file(&sources->dotenv, name, found);
}

static struct found settings_load_find(const struct sources *sources, const struct setting *setting) {
    struct found found = {.value = setting->flags & SETTING_COMPUTED ? "" : setting->fallback};
    if (!find_above_config(sources, setting->name, &found) && setting->key != NULL) {
        find_in_file(&sources->config, setting->key, &found);
    }
    return found;
}

// "<file>, line <n>: " where it came from one.
static void describe_origin(struct buf *out, const struct found *found) {
    if (found->file != NULL) {
        buf_printf(out, "%s, line %d: ", found->file->path, found->line);
    }
}

// The value in quotes, fit for one line.
static void describe_value(struct buf *out, const char *value) {
    buf_putc(out, '\'');
    for (size_t i = 0; i < 100 && value[i] != '\0'; i++) {
        buf_putc(out, iscntrl((unsigned char)value[i]) ? '?' : value[i]);
    }
    buf_putc(out, '\'');
}

static void describe_allowed(struct buf *out, const struct setting *setting) {
    if (setting->type == SETTING_NUMBER) {
        buf_printf(out, "%" PRId64 " to %" PRId64, setting->min, setting->max);
        if (*setting->unit != '\0') {
            buf_printf(out, " (%s)", setting->unit);
        }
    } else {
        buf_puts(out, setting->allowed);
    }
    if (*setting->fallback != '\0') {
        buf_printf(out, ", default %s", setting->fallback);
    }
}

static char *settings_load_refuse(const struct setting *setting, const struct found *found, const char *what) {
    struct buf line = {0};
    describe_origin(&line, found);
    buf_printf(&line, "%s: ", setting->name);
    describe_value(&line, found->value);
    buf_printf(&line, " %s; allowed: ", what);
    describe_allowed(&line, setting);
    return line.data;
}

static void *member(struct settings *out, const struct setting *setting) {
    return (char *)out + setting->offset;
}

static char *apply_number(struct settings *out, const struct setting *setting, const struct found *found) {
    if (*found->value == '\0' && setting->flags & SETTING_WITHOUT_VALUE) {
        return NULL;
    }
    const char *digits = found->value + (*found->value == '-' ? 1 : 0);
    if (*digits == '\0' || digits[strspn(digits, "0123456789")] != '\0') {
        return settings_load_refuse(setting, found, "is not a whole number");
    }
    errno = 0;
    int64_t number = strtoll(found->value, NULL, 10);
    if (errno != 0 || number < setting->min || number > setting->max) {
        return settings_load_refuse(setting, found, "is out of range");
    }
    *(int64_t *)member(out, setting) = number;
    if (setting->flags & SETTING_BOTH_MOCKS) {
        for (size_t i = 1; i < PROVIDER_COUNT; i++) {
            *(int64_t *)(void *)((char *)member(out, setting) + i * sizeof out->mock[0]) = number;
        }
    }
    return NULL;
}

static char *apply_choice(struct settings *out, const struct setting *setting, const struct found *found) {
    size_t length;
    for (const char *word = setting->allowed; *word != '\0'; word += length + strspn(word + length, ", ")) {
        length = strcspn(word, ",");
        if (strlen(found->value) == length && strncasecmp(found->value, word, length) == 0) {
            *(char **)member(out, setting) = xstrndup(word, length);
            return NULL;
        }
    }
    return settings_load_refuse(setting, found, "is not one of them");
}

static char *apply_bool(struct settings *out, const struct setting *setting, const struct found *found) {
    static const char *const words[][2] = {{"false", "true"}, {"0", "1"}, {"no", "yes"}, {"off", "on"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        for (int value = 0; value < 2; value++) {
            if (strcasecmp(found->value, words[i][value]) == 0) {
                *(bool *)member(out, setting) = value == 1;
                return NULL;
            }
        }
    }
    return settings_load_refuse(setting, found, "is not one of them");
}

static char *apply_region(struct settings *out, const struct setting *setting, const struct found *found) {
    const struct phone_region **region = member(out, setting);
    if (*found->value == '\0') {
        return NULL;
    }
    *region = phone_region_find(found->value);
    return *region != NULL ? NULL : settings_load_refuse(setting, found, "is no region that has phone numbers");
}

static char *settings_load_apply(struct settings *out, const struct setting *setting, const struct found *found) {
    switch (setting->type) {
    case SETTING_NUMBER:
        return apply_number(out, setting, found);
    case SETTING_CHOICE:
        return apply_choice(out, setting, found);
    case SETTING_BOOL:
        return apply_bool(out, setting, found);
    case SETTING_REGION:
        return apply_region(out, setting, found);
    case SETTING_PATH:
        if (*found->value != '/') {
            return settings_load_refuse(setting, found, "does not begin with /");
        }
        *(char **)member(out, setting) = xstrdup(found->value);
        return NULL;
    case SETTING_TEXT:
        *(char **)member(out, setting) = xstrdup(found->value);
        return NULL;
    case SETTING_CONFIG:
        return NULL;
    }
    return NULL;
}

static void compute_default(char **member_at, char *value) {
    if (**member_at == '\0') {
        free(*member_at);
        *member_at = value;
    } else {
        free(value);
    }
}

// A real provider is told no address that only the mock can reach: it would refuse the message over it.
static void compute_public_url(struct settings *out) {
    bool mocks = mock_url_is(out->provider_sms_url, out->mock_provider_port) &&
                 mock_url_is(out->provider_email_url, out->mock_provider_port);
    compute_default(&out->webhook_public_url, xstrdup(mocks ? out->mock_webhook_url : ""));
}

// The defaults that follow other settings.
static void compute_defaults(struct settings *out) {
    compute_default(&out->redis_url, xasprintf("redis://127.0.0.1:%" PRId64, out->local_redis_port));
    compute_default(&out->database_url,
                    xasprintf("postgres://messaging_user:messaging_password@127.0.0.1:%" PRId64 "/messaging_service",
                              out->local_postgres_port));
    bool is_generic = strcmp(out->provider_sms_kind, "generic") == 0;
    compute_default(&out->provider_sms_token, xstrdup(is_generic ? "" : "mock-token"));
    compute_default(&out->provider_sms_url, xasprintf("http://127.0.0.1:%" PRId64, out->mock_provider_port));
    compute_default(&out->provider_email_url, xasprintf("http://127.0.0.1:%" PRId64, out->mock_provider_port));
    compute_public_url(out);
}

// What no single setting's range can say.
static char *check_together(const struct settings *out) {
    if (out->worker_claim_timeout_secs * 1000 < 2 * out->provider_timeout_ms + 2000) {
        return xasprintf(
            "API_WORKER_CLAIM_TIMEOUT_SECS: %" PRId64 " seconds is too short for PROVIDER_TIMEOUT_MS %" PRId64
            "; allowed: at least 2 x PROVIDER_TIMEOUT_MS + 2 seconds, here %" PRId64,
            out->worker_claim_timeout_secs, out->provider_timeout_ms, (2 * out->provider_timeout_ms + 2999) / 1000);
    }
    static const char *const names[PROVIDER_COUNT] = {"SMS", "EMAIL"};
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        const struct mock_settings *mock = &out->mock[i];
        int64_t sum = mock->timeout_pct + mock->error_pct + mock->ratelimit_pct;
        if (sum > 100) {
            return xasprintf(
                "API_PROVIDER_%s_TIMEOUT_PCT, _ERROR_PCT and _RATELIMIT_PCT (or the API_PROVIDER_ ones they "
                "default to) make %" PRId64 " percent together; allowed: at most 100",
                names[i], sum);
        }
    }
    return NULL;
}

static bool is_key(const char *name) {
    for (size_t i = 0; i < settings_table_count; i++) {
        if (settings_table[i].key != NULL && strcmp(settings_table[i].key, name) == 0) {
            return true;
        }
    }
    return false;
}

static char *check_keys(const struct settings_file *config) {
    for (size_t i = 0; i < config->count; i++) {
        if (!is_key(config->pairs[i].name)) {
            return xasprintf("%s, line %d: unknown setting '%s'", config->path, config->pairs[i].line,
                             config->pairs[i].name);
        }
    }
    return NULL;
}

static const struct setting *config_setting(void) {
    const struct setting *setting = settings_table;
    while (setting->type != SETTING_CONFIG) {
        setting++;
    }
    return setting;
}

// Reads the file given, else the one that API_CONFIG_FILE names, else the default one if it is there.
static char *read_config(struct sources *sources, const char *path) {
    const struct setting *setting = config_setting();
    struct found found = {.value = path};
    bool named = path != NULL || find_above_config(sources, setting->name, &found);
    if (!named && access(setting->fallback, F_OK) != 0) {
        return NULL;
    }
    char *error = settings_file_read_config(&sources->config, named ? found.value : setting->fallback);
    if (error == NULL) {
        return check_keys(&sources->config);
    }
    if (path == NULL && sources->config.path == NULL) { // it could not be opened
        char *whole = xasprintf("%s: %s", setting->name, error);
        free(error);
        return whole;
    }
    return error;
}

// A path, too, comes from outside.
static void make_one_line(char *text) {
    for (; *text != '\0'; text++) {
        if (iscntrl((unsigned char)*text)) {
            *text = '?';
        }
    }
}

char *settings_load(struct settings *out, settings_lookup environment, const char *dotenv_path,
                    const char *config_path) {
    *out = (struct settings){0};
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        out->mock[i].seed = -1;
    }
    struct sources sources = {.environment = environment};
    char *error = dotenv_path != NULL ? settings_file_read_dotenv(&sources.dotenv, dotenv_path) : NULL;
    if (error == NULL) {
        error = read_config(&sources, config_path);
    }
    for (size_t i = 0; error == NULL && i < settings_table_count; i++) {
        struct found found = settings_load_find(&sources, &settings_table[i]);
        error = settings_load_apply(out, &settings_table[i], &found);
    }
    if (error == NULL) {
        compute_defaults(out);
        error = check_together(out);
    }
    if (error != NULL) {
        make_one_line(error);
        settings_free(out);
    }
    settings_file_free(&sources.dotenv);
    settings_file_free(&sources.config);
    return error;
}

void settings_free(struct settings *settings) {
    for (size_t i = 0; i < settings_table_count; i++) {
        enum setting_type type = settings_table[i].type;
        if (type == SETTING_TEXT || type == SETTING_PATH || type == SETTING_CHOICE) {
            free(*(char **)member(settings, &settings_table[i]));
        }
    }
    *settings = (struct settings){0};
}
