// SPDX-License-Identifier: MIT
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/mime/form_data.h"
#include "shared/mime/multipart.h"

Suite *suite_mime_form_data(void);

enum { TEXT_MOST = 100, OTHER = 16, OTHERS = 100000, BEFORE = 64 };

static const struct form_data_field kept_fields[] = {{"text", TEXT_MOST}, {"html", TEXT_MOST}};
static const struct form_data_rules rules = {kept_fields, 2, OTHER, OTHERS, BEFORE};

static struct span text_of(const char *text) {
    return (struct span){text, strlen(text)};
}

// ---- Shapes

#define B "--B\r\n"
#define END "--B--\r\n"
#define FIELD(name, content) B "Content-Disposition: form-data; name=\"" name "\"\r\n\r\n" content "\r\n"
#define FILE(name, filename, content)                                                                                  \
    B "Content-Disposition: form-data; name=\"" name "\"; " filename "\r\nContent-Type: image/png\r\n\r\n" content     \
      "\r\n"

// What a form is read as: each part as name=content, or name<filename>=content, joined by '|'.
static const struct {
    const char *content_type, *body, *parts;
} shapes[] = {
    {"multipart/form-data; boundary=B", FIELD("text", "hi") END, "text=hi"},
    {"multipart/form-data; boundary=\"B\"", FIELD("text", "hi") FIELD("to", "a@x") END, "text=hi|to=a@x"},
    {"multipart/form-data; charset=utf-8; boundary=\"a b\"",
     "--a b\r\nContent-Disposition: form-data; name=text\r\n\r\nhi\r\n--a b--", "text=hi"},
    {"multipart/form-data; boundary=B", "preamble\r\n" FIELD("text", "hi") END "epilogue\r\n" FIELD("text", "no"),
     "text=hi"},
    {"multipart/form-data; boundary=B", "\r\n" FIELD("text", "hi") END, "text=hi"},
    {"multipart/form-data; boundary=B", "--B\nContent-Disposition: form-data; name=\"text\"\n\nhi\n--B--\n", "text=hi"},
    {"multipart/form-data; boundary=B", FIELD("text", "hi"), "text=hi\r\n"}, // the last boundary is missing
    {"multipart/form-data; boundary=B", B "Content-Disposition: form-data; name=text\r\n\r\nhi", "text=hi"},
    {"multipart/form-data; boundary=B", FIELD("text", "hi") "--B", "text=hi"},
    {"multipart/form-data; boundary=B", FIELD("text", "hi") "--B-", "text=hi\r\n--B-"},
    {"multipart/form-data; boundary=B", FIELD("text", "hi") "--B--", "text=hi"},
    {"multipart/form-data; boundary=B", FIELD("text", "hi") "--B \t \r\n" END, "text=hi|="},
    {"multipart/form-data; boundary=B", FIELD("text", "") END, "text="},
    {"multipart/form-data; boundary=B", B "Content-Disposition: form-data; name=text\r\n" END, "text="},
    {"multipart/form-data; boundary=B", B END, "="},
    {"multipart/form-data; boundary=B", B B END, "=|="},
    {"multipart/form-data; boundary=B", END, ""},
    {"multipart/form-data; boundary=B", "", ""},
    {"multipart/form-data; boundary=B", "no form at all", ""},
    {"multipart/form-data; boundary=B", FIELD("text", "a\r\n--Bc\r\n--b\r\n-- B\r\n--B x\r\n--") END,
     "text=a\r\n--Bc\r\n--b\r\n-- B\r\n--B x\r\n--"},
    {"multipart/form-data; boundary=B", FIELD("text", "\r\n\r\n") END, "text=\r\n\r\n"},
    {"multipart/form-data; boundary=B", FIELD("text", "a\r\r\n\r") END, "text=a\r\r\n\r"},
    {"multipart/form-data; boundary=B", FIELD("text", "a\r\n--B \r\r\n--B\r\r\nx") END,
     "text=a\r\n--B \r\r\n--B\r\r\nx"},
    {"multipart/form-data; boundary=B", FIELD("text", "--Bx") END, "text=--Bx"},
    {"multipart/form-data; boundary=B", FIELD("a\\\"b", "hi") END, "a\"b=hi"},
    {"multipart/form-data; boundary=B", FIELD("a%22b%0D%0Ac%41", "hi") END, "a\"b\r\nc%41=hi"},
    {"multipart/form-data; boundary=B", FIELD("to", "1") FIELD("to", "2") END, "to=1|to=2"},
    {"multipart/form-data; boundary=B", "--B\r\ncontent-disposition:form-data;name=text\r\nX: y\r\n\r\nhi\r\n" END,
     "text=hi"},
    {"multipart/form-data; boundary=B",
     "--B\r\nContent-Disposition: form-data;\r\n name=\"text\"\r\nContent-Transfer-Encoding: "
     "base64\r\n\r\naGk=\r\n" END,
     "text=hi"},
    {"multipart/form-data; boundary=B",
     "--B\r\nContent-Disposition: form-data; name=\"text\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
     "h=69\r\n" END,
     "text=hi"},
    {"multipart/form-data; boundary=B", B "X: y\r\n\r\nhi\r\n" END, "=hi"},
};

static void show(const struct form_data *form, struct buf *out) {
    buf_append(out, "", 0);
    for (size_t i = 0; i < form->count; i++) {
        const struct form_data_part *part = &form->parts[i];
        buf_puts(out, i > 0 ? "|" : "");
        buf_puts(out, part->head.name);
        if (part->head.filename != NULL) {
            buf_printf(out, "<%s>", part->head.filename);
        }
        buf_putc(out, '=');
        buf_append(out, part->content.data, part->content.length);
    }
}

static struct form_data form_read(const char *content_type, const struct buf *body) {
    struct form_data form;
    char *boundary = multipart_boundary(text_of(content_type));
    ck_assert_ptr_nonnull(boundary);
    form_data_read(body->data != NULL ? body->data : "", body->length, boundary, &form);
    free(boundary);
    return form;
}

static void assert_parts(const char *content_type, const struct buf *body, const char *parts) {
    struct form_data form = form_read(content_type, body);
    struct buf shown = {0};
    show(&form, &shown);
    ck_assert_str_eq(shown.data, parts);
    buf_free(&shown);
    form_data_free(&form);
}

// In pieces of that many bytes; 0: cut once, before `cut`.
static struct buf reduced(const char *content_type, const struct buf *body, size_t piece, size_t cut) {
    struct form_data_reduction *reduction = form_data_reduction_begin(text_of(content_type), &rules);
    struct buf out = {0};
    for (size_t at = 0, length; at < body->length; at += length) {
        length = piece > 0 ? piece : at == 0 && cut > 0 ? cut : body->length - at;
        length = length < body->length - at ? length : body->length - at;
        char *copy = malloc(length); // so that nothing is read beyond it
        memcpy(copy, body->data + at, length);
        form_data_reduction_take(reduction, copy, length, &out);
        free(copy);
    }
    form_data_reduction_end(reduction, &out);
    form_data_reduction_free(reduction);
    buf_append(&out, "", 0);
    ck_assert_uint_le(out.length, form_data_most(&rules));
    return out;
}

START_TEST(a_form_of_any_shape_is_read) {
    struct buf body = {0};
    buf_puts(&body, shapes[_i].body);
    assert_parts(shapes[_i].content_type, &body, shapes[_i].parts);
    buf_free(&body);
}
END_TEST

START_TEST(a_form_that_was_made_shorter_reads_the_same_wherever_it_was_cut_on_its_way) {
    struct buf body = {0};
    buf_puts(&body, shapes[_i].body);
    struct buf whole = reduced(shapes[_i].content_type, &body, 0, 0);
    assert_parts(shapes[_i].content_type, &whole, shapes[_i].parts);
    for (size_t cut = 0; cut < 2 * body.length; cut++) {
        struct buf out = cut < body.length ? reduced(shapes[_i].content_type, &body, 0, cut)
                                           : reduced(shapes[_i].content_type, &body, cut - body.length + 1, 0);
        ck_assert_str_eq(out.data, whole.data);
        buf_free(&out);
    }
    buf_free(&whole);
    buf_free(&body);
}
END_TEST

// ---- Files

static const struct {
    const char *given, *filename;
} filenames[] = {
    {"filename=\"a.png\"", "a.png"},
    {"filename=a.png", "a.png"},
    {"filename=\"\"", ""},
    {"filename=\"a.png\"; filename*=UTF-8''%C3%A4.png", "ä.png"},
    {"filename*=UTF-8''%C3%A4.png", "ä.png"},
    {"filename*0=\"long \"; filename*1=\"name\"", "long name"},
    {"filename=\"=?utf-8?Q?=C3=A4?=.png\"", "ä.png"},
    {"filename=\"a \\\"b\\\".png\"", "a \"b\".png"},
    {"filename=\"a %22b%22.png\"", "a \"b\".png"},
    {"filename=\"\xC3\xA4.png\"", "ä.png"},
};

START_TEST(what_a_file_holds_is_left_out_and_its_head_stays) {
    struct buf body = {0}, expected = {0};
    buf_puts(&body, FIELD("text", "hi") B "Content-Disposition: form-data; name=\"attachment1\"; ");
    buf_puts(&body, filenames[_i].given);
    buf_puts(&body, "\r\nContent-Type: image/png; x=y\r\n\r\n");
    buf_append(&body, "\x89PNG\r\n\x1a\n\0\0--B\0\r\n--Bx", 20);
    buf_puts(&body, "\r\n" FIELD("html", "<p>") END);
    struct buf out = reduced("multipart/form-data; boundary=B", &body, 3, 0);
    buf_printf(&expected, "text=hi|attachment1<%s>=|html=<p>", filenames[_i].filename);
    assert_parts("multipart/form-data; boundary=B", &out, expected.data);
    struct form_data form = form_read("multipart/form-data; boundary=B", &out);
    ck_assert_str_eq(form.parts[1].head.type, "image/png");
    ck_assert_uint_eq(form.left_out + form.parts[1].left_out, 0);
    form_data_free(&form);
    buf_free(&out);
    buf_free(&body);
    buf_free(&expected);
}
END_TEST

START_TEST(a_file_that_is_a_multipart_document_itself_is_one_file) {
    struct buf body = {0};
    buf_puts(&body, FILE("attachment1", "filename=a.eml",
                         "Content-Type: multipart/mixed; boundary=BB\r\n\r\n--BB\r\n"
                         "Content-Disposition: form-data; name=\"text\"\r\n\r\nno\r\n--BB--\r\n--C\r\n--C--"));
    buf_puts(&body, FIELD("text", "yes") END);
    struct buf out = reduced("multipart/form-data; boundary=B", &body, 0, 0);
    assert_parts("multipart/form-data; boundary=B", &out, "attachment1<a.eml>=|text=yes");
    buf_free(&out);
    buf_free(&body);
}
END_TEST

START_TEST(a_field_that_is_known_is_none_for_having_a_file_name) {
    struct buf body = {0};
    buf_puts(&body, FILE("text", "filename=body.txt", "hi") FILE("other", "filename=x", "no") END);
    struct buf out = reduced("multipart/form-data; boundary=B", &body, 0, 0);
    assert_parts("multipart/form-data; boundary=B", &out, "text<body.txt>=hi|other<x>=");
    buf_free(&out);
    buf_free(&body);
}
END_TEST

// ---- What is too much

static void put_many(struct buf *out, char byte, size_t count) {
    buf_reserve(out, count);
    memset(out->data + out->length, byte, count);
    out->length += count;
    out->data[out->length] = '\0';
}

START_TEST(a_field_that_is_too_long_is_cut_and_says_by_how_much) {
    static const size_t lengths[] = {TEXT_MOST - 1, TEXT_MOST, TEXT_MOST + 1, 1000000};
    struct buf body = {0};
    buf_puts(&body, B "Content-Disposition: form-data; name=\"text\"\r\n\r\n");
    put_many(&body, 'x', lengths[_i]);
    buf_puts(&body, "\r\n" FIELD("html", "<p>") END);
    struct buf out = reduced("multipart/form-data; boundary=B", &body, 1000, 0);
    struct form_data form = form_read("multipart/form-data; boundary=B", &out);
    const struct form_data_part *text = form_data_find(&form, "text");
    size_t kept = lengths[_i] < TEXT_MOST ? lengths[_i] : TEXT_MOST;
    ck_assert_uint_eq(text->content.length, kept);
    ck_assert_uint_eq(text->left_out, lengths[_i] - kept);
    ck_assert_uint_eq(form.count, 2);
    ck_assert_str_eq(form_data_find(&form, "html")->content.data, "<p>");
    ck_assert_ptr_null(form_data_find(&form, "nobody"));
    form_data_free(&form);
    buf_free(&out);
    buf_free(&body);
}
END_TEST

START_TEST(where_a_field_is_cut_no_delimiter_comes_about) {
    struct buf body = {0};
    buf_puts(&body, B "Content-Disposition: form-data; name=\"text\"\r\n\r\n");
    put_many(&body, 'x', TEXT_MOST - 5);
    buf_puts(&body, "\r\n--Bits and more\r\n" FIELD("html", "<p>") END);
    struct buf out = reduced("multipart/form-data; boundary=B", &body, 0, 0);
    struct form_data form = form_read("multipart/form-data; boundary=B", &out);
    ck_assert_uint_eq(form.count, 2);
    ck_assert_uint_eq(form.parts[0].content.length, TEXT_MOST + 1);
    ck_assert_str_eq(form.parts[0].content.data + TEXT_MOST - 5, "\r\n--B.");
    form_data_free(&form);
    buf_free(&out);
    buf_free(&body);
}
END_TEST

START_TEST(of_several_known_fields_of_one_name_the_first_is_kept) {
    struct buf body = {0};
    buf_puts(&body, FIELD("text", "1") FIELD("text", "2") FIELD("to", "a") FIELD("to", "b") END);
    struct buf out = reduced("multipart/form-data; boundary=B", &body, 0, 0);
    assert_parts("multipart/form-data; boundary=B", &out, "text=1|to=a|to=b");
    struct form_data form = form_read("multipart/form-data; boundary=B", &out);
    ck_assert_uint_eq(form.left_out, 1);
    form_data_free(&form);
    buf_free(&out);
    buf_free(&body);
}
END_TEST

START_TEST(thousands_of_parts_leave_room_for_what_is_known) {
    enum { PARTS = 5000 };
    struct buf body = {0};
    for (int i = 0; i < PARTS; i++) {
        buf_puts(&body, FIELD("other", "0123456789 and more") FILE("f", "filename=\"a.png\"", "\0\1\2"));
    }
    buf_puts(&body, FIELD("text", "hi") END);
    struct buf out = reduced("multipart/form-data; boundary=B", &body, 4096, 0);
    struct form_data form = form_read("multipart/form-data; boundary=B", &out);
    ck_assert_uint_gt(form.count, 100);
    ck_assert_uint_lt(form.count, PARTS);
    ck_assert_uint_eq(form.count + form.left_out, 2 * PARTS + 1);
    ck_assert_ptr_nonnull(form_data_find(&form, "text"));
    ck_assert_str_eq(form_data_find(&form, "text")->content.data, "hi");
    ck_assert_str_eq(form.parts[0].content.data, "0123456789 and m");
    ck_assert_uint_eq(form.parts[0].left_out, strlen("ore"));
    form_data_free(&form);
    buf_free(&out);
    buf_free(&body);
}
END_TEST

START_TEST(a_head_that_is_too_long_is_cut_by_whole_lines) {
    struct buf body = {0};
    buf_puts(&body, B "Content-Disposition: form-data; name=\"text\"\r\nX-Long: ");
    put_many(&body, 'x', 3 * MULTIPART_HEAD_MOST);
    buf_puts(&body, "\r\nX-Late: y\r\n\r\nhi\r\n" END);
    struct buf out = reduced("multipart/form-data; boundary=B", &body, 1000, 0);
    assert_parts("multipart/form-data; boundary=B", &out, "text=hi");
    ck_assert_ptr_null(strstr(out.data, "X-Long"));
    buf_free(&out);
    buf_free(&body);
}
END_TEST

START_TEST(what_is_no_form_is_kept_as_it_is_as_far_as_it_goes) {
    static const char *const types[] = {"multipart/form-data",
                                        "multipart/form-data; boundary=", "multipart/form-data; boundary=\"\r\n\"",
                                        "multipart/form-data; boundary=B"};
    struct buf body = {0};
    buf_puts(&body, "neither a part\r\nnor a form");
    struct buf out = reduced(types[_i], &body, 0, 0);
    ck_assert_str_eq(out.data, "neither a part\r\nnor a form");
    buf_free(&out);
    put_many(&body, 'x', 1000);
    out = reduced(types[_i], &body, 0, 0);
    ck_assert_uint_eq(out.length, BEFORE);
    buf_free(&out);
    buf_free(&body);
}
END_TEST

START_TEST(what_stands_before_the_parts_is_cut_to_no_delimiter) {
    struct buf body = {0};
    put_many(&body, 'x', BEFORE - 5);
    buf_puts(&body, "\r\n--Beside that\r\n" FIELD("text", "hi") END);
    struct buf out = reduced("multipart/form-data; boundary=B", &body, 7, 0);
    assert_parts("multipart/form-data; boundary=B", &out, "text=hi");
    buf_free(&out);
    buf_free(&body);
}
END_TEST

START_TEST(a_boundary_is_what_a_media_type_says) {
    static const struct {
        const char *type, *boundary;
    } given[] = {
        {"multipart/form-data; boundary=xYzZY", "xYzZY"},       {"multipart/form-data;BOUNDARY=\"x y \"", "x y"},
        {"multipart/form-data; boundary*=utf-8''x%20y", "x y"}, {"multipart/form-data", NULL},
        {"multipart/form-data; boundary=\" \"", NULL},
    };
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        char *boundary = multipart_boundary(text_of(given[i].type));
        if (given[i].boundary == NULL) {
            ck_assert_ptr_null(boundary);
        } else {
            ck_assert_str_eq(boundary, given[i].boundary);
        }
        free(boundary);
    }
    struct buf type = {0};
    buf_puts(&type, "multipart/form-data; boundary=");
    put_many(&type, 'x', MULTIPART_BOUNDARY_MOST + 1);
    ck_assert_ptr_null(multipart_boundary((struct span){type.data, type.length}));
    char *boundary = multipart_boundary((struct span){type.data, type.length - 1});
    ck_assert_ptr_nonnull(boundary);
    free(boundary);
    buf_free(&type);
}
END_TEST

Suite *suite_mime_form_data(void) {
    Suite *suite = suite_create("mime_form_data");
    TCase *tests = tcase_create("form_data");
    tcase_add_loop_test(tests, a_form_of_any_shape_is_read, 0, sizeof shapes / sizeof *shapes);
    tcase_add_loop_test(tests, a_form_that_was_made_shorter_reads_the_same_wherever_it_was_cut_on_its_way, 0,
                        sizeof shapes / sizeof *shapes);
    tcase_add_loop_test(tests, what_a_file_holds_is_left_out_and_its_head_stays, 0,
                        sizeof filenames / sizeof *filenames);
    tcase_add_test(tests, a_file_that_is_a_multipart_document_itself_is_one_file);
    tcase_add_test(tests, a_field_that_is_known_is_none_for_having_a_file_name);
    tcase_add_loop_test(tests, a_field_that_is_too_long_is_cut_and_says_by_how_much, 0, 4);
    tcase_add_test(tests, where_a_field_is_cut_no_delimiter_comes_about);
    tcase_add_test(tests, of_several_known_fields_of_one_name_the_first_is_kept);
    tcase_add_test(tests, thousands_of_parts_leave_room_for_what_is_known);
    tcase_add_test(tests, a_head_that_is_too_long_is_cut_by_whole_lines);
    tcase_add_loop_test(tests, what_is_no_form_is_kept_as_it_is_as_far_as_it_goes, 0, 4);
    tcase_add_test(tests, what_stands_before_the_parts_is_cut_to_no_delimiter);
    tcase_add_test(tests, a_boundary_is_what_a_media_type_says);
    suite_add_tcase(suite, tests);
    return suite;
}
