// SPDX-License-Identifier: MIT
// Links to a Redis that speaks TLS, and to what does not or not as it should.
#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "shared/redis/conn.h"
#include "shared/redis/link.h"
#include "tests/support/certificates.h"
#include "tests/support/fake_server.h"
#include "tests/support/port.h"
#include "tests/support/private_redis.h"
#include "tests/support/private_sentinels.h"
#include "tests/support/target.h"
#include "tests/support/wait.h"

Suite *suite_redis_tls(void);

enum { TIMEOUT_MS = 2000, MOST_OPTIONS = 24 };

static char folder[] = "/tmp/redis-tls-XXXXXX";
static uv_loop_t loop;
static struct private_redis *redis;
static char url[64]; // of its port for TLS

static void make_folder(void) {
    ck_assert_ptr_nonnull(mkdtemp(folder));
    certificates_make(folder);
}

static int redis_tls_remove_one(const char *path, const struct stat *status, int type, struct FTW *where) {
    (void)status, (void)type, (void)where;
    return remove(path);
}

static void remove_folder(void) {
    nftw(folder, redis_tls_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void redis_tls_setup(void) {
    uv_loop_init(&loop);
}

static void redis_tls_teardown(void) {
    wait_closed(&loop);
    if (redis != NULL) {
        private_redis_destroy(redis);
    }
}

// A Redis that shows that certificate. clients: "yes", "no". more: NULL-terminated options, or NULL.
static void start_redis(const char *certificate, const char *clients, const char *const *more) {
    static char port[8], pem[96], key[96], ca[96]; // they are read again at its restart
    static const char *options[MOST_OPTIONS];
    const char *const tls[] = {"--tls-port",         port, "--tls-cert-file",    pem,    "--tls-key-file", key,
                               "--tls-ca-cert-file", ca,   "--tls-auth-clients", clients};
    size_t count = sizeof tls / sizeof *tls;
    snprintf(port, sizeof port, "%u", (unsigned)free_port());
    snprintf(pem, sizeof pem, "%s/%s.pem", folder, certificate);
    snprintf(key, sizeof key, "%s/%s.key", folder, certificate);
    snprintf(ca, sizeof ca, "%s/authority.pem", folder);
    memcpy(options, tls, sizeof tls);
    for (size_t i = 0; more != NULL && more[i] != NULL && count < MOST_OPTIONS - 1; i++) {
        options[count++] = more[i];
    }
    redis = private_redis_start(options);
    snprintf(url, sizeof url, "rediss://127.0.0.1:%s", port);
}

struct tls_link {
    struct redis_link *link;
    int ups, downs, ok;
};

static void redis_tls_on_up(void *argument) {
    struct tls_link *subject = argument;
    subject->ups++;
}

static void redis_tls_on_down(void *argument) {
    struct tls_link *subject = argument;
    subject->downs++;
}

static void redis_tls_on_reply(void *argument, enum redis_result result, const redisReply *reply) {
    struct tls_link *subject = argument;
    (void)reply;
    subject->ok += result == REDIS_LINK_OK;
}

static void open_to(struct tls_link *subject, struct redis_target *target, int timeout_ms) {
    subject->link = redis_link_create(&loop, &(struct redis_link_options){.target = target,
                                                                          .name = "tls-0",
                                                                          .timeout_ms = timeout_ms,
                                                                          .on_up = redis_tls_on_up,
                                                                          .on_down = redis_tls_on_down,
                                                                          .argument = subject});
}

static void assert_serves(struct tls_link *subject) {
    const char *argv[] = {"PING"};
    RUN_UNTIL(&loop, 10000, subject->ups == 1);
    ck_assert_int_eq(redis_link_call(subject->link, redis_tls_on_reply, subject, 1, argv, NULL), 0);
    RUN_UNTIL(&loop, 5000, subject->ok == 1);
    ck_assert_int_eq(subject->downs, 0);
    redis_link_destroy(subject->link);
}

// That it stays down, says so, and leaves nothing behind.
static void assert_says(struct redis_target *target, int timeout_ms, const char *sentence) {
    struct tls_link subject = {0};
    open_to(&subject, target, timeout_ms);
    RUN_UNTIL(&loop, 10000, redis_link_trouble(subject.link) != NULL);
    const char *said = redis_link_trouble(subject.link);
    ck_assert_msg(strstr(said, sentence) != NULL, "%s", said);
    ck_assert_ptr_null(strchr(said, '\n'));
    ck_assert_int_eq(subject.ups, 0);
    redis_link_destroy(subject.link);
}

static const char *port_of_tls(void) {
    return strrchr(url, ':') + 1;
}

// ---- What works

static const char *const protocols[] = {"TLSv1.2", "TLSv1.3"};

START_TEST(it_comes_up_over_tls) {
    struct tls_link subject = {0};
    start_redis("good", "no", (const char *const[]){"--tls-protocols", protocols[_i], NULL});
    open_to(&subject, target_with(url, folder, "authority.pem", NULL, NULL), TIMEOUT_MS);
    assert_serves(&subject);
}
END_TEST

START_TEST(a_name_is_verified_as_an_address_is) {
    struct tls_link subject = {0};
    char named[64];
    start_redis("good", "no", NULL);
    snprintf(named, sizeof named, "rediss://localhost:%s", port_of_tls());
    open_to(&subject, target_with(named, folder, "authority.pem", NULL, NULL), TIMEOUT_MS);
    assert_serves(&subject);
}
END_TEST

START_TEST(redis_gets_the_certificate_that_it_asks_for) {
    struct tls_link subject = {0};
    start_redis("good", "yes", (const char *const[]){"--tls-protocols", protocols[_i], NULL});
    open_to(&subject, target_with(url, folder, "authority.pem", "client.pem", "client.key"), TIMEOUT_MS);
    assert_serves(&subject);
}
END_TEST

START_TEST(a_certificate_that_signs_itself_may_be_named_as_an_authority) {
    struct tls_link subject = {0};
    start_redis("self", "no", NULL);
    open_to(&subject, target_with(url, folder, "self.pem", NULL, NULL), TIMEOUT_MS);
    assert_serves(&subject);
}
END_TEST

START_TEST(forty_megabytes_go_through_each_way) {
    enum { BYTES = 4 * 1000 * 1000, COUNT = 10 };
    struct tls_link subject = {0};
    char *value = xmalloc(BYTES);
    const char *argv[] = {"ECHO", value};
    const size_t lengths[] = {4, BYTES};
    memset(value, 'v', BYTES);
    start_redis("good", "no", NULL);
    open_to(&subject, target_with(url, folder, "authority.pem", NULL, NULL), 20000);
    RUN_UNTIL(&loop, 10000, subject.ups == 1);
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_eq(redis_link_call(subject.link, redis_tls_on_reply, &subject, 2, argv, lengths), 0);
    }
    RUN_UNTIL(&loop, 20000, subject.ok == COUNT);
    ck_assert_int_eq(subject.downs, 0);
    free(value);
    redis_link_destroy(subject.link);
}
END_TEST

START_TEST(a_silent_redis_is_dropped_and_comes_back_over_tls) {
    struct tls_link subject = {0};
    start_redis("good", "no", NULL);
    open_to(&subject, target_with(url, folder, "authority.pem", NULL, NULL), 400);
    RUN_UNTIL(&loop, 10000, subject.ups == 1);
    private_redis_freeze(redis);
    RUN_UNTIL(&loop, 10000, subject.downs == 1);
    private_redis_thaw(redis);
    RUN_UNTIL(&loop, 10000, subject.ups == 2);
    private_redis_kill(redis);
    RUN_UNTIL(&loop, 10000, subject.downs == 2);
    private_redis_restart(redis);
    RUN_UNTIL(&loop, 10000, subject.ups == 3);
    redis_link_destroy(subject.link);
}
END_TEST

// ---- What doesn't, and what is said of it

static const struct {
    const char *shown;   // by Redis
    const char *clients; // "yes": Redis asks for a certificate
    const char *ca, *certificate, *key;
    const char *sentence;
} refusals[] = {
    {"expired", "no", "authority.pem", NULL, NULL, "Redis's certificate has expired (20"},
    {"early", "no", "authority.pem", NULL, NULL, "Redis's certificate isn't valid before 20"},
    {"other", "no", "authority.pem", NULL, NULL,
     "Redis's certificate is not for 127.0.0.1, but for other.example: write one of its names into REDIS_URL"},
    {"good", "no", NULL, NULL, NULL,
     "Redis's certificate is signed by /CN=authority, whom nobody here knows: put that authority's certificate into "
     "REDIS_CA_FILE"},
    {"good", "no", "stranger.pem", NULL, NULL, "put that authority's certificate into REDIS_CA_FILE"},
    {"self", "no", "authority.pem", NULL, NULL, "signed by /CN=self, whom nobody here knows"},
    {"good", "yes", "authority.pem", NULL, NULL,
     "Redis asks for a client's certificate: set REDIS_CERT_FILE and REDIS_KEY_FILE"},
    {"good", "yes", "authority.pem", "visitor.pem", "visitor.key",
     "Redis refuses the certificate in REDIS_CERT_FILE (alert 48, unknown CA)"},
    {"good", "yes", "authority.pem", "expired.pem", "expired.key",
     "Redis refuses the certificate in REDIS_CERT_FILE (alert 45, certificate expired)"},
};

START_TEST(each_refusal_has_its_sentence) {
    unsigned test = (unsigned)_i / 2;
    start_redis(refusals[test].shown, refusals[test].clients,
                (const char *const[]){"--tls-protocols", protocols[_i % 2], NULL});
    assert_says(target_with(url, folder, refusals[test].ca, refusals[test].certificate, refusals[test].key), TIMEOUT_MS,
                refusals[test].sentence);
}
END_TEST

START_TEST(a_plain_redis_behind_rediss_has_its_sentence) {
    char to_plain[64];
    start_redis("good", "no", NULL);
    snprintf(to_plain, sizeof to_plain, "rediss://127.0.0.1:%u", (unsigned)private_redis_port(redis));
    assert_says(target_with(to_plain, folder, "authority.pem", NULL, NULL), 300, "write redis:// in REDIS_URL");
}
END_TEST

START_TEST(a_redis_with_tls_behind_redis_has_its_sentence) {
    char to_tls[64];
    start_redis("good", "no", (const char *const[]){"--tls-protocols", protocols[_i], NULL});
    snprintf(to_tls, sizeof to_tls, "redis://127.0.0.1:%s", port_of_tls());
    assert_says(target_at(to_tls), TIMEOUT_MS, "write rediss:// in REDIS_URL");
}
END_TEST

START_TEST(versions_before_1_2_are_not_spoken) {
    start_redis("good", "no",
                (const char *const[]){"--tls-protocols", "TLSv1.1", "--tls-ciphers", "DEFAULT:@SECLEVEL=0", NULL});
    assert_says(target_with(url, folder, "authority.pem", NULL, NULL), TIMEOUT_MS, "TLS 1.2 or newer is needed");
}
END_TEST

#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static const struct {
    const char *says; // to whoever connects
    bool hangs_up;
    const char *sentence;
} servers[] = {
    {NULL, false, "TLS's handshake did not end in time: where Redis speaks no TLS on this port, write redis://"},
    {NULL, true, "Redis closed the connection in TLS's handshake"},
    {"HTTP/1.1 400 Bad Request\r\n\r\n", false, "what answers there speaks no TLS"},
    {"-ERR Protocol error: unbalanced quotes in request\r\n", true, "what answers there speaks no TLS"},
    {"\x16\x03\x03\xff\xff rubbish that looks like the beginning of a record", false, "write redis://"},
    {"\x16\x0a\x03\x01\x01" HUNDRED HUNDRED HUNDRED, false, "write redis://"},
    {"\x17\x03\x03\x01\x01" HUNDRED HUNDRED HUNDRED, false, "TLS with Redis failed: "},
    {"\x16\x03", false, "TLS's handshake did not end in time"},
};

START_TEST(what_is_no_tls_is_told_from_it) {
    char to_fake[64];
    struct fake_server *server = fake_server_start(
        &loop, &(struct fake_behaviour){.greeting = servers[_i].says, .hang_up = servers[_i].hangs_up});
    snprintf(to_fake, sizeof to_fake, "rediss://127.0.0.1:%u", (unsigned)fake_server_port(server));
    assert_says(target_with(to_fake, folder, "authority.pem", NULL, NULL), 300, servers[_i].sentence);
    fake_server_destroy(server);
}
END_TEST

START_TEST(an_alert_in_answer_to_plain_commands_is_known) {
    char to_fake[64];
    struct fake_server *server =
        fake_server_start(&loop, &(struct fake_behaviour){.greeting = "\x15\x03\x01\x02\x02\x16"});
    snprintf(to_fake, sizeof to_fake, "redis://127.0.0.1:%u", (unsigned)fake_server_port(server));
    assert_says(target_at(to_fake), 300, "Redis speaks TLS on this port: write rediss:// in REDIS_URL");
    fake_server_destroy(server);
}
END_TEST

// ---- Sessions

struct tls_visit {
    struct redis_conn *conn;
    bool connected, broken;
    int replies;
};

static void visit_on_connected(void *owner) {
    struct tls_visit *visit = owner;
    const char *ping[] = {"PING"};
    visit->connected = true;
    redis_conn_send(visit->conn, 0, NULL, NULL, 1, ping, NULL);
}

static void visit_on_reply(void *owner, redis_link_reply done, void *argument, const redisReply *reply) {
    struct tls_visit *visit = owner;
    (void)done, (void)argument, (void)reply;
    visit->replies++;
}

static void visit_on_broken(void *owner, const char *why) {
    struct tls_visit *visit = owner;
    (void)why;
    visit->broken = true;
}

static void visit_open(struct tls_visit *visit, uint16_t port, SSL_CTX *context, const char *host,
                       struct tls_memory *memory) {
    static const struct redis_conn_events events = {
        .on_connected = visit_on_connected, .on_reply = visit_on_reply, .on_broken = visit_on_broken};
    const struct redis_conn_options options = {
        .address = "127.0.0.1", .port = port, .timeout_ms = TIMEOUT_MS, .tls = context, .host = host, .memory = memory};
    const char *error = NULL;
    *visit = (struct tls_visit){0};
    visit->conn = redis_conn_open(&loop, &options, &events, visit, &error);
    ck_assert_ptr_nonnull(visit->conn);
}

// Connects and asks one thing.
static void visit_begin(struct tls_visit *visit, SSL_CTX *context, const char *host, struct tls_memory *memory) {
    visit_open(visit, (uint16_t)atoi(port_of_tls()), context, host, memory);
    RUN_UNTIL(&loop, 5000, visit->replies == 1);
    ck_assert(!visit->broken);
}

// The same, and leaves. Whether a session was resumed.
static bool visit_resumed(SSL_CTX *context, const char *host, struct tls_memory *memory) {
    struct tls_visit visit;
    visit_begin(&visit, context, host, memory);
    bool resumed = strstr(redis_conn_tls(visit.conn), "resumed") != NULL;
    ck_assert_int_eq(strncmp(redis_conn_tls(visit.conn), "TLSv1.", 6), 0);
    redis_conn_drop(visit.conn);
    return resumed;
}

START_TEST(the_next_connection_resumes_the_session_of_the_last) {
    struct tls_memory memory = {0};
    start_redis("good", "yes", (const char *const[]){"--tls-protocols", protocols[_i], NULL});
    const struct redis_endpoint *endpoint =
        redis_target_take(target_with(url, folder, "authority.pem", "client.pem", "client.key"));
    const struct redis_endpoint *changed =
        redis_target_take(target_with(url, folder, "authority.pem", "client.pem", "client.key"));
    ck_assert(!visit_resumed(endpoint->tls, "127.0.0.1", &memory));
    ck_assert(visit_resumed(endpoint->tls, "127.0.0.1", &memory));
    ck_assert(visit_resumed(endpoint->tls, "127.0.0.1", &memory));
    ck_assert(!visit_resumed(endpoint->tls, "localhost", &memory)); // for which nothing was shown yet
    ck_assert(visit_resumed(endpoint->tls, "localhost", &memory));
    ck_assert(!visit_resumed(changed->tls, "localhost", &memory)); // another certificate may be ours by now
    ck_assert(visit_resumed(changed->tls, "localhost", &memory));
    private_redis_restart(redis);
    ck_assert(!visit_resumed(changed->tls, "localhost", &memory)); // which it no longer knows
    ck_assert(visit_resumed(changed->tls, "localhost", &memory));
    ck_assert(!visit_resumed(changed->tls, "localhost", NULL));
    tls_memory_clear(&memory);
    redis_endpoint_release(endpoint);
    redis_endpoint_release(changed);
}
END_TEST

START_TEST(a_session_outlives_a_connection_that_redis_ends) {
    struct tls_memory memory = {0};
    struct tls_visit visit;
    start_redis("good", "yes", (const char *const[]){"--tls-protocols", protocols[_i], NULL});
    const struct redis_endpoint *endpoint =
        redis_target_take(target_with(url, folder, "authority.pem", "client.pem", "client.key"));
    visit_begin(&visit, endpoint->tls, "127.0.0.1", &memory);
    private_redis_do(redis, "CLIENT KILL TYPE normal");
    RUN_UNTIL(&loop, 5000, visit.broken);
    redis_conn_drop(visit.conn);
    run_for(&loop, 20); // its handles have closed
    ck_assert(visit_resumed(endpoint->tls, "127.0.0.1", &memory));
    tls_memory_clear(&memory);
    redis_endpoint_release(endpoint);
}
END_TEST

START_TEST(a_changed_certificate_is_for_the_next_connection) {
    struct tls_link subject = {0};
    start_redis("good", "yes", NULL);
    struct redis_target *target = target_with(url, folder, "authority.pem", "client.pem", "client.key");
    open_to(&subject, target, TIMEOUT_MS);
    RUN_UNTIL(&loop, 10000, subject.ups == 1);
    target_change(target, url, folder, "authority.pem", "visitor.pem", "visitor.key");
    run_for(&loop, 1500);
    ck_assert_int_eq(subject.downs, 0);
    private_redis_do(redis, "CLIENT KILL TYPE normal");
    RUN_UNTIL(&loop, 5000,
              subject.downs == 1 && redis_link_trouble(subject.link) != NULL &&
                  strstr(redis_link_trouble(subject.link), "REDIS_CERT_FILE") != NULL);
    target_change(target, url, folder, "authority.pem", "good.pem", "good.key");
    RUN_UNTIL(&loop, 10000, subject.ups == 2);
    redis_link_destroy(subject.link);
}
END_TEST

START_TEST(tls_may_come_while_a_link_is_up_and_go) {
    struct tls_link subject = {0};
    start_redis("good", "no", NULL);
    struct redis_target *target = target_at(private_redis_url(redis));
    open_to(&subject, target, TIMEOUT_MS);
    RUN_UNTIL(&loop, 10000, subject.ups == 1);
    target_change(target, url, folder, "authority.pem", NULL, NULL);
    RUN_UNTIL(&loop, 10000, subject.ups == 2);
    target_change(target, private_redis_url(redis), folder, NULL, NULL, NULL);
    RUN_UNTIL(&loop, 10000, subject.ups == 3);
    redis_link_destroy(subject.link);
}
END_TEST

// ---- A message that comes in two halves

// A server whose ticket is long and its records short, of which the first is all that it says by itself.
struct halting {
    SSL *ssl;
    unsigned heard;  // pieces of what was sealed
    struct buf held; // what else it has to say
};

static int put_long_ticket(SSL *ssl, void *argument) {
    static const char data[3000];
    (void)argument;
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), data, sizeof data);
}

static SSL_TICKET_RETURN take_no_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t length,
                                        SSL_TICKET_STATUS status, void *argument) {
    (void)ssl, (void)session, (void)name, (void)length, (void)status, (void)argument;
    return SSL_TICKET_RETURN_IGNORE;
}

static SSL *halting_create(SSL_CTX *context) {
    char path[96];
    SSL *ssl;
    snprintf(path, sizeof path, "%s/good.pem", folder);
    ck_assert_int_eq(SSL_CTX_use_certificate_chain_file(context, path), 1);
    snprintf(path, sizeof path, "%s/good.key", folder);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM), 1);
    SSL_CTX_set_max_send_fragment(context, 512);
    SSL_CTX_set_session_ticket_cb(context, put_long_ticket, take_no_ticket, NULL);
    ssl = SSL_new(context);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(ssl);
    return ssl;
}

static void take_output(struct halting *halting, struct buf *out) {
    char bytes[4096];
    for (int length; (length = BIO_read(SSL_get_wbio(halting->ssl), bytes, sizeof bytes)) > 0;) {
        buf_append(out, bytes, (size_t)length);
    }
}

static bool halting_on_input(void *argument, const char *input, size_t length, struct buf *answer) {
    struct halting *halting = argument;
    enum { FIRST_HALF = 700 };
    char text[256];
    BIO_write(SSL_get_rbio(halting->ssl), input, (int)length);
    if (!SSL_is_init_finished(halting->ssl) && SSL_do_handshake(halting->ssl) != 1) {
        take_output(halting, answer);
        return true;
    }
    halting->heard += SSL_read(halting->ssl, text, sizeof text) > 0;
    SSL_write(halting->ssl, "+PONG\r\n", 7);
    take_output(halting, halting->heard == 1 ? &halting->held : answer);
    if (halting->heard == 1) {
        buf_append(answer, halting->held.data, FIRST_HALF);
        memmove(halting->held.data, halting->held.data + FIRST_HALF, halting->held.length -= FIRST_HALF);
    }
    return true;
}

START_TEST(what_is_said_while_half_a_message_is_there_leaves_once_the_rest_has_come) {
    const char *ping[] = {"PING"};
    struct tls_visit visit;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    struct halting halting = {.ssl = halting_create(context)};
    const struct fake_behaviour behaviour = {.on_input = halting_on_input, .argument = &halting};
    struct fake_server *server = fake_server_start(&loop, &behaviour);
    const struct redis_endpoint *endpoint =
        redis_target_take(target_with("rediss://127.0.0.1", folder, "authority.pem", NULL, NULL));
    visit_open(&visit, fake_server_port(server), endpoint->tls, "127.0.0.1", NULL);
    RUN_UNTIL(&loop, 5000, halting.heard == 1);
    run_for(&loop, 50); // what it has said arrives
    redis_conn_send(visit.conn, 0, NULL, NULL, 1, ping, NULL);
    run_for(&loop, 50);
    ck_assert(!visit.broken);
    fake_server_say_bytes(server, halting.held.data, halting.held.length);
    RUN_UNTIL(&loop, 5000, visit.replies == 2);
    redis_conn_drop(visit.conn);
    fake_server_destroy(server);
    run_for(&loop, 1);
    redis_endpoint_release(endpoint);
    SSL_free(halting.ssl);
    SSL_CTX_free(context);
    buf_free(&halting.held);
}
END_TEST

// ---- Its end

START_TEST(it_may_be_let_go_of_at_any_moment_of_the_handshake) {
    start_redis("good", "no", NULL);
    struct redis_target *target = target_with(url, folder, "authority.pem", NULL, NULL);
    for (int turns = 0; turns < 12; turns++) {
        struct tls_link subject = {0};
        open_to(&subject, target, TIMEOUT_MS);
        for (int i = 0; i < turns; i++) {
            uv_run(&loop, UV_RUN_ONCE);
        }
        redis_link_destroy(subject.link);
    }
}
END_TEST

// ---- Sentinels

// One that comes to its master over TLS, and shows that certificate at a port of its own. Its URL is `url` from then
// on.
static struct private_sentinels *start_sentinel(const char *certificate) {
    static char lines[5][128];
    static const char *const all[] = {lines[0], lines[1], lines[2], lines[3], lines[4], "tls-auth-clients no", NULL};
    unsigned port = free_port();
    snprintf(lines[0], sizeof lines[0], "tls-port %u", port);
    snprintf(lines[1], sizeof lines[1], "tls-cert-file %s/%s.pem", folder, certificate);
    snprintf(lines[2], sizeof lines[2], "tls-key-file %s/%s.key", folder, certificate);
    snprintf(lines[3], sizeof lines[3], "tls-ca-cert-file %s/authority.pem", folder);
    snprintf(lines[4], sizeof lines[4], "tls-replication yes");
    struct private_sentinels *sentinels = private_sentinels_start(&(struct private_sentinels_options){
        .master = (uint16_t)atoi(port_of_tls()), .count = 1, .down_after_ms = 5000, .lines = all});
    snprintf(url, sizeof url, "rediss+sentinel://127.0.0.1:%u/" PRIVATE_SENTINELS_MASTER, port);
    return sentinels;
}

START_TEST(sentinels_and_the_master_that_they_name_are_both_come_to_over_tls) {
    struct tls_link subject = {0};
    start_redis("good", "no", NULL);
    struct private_sentinels *sentinels = start_sentinel("good");
    open_to(&subject, target_with(url, folder, "authority.pem", NULL, NULL), TIMEOUT_MS);
    assert_serves(&subject);
    private_sentinels_destroy(sentinels);
}
END_TEST

START_TEST(a_master_with_a_certificate_for_other_names_than_the_sentinels_give_it_says_what_to_change_there) {
    start_redis("other", "no", NULL);
    struct private_sentinels *sentinels = start_sentinel("good");
    assert_says(target_with(url, folder, "authority.pem", NULL, NULL), TIMEOUT_MS,
                "not for 127.0.0.1, as the Sentinels name it, but for other.example: have them announce");
    private_sentinels_destroy(sentinels);
}
END_TEST

START_TEST(a_sentinel_with_the_certificate_of_another_host_is_not_believed) {
    start_redis("good", "no", NULL);
    struct private_sentinels *sentinels = start_sentinel("other");
    assert_says(target_with(url, folder, "authority.pem", NULL, NULL), TIMEOUT_MS, "can't be asked: ");
    assert_says(target_with(url, folder, "authority.pem", NULL, NULL), TIMEOUT_MS, "but for other.example");
    private_sentinels_destroy(sentinels);
}
END_TEST

Suite *suite_redis_tls(void) {
    enum { EACH_PROTOCOL = sizeof protocols / sizeof *protocols };
    Suite *suite = suite_create("redis_tls");
    TCase *tests = tcase_create("redis_tls");
    tcase_add_unchecked_fixture(tests, make_folder, remove_folder);
    tcase_add_checked_fixture(tests, redis_tls_setup, redis_tls_teardown);
    tcase_add_loop_test(tests, it_comes_up_over_tls, 0, EACH_PROTOCOL);
    tcase_add_test(tests, a_name_is_verified_as_an_address_is);
    tcase_add_loop_test(tests, redis_gets_the_certificate_that_it_asks_for, 0, EACH_PROTOCOL);
    tcase_add_test(tests, a_certificate_that_signs_itself_may_be_named_as_an_authority);
    tcase_add_test(tests, forty_megabytes_go_through_each_way);
    tcase_add_test(tests, a_silent_redis_is_dropped_and_comes_back_over_tls);
    tcase_add_loop_test(tests, each_refusal_has_its_sentence, 0, EACH_PROTOCOL * sizeof refusals / sizeof *refusals);
    tcase_add_test(tests, a_plain_redis_behind_rediss_has_its_sentence);
    tcase_add_loop_test(tests, a_redis_with_tls_behind_redis_has_its_sentence, 0, EACH_PROTOCOL);
    tcase_add_test(tests, versions_before_1_2_are_not_spoken);
    tcase_add_loop_test(tests, what_is_no_tls_is_told_from_it, 0, sizeof servers / sizeof *servers);
    tcase_add_test(tests, an_alert_in_answer_to_plain_commands_is_known);
    tcase_add_loop_test(tests, the_next_connection_resumes_the_session_of_the_last, 0, EACH_PROTOCOL);
    tcase_add_loop_test(tests, a_session_outlives_a_connection_that_redis_ends, 0, EACH_PROTOCOL);
    tcase_add_test(tests, a_changed_certificate_is_for_the_next_connection);
    tcase_add_test(tests, tls_may_come_while_a_link_is_up_and_go);
    tcase_add_test(tests, what_is_said_while_half_a_message_is_there_leaves_once_the_rest_has_come);
    tcase_add_test(tests, it_may_be_let_go_of_at_any_moment_of_the_handshake);
    tcase_add_test(tests, sentinels_and_the_master_that_they_name_are_both_come_to_over_tls);
    tcase_add_test(tests,
                   a_master_with_a_certificate_for_other_names_than_the_sentinels_give_it_says_what_to_change_there);
    tcase_add_test(tests, a_sentinel_with_the_certificate_of_another_host_is_not_believed);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    return suite;
}
