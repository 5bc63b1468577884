// SPDX-License-Identifier: MIT
#include "ingest/read/paging.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/json.h"
#include "shared/http/server.h"

#define MAX_DEPTH 10000      // page × page size, for Postgres steps over each row that is skipped
#define MAX_NUMBER INT32_MAX // a greater number is taken as this one

static int paging_refuse(struct paging_error *error, const char *parameter, const char *reason) {
    *error = (struct paging_error){parameter, reason};
    return -1;
}

static bool parse_number(const char *text, int64_t *out) {
    size_t length = strlen(text);
    if (length == 0 || strspn(text, "0123456789") != length) {
        return false;
    }
    long long value = strtoll(text, NULL, 10); // saturates
    *out = value > MAX_NUMBER ? MAX_NUMBER : value;
    return true;
}

static int parse_page(const char *text, struct paging *out, struct paging_error *error) {
    if (!parse_number(text, &out->page) || out->page == 0) {
        return paging_refuse(error, "page", "must be a number from 1");
    }
    if (out->page * out->page_size > MAX_DEPTH) {
        return paging_refuse(error, "page",
                             "goes beyond the first 10000 entries; continue with the cursor (meta.next_cursor)");
    }
    return 0;
}

int paging_parse(const char *page, const char *page_size, const char *cursor, enum cursor_kind kind, struct paging *out,
                 struct paging_error *error) {
    *out = (struct paging){.page = 1, .page_size = PAGING_MOST_ITEMS};
    if (page_size != NULL) {
        if (!parse_number(page_size, &out->page_size)) {
            return paging_refuse(error, "pageSize", "must be a number from 0");
        }
        if (out->page_size == 0 || out->page_size > PAGING_MOST_ITEMS) {
            out->page_size = PAGING_MOST_ITEMS;
        }
    }
    out->rows = out->page_size + 1;
    out->is_numbered = page != NULL;
    if (cursor == NULL) {
        return page == NULL ? 0 : parse_page(page, out, error);
    }
    if (page != NULL) {
        return paging_refuse(error, "cursor", "can't be combined with page");
    }
    if (cursor_parse(kind, cursor, &out->cursor) != 0) {
        return paging_refuse(error, "cursor", "must be the meta.next_cursor of an earlier page of this list");
    }
    out->has_cursor = true;
    out->page = out->cursor.page;
    return 0;
}

int paging_read_once(const struct http_request *http, const char *parameter, const char **value,
                     struct paging_error *error) {
    unsigned count;
    *value = http_query(http, parameter, &count);
    return count > 1 ? paging_refuse(error, parameter, "must be given once") : 0;
}

int paging_read(const struct http_request *http, enum cursor_kind kind, struct paging *out,
                struct paging_error *error) {
    const char *page, *page_size, *alias, *cursor;
    if (paging_read_once(http, "page", &page, error) != 0 ||
        paging_read_once(http, "pageSize", &page_size, error) != 0 ||
        paging_read_once(http, "page_size", &alias, error) != 0 ||
        paging_read_once(http, "cursor", &cursor, error) != 0) {
        return -1;
    }
    if (page_size != NULL && alias != NULL) {
        return paging_refuse(error, "page_size", "is another name of pageSize; give one of them");
    }
    int result = paging_parse(page, page_size != NULL ? page_size : alias, cursor, kind, out, error);
    if (result != 0 && alias != NULL && strcmp(error->parameter, "pageSize") == 0) {
        error->parameter = "page_size";
    }
    return result;
}

bool paging_is_row_id(const char *text) {
    size_t length = strlen(text);
    if (length == 0 || strspn(text, "0123456789") != length || text[0] == '0') {
        return false;
    }
    errno = 0;
    (void)strtoll(text, NULL, 10);
    return errno == 0;
}

int64_t paging_offset(const struct paging *paging) {
    return paging->has_cursor ? 0 : (paging->page - 1) * paging->page_size;
}

void paging_write_meta(struct buf *json, const struct paging *paging, int64_t total, enum cursor_kind kind,
                       const struct cursor *next) {
    char text[CURSOR_SIZE];
    if (next != NULL) {
        cursor_format(kind, next, text);
    }
    json_write_name(json, "meta");
    buf_putc(json, '{');
    json_write_member_int(json, "page", paging->page);
    json_write_member_int(json, "page_size", paging->page_size);
    if (total == PAGING_NOT_COUNTED) {
        json_write_member(json, "total", NULL);
    } else {
        json_write_member_int(json, "total", total);
    }
    json_write_member(json, "next_cursor", next != NULL ? text : NULL);
    buf_putc(json, '}');
}
