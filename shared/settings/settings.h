// SPDX-License-Identifier: MIT
#ifndef SHARED_SETTINGS_SETTINGS_H
#define SHARED_SETTINGS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "shared/base/mem.h"
#include "shared/message/message.h"
#include "shared/message/mock_fields.h"

#define SETTINGS_DOTENV ".env" // in the current folder

enum { WEBHOOK_SECRETS = 2 }; // of a provider at a time: the current one, and the one before while it is changed

// Everything that can be set, filled from the one table in table.c: environment over .env over the file named by
// API_CONFIG_FILE over the table's default. Handed down as const; strings are owned by it.
struct settings {
    // ingest
    int64_t port;
    char *bind_address;
    char *health_path;
    int64_t ingest_threads; // 0: one a core
    int64_t max_connections;
    int64_t max_connections_per_ip;
    int64_t max_client_bytes;
    int64_t request_timeout_ms;
    int64_t max_body_bytes;
    int64_t max_batch_bytes; // of a list of messages
    int64_t max_attachments;
    int64_t rate_limit_per_ip_per_min;
    int64_t rate_limit_per_sender_per_min;
    int64_t idempotency_ttl_secs;
    int64_t conversation_snippet_length;
    const struct phone_region *phone_region; // NULL: none
    char *trusted_proxies;                   // comma-separated addresses and CIDR blocks
    char *api_keys;                          // "": none; see ingest/access/api_keys.h
    char *api_keys_file;                     // "": none
    int64_t api_key_failures_per_min;
    char *webhook_secrets[PROVIDER_COUNT][WEBHOOK_SECRETS]; // "": none
    char *webhook_email_public_key;                         // "": none; see shared/provider/event_key.h
    int64_t webhook_tolerance_secs;
    int64_t webhook_email_max_age_secs; // of SendGrid's signatures
    int64_t webhook_max_body_bytes;     // of a mail that SendGrid posts
    char *webhook_public_url;           // where both providers are the mock, MOCK_WEBHOOK_URL; "": not known
    int64_t webhook_unread_max, webhook_unread_max_bytes;
    bool opt_out; // whether who says STOP is sent nothing more
    char *allowed_hosts;
    char *cors_allowed_origins;
    int64_t events_max_clients;
    int64_t events_max_unsent_bytes; // a client of GET /api/events
    int64_t events_heartbeat_secs;
    // Redis
    char *redis_url;
    char *redis_ca_file;                    // "": the system's authorities alone
    char *redis_cert_file, *redis_key_file; // "": none
    int64_t redis_timeout_ms;
    int64_t redis_wait_replicas;
    int64_t redis_memory_pct; // ingest refuses above this share of maxmemory
    int64_t stream_partitions;
    int64_t stream_max_backlog;
    char *dispatch_order; // "conversation" or "none"
    int64_t order_max_wait_secs;
    int64_t scheduled_max;
    int64_t scheduled_max_bytes; // 0: a share of Redis's memory
    int64_t feed_max_length;
    // Postgres
    char *database_url;
    char *database_read_url; // "": reads are asked of the primary, too
    int64_t database_timeout_ms;
    int64_t database_connections;   // of ingest, a thread
    int64_t message_retention_days; // 0: messages are kept
    // the workers (dispatcher, persister)
    int64_t worker_batch_size;
    int64_t worker_claim_timeout_secs;
    int64_t worker_max_retries;
    int64_t worker_backoff_base_ms;
    int64_t worker_backoff_cap_ms;
    int64_t message_deadline_secs; // from acceptance; past it a message fails uncalled
    int64_t replay_per_second;     // dead letters, where a replay of many names no pace
    int64_t replay_max_per_second;
    int64_t drain_notice_ms;
    // dispatcher
    int64_t dispatch_max_in_flight; // a provider
    int64_t provider_timeout_ms;
    int64_t provider_connect_timeout_ms;
    int64_t breaker_error_threshold;
    int64_t breaker_open_secs;
    int64_t breaker_probes;
    int64_t breaker_held_senders; // that open it
    int64_t sender_hold_messages; // refused ones that hold their sender
    int64_t sender_hold_secs;
    int64_t provider_max_pause_secs;
    int64_t provider_per_second[PROVIDER_COUNT]; // calls, of the whole fleet; 0: as many as one likes
    char *provider_sms_kind;                     // "twilio", "generic"
    char *provider_sms_url;
    char *provider_sms_account;
    char *provider_sms_token;
    char *provider_sms_key_sid;    // "": account and token authenticate
    char *provider_sms_key_secret; // "" where no key is set
    char *provider_sms_service;    // "": none
    char *provider_email_url;
    char *provider_email_token;
    char *provider_ca_file; // "": the system's authorities alone
    // mock provider
    int64_t mock_provider_port;
    bool mock_strict;
    char *mock_ledger_file;  // "": none
    char *mock_receipt_file; // "": none
    char *mock_webhook_url;  // "": none; see webhook_public_url
    char *mock_undelivered_codes, *mock_bounce_codes;
    char *mock_email_private_key_file; // "": none
    int64_t mock_receipt_repeats_pct, mock_receipt_shuffle_pct;
    struct mock_settings mock[PROVIDER_COUNT]; // API_PROVIDER_*, with API_PROVIDER_SMS_* / _EMAIL_* laid over them
    // every process
    char *instance_id; // "": made from the host's name
    char *log_level;   // "debug", "info", "warn", "error"
    char *log_format;  // "json", "text"
    char *log_file;    // "": stderr
    int64_t log_max_bytes;
    int64_t drain_timeout_secs;
    // bin/ only; listed so that the one table is whole
    char *run_dir;
    char *api_key;
    int64_t status_max_age_secs; // ingest, too
    int64_t local_redis_port;
    int64_t local_postgres_port;
    bool in_memory; // API_ENABLE_INMEMORY_FALLBACK
};

// Which programs read a setting (for --help and the README's table).
enum { FOR_INGEST = 1, FOR_DISPATCHER = 2, FOR_PERSISTER = 4, FOR_MOCK = 8, FOR_SCRIPTS = 16, FOR_ALL = 15 };

// What main() does first. Handles --help, --version (print and exit 0) and an unknown argument (one line, exit 2);
// then loads, and on the first bad setting prints one line with its name, value and what is allowed, and exits 2.
// program is one FOR_* bit, name what it is called in --help.
void settings_from_command_line(struct settings *out, int argc, char **argv, int program, const char *name,
                                const char *summary);
// Ends the program with status 2 and one line on stderr: what is wrong with a setting, behind the program's name.
_Noreturn void settings_refuse(const char *program, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The parts of it. environment looks a variable up (getenv has the shape); dotenv_path and config_path
// may be NULL: no .env; the file that API_CONFIG_FILE names, or the default one where it is. Returns NULL, or the
// one-line error (owned by the caller).
typedef char *(*settings_lookup)(const char *name);
char *settings_load(struct settings *out, settings_lookup environment, const char *dotenv_path,
                    const char *config_path) MUST_CHECK;
void settings_free(struct settings *settings);

void settings_print_help(FILE *out, int program, const char *name, const char *summary);
// The Markdown table that README.md holds between its markers (a test compares them).
void settings_print_markdown(FILE *out);
// The lines of .env.example (a test compares them).
void settings_print_dotenv(FILE *out);

#endif
