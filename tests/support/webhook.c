// SPDX-License-Identifier: MIT
#include "tests/support/webhook.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/buf.h"
#include "shared/base/form.h"
#include "shared/base/mem.h"
#include "tests/support/fake_server.h"

struct webhook {
    struct fake_server *server;
    struct buf input; // of a request that has not come whole
    struct heard *heard;
    size_t count;
    int status;
    const char *type, *body;
};

// The value of a line of a head, whose length goes to *length; NULL: there is none.
static const char *find_header(const char *head, const char *name, size_t *length) {
    size_t name_length = strlen(name);
    for (const char *line = head; *line != '\0'; line += strcspn(line, "\n"), line += *line != '\0') {
        if (strncasecmp(line, name, name_length) == 0 && line[name_length] == ':') {
            const char *value = line + name_length + 1;
            value += strspn(value, " ");
            *length = strcspn(value, "\r\n");
            return value;
        }
    }
    return NULL;
}

// "POST /path HTTP/1.1" and so on; `body` behind the empty line.
static void webhook_keep(struct webhook *webhook, const char *request, const char *body, size_t length) {
    const char *path = strchr(request, ' ') + 1, *lines = strchr(request, '\n') + 1;
    webhook->heard = xrealloc(webhook->heard, (webhook->count + 1) * sizeof *webhook->heard);
    webhook->heard[webhook->count++] = (struct heard){
        .path = xstrndup(path, strcspn(path, " ")),
        .head = xstrndup(lines, (size_t)(body - lines)),
        .body = xstrndup(body, length),
        .length = length,
    };
}

static void webhook_write_answer(const struct webhook *webhook, struct buf *out) {
    buf_printf(out, "HTTP/1.1 %d Said\r\n", webhook->status);
    if (webhook->type != NULL) {
        buf_printf(out, "Content-Type: %s\r\n", webhook->type);
    }
    if (webhook->status != 204) {
        buf_printf(out, "Content-Length: %zu\r\n", webhook->body != NULL ? strlen(webhook->body) : 0);
    }
    buf_printf(out, "\r\n%s", webhook->body != NULL ? webhook->body : "");
}

static bool webhook_on_input(void *argument, const char *input, size_t length, struct buf *answer) {
    struct webhook *webhook = argument;
    buf_append(&webhook->input, input, length);
    char *end = memmem(webhook->input.data, webhook->input.length, "\r\n\r\n", 4);
    if (end == NULL) {
        return true;
    }
    size_t digits, head = (size_t)(end - webhook->input.data) + 4;
    const char *number = find_header(webhook->input.data, "Content-Length", &digits);
    size_t body = number != NULL ? strtoul(number, NULL, 10) : 0;
    if (webhook->input.length < head + body) {
        return true;
    }
    webhook_keep(webhook, webhook->input.data, webhook->input.data + head, body);
    buf_clear(&webhook->input);
    webhook_write_answer(webhook, answer);
    return true;
}

struct webhook *webhook_start(uv_loop_t *loop) {
    struct webhook *webhook = xcalloc(1, sizeof *webhook);
    webhook->status = 204;
    webhook->server =
        fake_server_start(loop, &(struct fake_behaviour){.on_input = webhook_on_input, .argument = webhook});
    return webhook;
}

void webhook_destroy(struct webhook *webhook) {
    webhook_forget(webhook);
    fake_server_destroy(webhook->server);
    buf_free(&webhook->input);
    free(webhook);
}

char *webhook_url(const struct webhook *webhook, const char *path) {
    return xasprintf("http://127.0.0.1:%u%s", fake_server_port(webhook->server), path);
}

void webhook_answer(struct webhook *webhook, int status, const char *type, const char *body) {
    webhook->status = status;
    webhook->type = type;
    webhook->body = body;
}

size_t webhook_count(const struct webhook *webhook) {
    return webhook->count;
}

const struct heard *webhook_heard(const struct webhook *webhook, size_t index) {
    ck_assert_uint_lt(index, webhook->count);
    return &webhook->heard[index];
}

void webhook_forget(struct webhook *webhook) {
    for (size_t i = 0; i < webhook->count; i++) {
        free(webhook->heard[i].path);
        free(webhook->heard[i].head);
        free(webhook->heard[i].body);
    }
    free(webhook->heard);
    webhook->heard = NULL;
    webhook->count = 0;
}

char *heard_header(const struct heard *heard, const char *name) {
    size_t length;
    const char *value = find_header(heard->head, name, &length);
    return value != NULL ? xstrndup(value, length) : NULL;
}

char *heard_field(const struct heard *heard, const char *name) {
    struct form form;
    ck_assert_int_eq(form_parse(heard->body, heard->length, &form), 0);
    const char *value = form_get(&form, name);
    char *copy = value != NULL ? xstrdup(value) : NULL;
    form_free(&form);
    return copy;
}
