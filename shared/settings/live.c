// SPDX-License-Identifier: MIT
#include "shared/settings/live.h"

#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/buf.h"
#include "shared/base/crypto.h"
#include "shared/settings/table.h"

struct snapshot {
    struct settings settings; // first: it is what is given out
    unsigned users;           // the live settings themselves count as one
};

struct settings_live {
    int program;
    settings_lookup environment;
    const char *dotenv_path, *config_path;
    bool had_dotenv;
    uint8_t *files;       // SHA-256 of what each row's file held when it was accepted, as file_sums has them
    pthread_mutex_t lock; // over which snapshot it is, and over all users
    struct snapshot *now;
};

// ---- One row

static const void *member_of(const struct settings *settings, const struct setting *setting) {
    return (const char *)settings + setting->offset;
}

static bool is_string(const struct setting *setting) {
    return setting->type == SETTING_TEXT || setting->type == SETTING_PATH || setting->type == SETTING_CHOICE;
}

static char **string_of(struct settings *settings, const struct setting *setting) {
    return (char **)(void *)((char *)settings + setting->offset);
}

static const char *text_of(const struct settings *settings, const struct setting *setting) {
    return *(char *const *)member_of(settings, setting);
}

// A number of the mock is two rows' and more: it is told by the one that sets all of them.
static bool is_of_one_mock(const struct setting *setting) {
    size_t first = offsetof(struct settings, mock), beyond = first + sizeof((struct settings *)NULL)->mock;
    return setting->offset >= first && setting->offset < beyond && !(setting->flags & SETTING_BOTH_MOCKS);
}

static bool is_same_in_all_mocks(const struct settings *one, const struct settings *other,
                                 const struct setting *setting) {
    for (size_t i = 0; i < PROVIDER_COUNT; i++) {
        size_t at = setting->offset + i * sizeof one->mock[0];
        if (memcmp((const char *)one + at, (const char *)other + at, sizeof(int64_t)) != 0) {
            return false;
        }
    }
    return true;
}

static bool is_same_value(const struct settings *one, const struct settings *other, const struct setting *setting) {
    switch (setting->type) {
    case SETTING_TEXT:
    case SETTING_PATH:
    case SETTING_CHOICE:
        return strcmp(text_of(one, setting), text_of(other, setting)) == 0;
    case SETTING_NUMBER:
        return setting->flags & SETTING_BOTH_MOCKS
                   ? is_same_in_all_mocks(one, other, setting)
                   : *(const int64_t *)member_of(one, setting) == *(const int64_t *)member_of(other, setting);
    case SETTING_BOOL:
        return *(const bool *)member_of(one, setting) == *(const bool *)member_of(other, setting);
    case SETTING_REGION:
        return one->phone_region == other->phone_region;
    case SETTING_CONFIG:
        break;
    }
    return true;
}

// ---- All rows

static void copy_settings(struct settings *out, const struct settings *settings) {
    *out = *settings;
    for (size_t i = 0; i < settings_table_count; i++) {
        if (is_string(&settings_table[i])) {
            *string_of(out, &settings_table[i]) = xstrdup(text_of(settings, &settings_table[i]));
        }
    }
}

void settings_take_over(struct settings *settings, const struct settings *next) {
    for (size_t i = 0; i < settings_table_count; i++) {
        const struct setting *setting = &settings_table[i];
        if (setting->flags & SETTING_RELOADED) { // each is a string
            char **string = string_of(settings, setting);
            free(*string);
            *string = xstrdup(text_of(next, setting));
        }
    }
}

// Zeros where it is no regular file that can be read: whoever needs it says so.
static void sum_file(const char *path, uint8_t out[SHA256_SIZE]) {
    struct stat status;
    char piece[4096];
    ssize_t length = 0;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a pipe is not waited for
    memset(out, 0, SHA256_SIZE);
    if (file >= 0 && fstat(file, &status) == 0 && S_ISREG(status.st_mode)) {
        struct crypto_sum *sum = crypto_sum_sha256();
        while ((length = read(file, piece, sizeof piece)) > 0) {
            crypto_sum_add(sum, piece, (size_t)length);
        }
        crypto_sum_end(sum, out);
    }
    if (file >= 0) {
        close(file);
    }
}

// One sum a row, of zeros where it names no file; owned by the caller.
static uint8_t *file_sums(const struct settings *settings) {
    uint8_t *sums = xcalloc(settings_table_count, SHA256_SIZE);
    for (size_t i = 0; i < settings_table_count; i++) {
        if (settings_table[i].flags & SETTING_FILE) {
            sum_file(text_of(settings, &settings_table[i]), sums + i * SHA256_SIZE);
        }
    }
    return sums;
}

static void add_name(struct buf *names, const char *name) {
    if (names->length > 0) {
        buf_puts(names, ", ");
    }
    buf_puts(names, name);
}

static char *names_end(struct buf *names) {
    return names->data != NULL ? names->data : xstrdup("");
}

// Fills in what differs from `now`, of what the program reads.
static void compare(const struct settings_live *live, const struct settings *now, struct settings_change *change) {
    struct buf taken = {0}, waiting = {0};
    for (size_t i = 0; i < settings_table_count; i++) {
        const struct setting *setting = &settings_table[i];
        const uint8_t *file = change->files + i * SHA256_SIZE, *former = live->files + i * SHA256_SIZE;
        bool same = is_same_value(now, &change->fresh, setting) && memcmp(file, former, SHA256_SIZE) == 0;
        if (!same && (setting->programs & live->program) && !is_of_one_mock(setting)) {
            add_name(setting->flags & SETTING_RELOADED ? &taken : &waiting, setting->name);
        }
    }
    change->taken = names_end(&taken);
    change->waiting = names_end(&waiting);
}

// ---- A change

char *settings_live_read(struct settings_live *live, struct settings_change *out) {
    *out = (struct settings_change){.taken = NULL};
    if (live->had_dotenv && access(live->dotenv_path, F_OK) != 0) { // nobody means the defaults by that
        return xasprintf("%s: it was read at the start, and is gone", live->dotenv_path);
    }
    char *error = settings_load(&out->fresh, live->environment, live->dotenv_path, live->config_path);
    if (error != NULL) {
        return error;
    }
    const struct settings *now = settings_live_take(live);
    out->files = file_sums(&out->fresh);
    compare(live, now, out);
    copy_settings(&out->next, now);
    settings_take_over(&out->next, &out->fresh);
    settings_live_give_back(live, now);
    return NULL;
}

void settings_change_free(struct settings_change *change) {
    settings_free(&change->fresh);
    settings_free(&change->next);
    free(change->taken);
    free(change->waiting);
    free(change->files);
    *change = (struct settings_change){.taken = NULL};
}

// The first word of names joined by ", "; its length in *length. NULL: there is none.
static const char *first_name(const char *names, size_t *length) {
    names += strspn(names, ", ");
    *length = strcspn(names, ",");
    return *length > 0 ? names : NULL;
}

static bool takes(const struct settings_change *change, const char *name, size_t length) {
    size_t size;
    for (const char *at = change->taken; (at = first_name(at, &size)) != NULL; at += size) {
        if (size == length && memcmp(at, name, length) == 0) {
            return true;
        }
    }
    return false;
}

bool settings_change_has(const struct settings_change *change, const char *name) {
    return takes(change, name, strlen(name));
}

bool settings_change_has_any(const struct settings_change *change, const char *names) {
    size_t size;
    for (const char *at = names; (at = first_name(at, &size)) != NULL; at += size) {
        if (takes(change, at, size)) {
            return true;
        }
    }
    return false;
}

// ---- What counts now

static struct snapshot *snapshot_of(const struct settings *settings) {
    struct snapshot *snapshot = xcalloc(1, sizeof *snapshot);
    copy_settings(&snapshot->settings, settings);
    snapshot->users = 1;
    return snapshot;
}

static void leave_snapshot(struct settings_live *live, struct snapshot *snapshot) {
    pthread_mutex_lock(&live->lock);
    bool is_last = --snapshot->users == 0;
    pthread_mutex_unlock(&live->lock);
    if (is_last) {
        settings_free(&snapshot->settings);
        free(snapshot);
    }
}

const struct settings *settings_live_take(struct settings_live *live) {
    pthread_mutex_lock(&live->lock);
    struct snapshot *snapshot = live->now;
    snapshot->users++;
    pthread_mutex_unlock(&live->lock);
    return &snapshot->settings;
}

void settings_live_give_back(struct settings_live *live, const struct settings *settings) {
    leave_snapshot(live, (struct snapshot *)(uintptr_t)settings);
}

void settings_live_accept(struct settings_live *live, struct settings_change *change) {
    struct snapshot *next = snapshot_of(&change->next);
    pthread_mutex_lock(&live->lock);
    struct snapshot *former = live->now;
    live->now = next;
    pthread_mutex_unlock(&live->lock);
    leave_snapshot(live, former);
    free(live->files);
    live->files = change->files;
    change->files = NULL;
    settings_change_free(change);
}

struct settings_live *settings_live_create_from(const struct settings *settings, int program,
                                                settings_lookup environment, const char *dotenv_path,
                                                const char *config_path) {
    struct settings_live *live = xcalloc(1, sizeof *live);
    live->program = program;
    live->environment = environment;
    live->dotenv_path = dotenv_path;
    live->config_path = config_path;
    live->had_dotenv = dotenv_path != NULL && access(dotenv_path, F_OK) == 0;
    live->files = file_sums(settings);
    live->now = snapshot_of(settings);
    pthread_mutex_init(&live->lock, NULL);
    return live;
}

struct settings_live *settings_live_create(const struct settings *settings, int program) {
    return settings_live_create_from(settings, program, getenv, SETTINGS_DOTENV, NULL);
}

void settings_live_free(struct settings_live *live) {
    if (live == NULL) {
        return;
    }
    leave_snapshot(live, live->now);
    pthread_mutex_destroy(&live->lock);
    free(live->files);
    free(live);
}
