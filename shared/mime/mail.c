// SPDX-License-Identifier: MIT
#include "shared/mime/mail.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shared/base/charset.h"
#include "shared/base/unicode.h"
#include "shared/mime/header.h"
#include "shared/mime/multipart.h"
#include "shared/mime/parameter.h"
#include "shared/mime/transfer.h"
#include "shared/mime/word.h"

enum { MOST_DEPTH = 8 };

#define DEFAULT_TYPE "text/plain" // RFC 2045, 5.2

struct entity {
    struct span head, body;
    struct buf type, disposition, encoding; // values of its head
};

static struct span mail_span(const struct buf *buf) {
    return (struct span){buf->data, buf->length};
}

static void entity_begin(struct entity *entity, struct span head, struct span body) {
    *entity = (struct entity){.head = head, .body = body};
    if (!header_get(head, "Content-Type", &entity->type) || entity->type.length == 0) {
        buf_puts(&entity->type, DEFAULT_TYPE);
    }
    (void)!header_get(head, "Content-Disposition", &entity->disposition);
    (void)!header_get(head, "Content-Transfer-Encoding", &entity->encoding);
}

static void entity_end(struct entity *entity) {
    buf_free(&entity->type);
    buf_free(&entity->disposition);
    buf_free(&entity->encoding);
}

// ---- Attachments

// The last step of a path of either kind.
static const char *last_step(const char *path) {
    const char *last = path;
    for (; *path != '\0'; path++) {
        last = *path == '/' || *path == '\\' ? path + 1 : last;
    }
    return last;
}

char *mail_attachment_text(const char *filename, const char *type, const char *name) {
    const char *step = filename != NULL ? last_step(filename) : "";
    struct span shown = span_trim((struct span){step, strlen(step)});
    if (shown.length == 0) {
        shown = (struct span){name, strlen(name)};
    }
    struct buf text = {0};
    size_t taken;
    for (size_t at = 0; at < shown.length; at += taken) {
        int32_t code = unicode_decode(shown.text + at, shown.length - at, &taken);
        buf_append(&text, unicode_is_control(code) ? " " : shown.text + at, unicode_is_control(code) ? 1 : taken);
    }
    if (type != NULL && *type != '\0') {
        buf_printf(&text, " (%s)", type);
    }
    return text.data;
}

static char *entity_filename(const struct entity *entity) {
    char *name = parameter_get(mail_span(&entity->disposition), "filename");
    if (name == NULL) {
        name = parameter_get(mail_span(&entity->type), "name");
    }
    if (name == NULL) {
        return NULL;
    }
    struct buf decoded = {0};
    word_decode(&decoded, (struct span){name, strlen(name)});
    free(name);
    return decoded.data;
}

static void mail_attach(struct mail *mail, const struct entity *entity, const char *filename) {
    if (mail->count == MAIL_ATTACHMENTS_MOST) {
        mail->left_out++;
        return;
    }
    if (mail->attachments == NULL) {
        mail->attachments = xcalloc(MAIL_ATTACHMENTS_MOST, sizeof *mail->attachments);
    }
    struct span main = parameter_main(mail_span(&entity->type));
    struct buf type = {0};
    charset_append_utf8(&type, NULL, main.text, main.length);
    mail->attachments[mail->count++] = mail_attachment_text(filename, type.data, "attachment");
    buf_free(&type);
}

// ---- Texts

static void end_lines_with_lf(struct buf *text) {
    size_t kept = 0;
    for (size_t i = 0; i < text->length; i++) {
        if (text->data[i] != '\r' || i + 1 == text->length || text->data[i + 1] != '\n') {
            text->data[kept++] = text->data[i];
        }
    }
    text->length = kept;
    text->data[kept] = '\0';
}

static void mail_take_text(struct buf *out, const struct entity *entity) {
    struct buf bytes = {0};
    char *charset = parameter_get(mail_span(&entity->type), "charset");
    transfer_decode(&bytes, mail_span(&entity->encoding), entity->body.text, entity->body.length);
    charset_append_utf8(out, charset, bytes.data, bytes.length);
    buf_append(out, "", 0);
    end_lines_with_lf(out);
    free(charset);
    buf_free(&bytes);
}

static void mail_take_leaf(struct mail *mail, const struct entity *entity) {
    struct span type = mail_span(&entity->type);
    bool is_text = parameter_is(type, "text/plain"), is_html = parameter_is(type, "text/html");
    struct buf *body = is_text ? &mail->text : &mail->html;
    char *filename = entity_filename(entity);
    bool is_attachment =
        filename != NULL || parameter_is(mail_span(&entity->disposition), "attachment") || (!is_text && !is_html);
    if (is_attachment) {
        mail_attach(mail, entity, filename);
    } else if (body->data == NULL) {
        mail_take_text(body, entity);
    }
    free(filename);
}

// ---- Parts of parts

struct mail_parts {
    struct mail *mail;
    int depth;
    struct buf head, content; // of the part
};

static void mail_take(struct mail *mail, struct span head, struct span body, int depth);

static void mail_on_head(void *argument, const char *bytes, size_t length) {
    struct mail_parts *parts = argument;
    buf_clear(&parts->head);
    buf_clear(&parts->content);
    buf_append(&parts->head, bytes, length);
    buf_append(&parts->content, "", 0);
}

static void mail_on_content(void *argument, const char *bytes, size_t length) {
    struct mail_parts *parts = argument;
    buf_append(&parts->content, bytes, length);
}

static void mail_on_end(void *argument) {
    struct mail_parts *parts = argument;
    mail_take(parts->mail, mail_span(&parts->head), mail_span(&parts->content), parts->depth + 1);
}

static void mail_take_parts(struct mail *mail, const struct entity *entity, const char *boundary, int depth) {
    struct mail_parts parts = {.mail = mail, .depth = depth};
    struct multipart multipart;
    multipart_begin(&multipart, boundary,
                    &(struct multipart_sink){
                        .head = mail_on_head,
                        .content = mail_on_content,
                        .end = mail_on_end,
                        .argument = &parts,
                    });
    multipart_take(&multipart, entity->body.text, entity->body.length);
    multipart_end(&multipart);
    multipart_free(&multipart);
    buf_free(&parts.head);
    buf_free(&parts.content);
}

static bool is_multipart(const struct entity *entity) {
    return entity->type.length > 10 && strncasecmp(entity->type.data, "multipart/", 10) == 0;
}

static void mail_take(struct mail *mail, struct span head, struct span body, int depth) {
    struct entity entity;
    entity_begin(&entity, head, body);
    char *boundary = is_multipart(&entity) && depth < MOST_DEPTH ? multipart_boundary(mail_span(&entity.type)) : NULL;
    if (boundary != NULL) {
        mail_take_parts(mail, &entity, boundary, depth);
    } else {
        mail_take_leaf(mail, &entity);
    }
    free(boundary);
    entity_end(&entity);
}

void mail_read(struct span mail, struct mail *out) {
    size_t head = header_length(mail);
    *out = (struct mail){.count = 0};
    mail_take(out, (struct span){mail.text, head}, span_tail(mail, head), 0);
}

void mail_free(struct mail *mail) {
    for (size_t i = 0; i < mail->count; i++) {
        free(mail->attachments[i]);
    }
    free(mail->attachments);
    buf_free(&mail->text);
    buf_free(&mail->html);
    *mail = (struct mail){.count = 0};
}
