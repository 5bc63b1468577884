// SPDX-License-Identifier: MIT
#include "tests/support/client.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/buf.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"

static size_t gather(char *bytes, size_t size, size_t count, void *argument) {
    buf_append(argument, bytes, size * count);
    return size * count;
}

// A new status line begins a new block: only the last answer's headers stay.
static size_t gather_header(char *bytes, size_t size, size_t count, void *argument) {
    struct buf *headers = argument;
    if (size * count > 5 && strncmp(bytes, "HTTP/", 5) == 0) {
        buf_clear(headers);
    }
    return gather(bytes, size, count, argument);
}

static bool gives_content_type(const char *const *headers) {
    for (size_t i = 0; headers != NULL && headers[i] != NULL; i++) {
        if (strncasecmp(headers[i], "Content-Type:", strlen("Content-Type:")) == 0) {
            return true;
        }
    }
    return false;
}

static struct curl_slist *header_list(const char *body, const char *const *headers) {
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    if (body != NULL && !gives_content_type(headers)) {
        list = curl_slist_append(list, "Content-Type: application/json");
    }
    for (size_t i = 0; headers != NULL && headers[i] != NULL; i++) {
        list = curl_slist_append(list, headers[i]);
    }
    return list;
}

struct client {
    CURL *curl;
};

struct client *client_create(void) {
    struct client *client = xcalloc(1, sizeof *client);
    client->curl = curl_easy_init();
    return client;
}

void client_destroy(struct client *client) {
    curl_easy_cleanup(client->curl);
    free(client);
}

static void set_fresh(CURL *curl, bool fresh) {
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, fresh ? 1L : 0L);
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, fresh ? 1L : 0L);
}

struct answer *client_call(const char *method, const char *url, const char *body, const char *const *headers,
                           int timeout_ms) {
    struct client *client = client_create();
    struct answer *answer = client_ask(client, true, method, url, body, headers, timeout_ms);
    client_destroy(client);
    return answer;
}

struct answer *client_ask(struct client *client, bool fresh, const char *method, const char *url, const char *body,
                          const char *const *headers, int timeout_ms) {
    struct answer *answer = xcalloc(1, sizeof *answer);
    struct buf text = {0};
    struct buf head = {0};
    int64_t began = clock_monotonic_us();
    CURL *curl = client->curl;
    curl_easy_reset(curl); // its connections stay
    struct curl_slist *list = header_list(body, headers);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    set_fresh(curl, fresh);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, gather);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &text);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, gather_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &head);
    if (body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    }
    CURLcode result = curl_easy_perform(curl);
    answer->reached = result != CURLE_COULDNT_CONNECT;
    if (result == CURLE_OK) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    }
    curl_slist_free_all(list);
    buf_puts(&text, "");
    buf_puts(&head, "");
    answer->body = text.data;
    answer->headers = head.data;
    answer->json = cJSON_Parse(text.data);
    answer->millis = (clock_monotonic_us() - began) / 1000;
    return answer;
}

void answer_free(struct answer *answer) {
    free(answer->body);
    free(answer->headers);
    cJSON_Delete(answer->json);
    free(answer);
}

char *answer_header(const struct answer *answer, const char *name) {
    size_t length = strlen(name);
    for (const char *line = answer->headers; *line != '\0';) {
        size_t size = strcspn(line, "\r\n");
        if (size > length && line[length] == ':' && strncasecmp(line, name, length) == 0) {
            size_t skip = length + 1 + strspn(line + length + 1, " ");
            return xstrndup(line + skip, size - skip);
        }
        line += size + strspn(line + size, "\r\n");
    }
    return NULL;
}

long answer_header_number(const struct answer *answer, const char *name) {
    char *value = answer_header(answer, name);
    long number = value != NULL ? strtol(value, NULL, 10) : -1;
    free(value);
    return number;
}

const cJSON *answer_at(const struct answer *answer, const char *path) {
    const cJSON *at = answer->json;
    while (at != NULL && *path != '\0') {
        size_t length = strcspn(path, ".");
        char *name = xstrndup(path, length);
        at = cJSON_IsArray(at) ? cJSON_GetArrayItem(at, (int)strtol(name, NULL, 10))
                               : cJSON_GetObjectItemCaseSensitive(at, name);
        free(name);
        path += length + (path[length] == '.' ? 1 : 0);
    }
    return at;
}

const char *answer_text(const struct answer *answer, const char *path) {
    const cJSON *at = answer_at(answer, path);
    return cJSON_IsString(at) ? at->valuestring : "";
}

double answer_number(const struct answer *answer, const char *path) {
    const cJSON *at = answer_at(answer, path);
    return cJSON_IsNumber(at) ? at->valuedouble : -1;
}

int client_connect(uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

char *client_finish(int fd, const char *bytes, size_t length, int timeout_ms) {
    struct buf text = {0};
    buf_puts(&text, "");
    if (send(fd, bytes, length, MSG_NOSIGNAL) == (ssize_t)length) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        ssize_t got = 1;
        while (got > 0 && poll(&wait, 1, timeout_ms) > 0) {
            buf_reserve(&text, 4096);
            got = recv(fd, text.data + text.length, 4096, 0);
            text.length += got > 0 ? (size_t)got : 0;
            text.data[text.length] = '\0';
        }
    }
    close(fd);
    return text.data;
}

char *client_raw(uint16_t port, const char *bytes, size_t length, int timeout_ms) {
    int fd = client_connect(port);
    return fd < 0 ? xstrdup("") : client_finish(fd, bytes, length, timeout_ms);
}
