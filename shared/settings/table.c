// SPDX-License-Identifier: MIT
#include "shared/settings/table.h"

#include "shared/settings/settings.h"

// clang-format off

#define MEMBER(field) offsetof(struct settings, field)

#define NUMBER(name, key, field, fallback, min, max, unit, programs, help) \
    {name, key, SETTING_NUMBER, 0, MEMBER(field), fallback, min, max, unit, NULL, programs, help}
#define TEXT(name, key, flags, field, fallback, allowed, programs, help) \
    {name, key, SETTING_TEXT, flags, MEMBER(field), fallback, 0, 0, "", allowed, programs, help}
#define CHOICE(name, key, flags, field, fallback, allowed, programs, help) \
    {name, key, SETTING_CHOICE, flags, MEMBER(field), fallback, 0, 0, "", allowed, programs, help}

// One number of the mock provider: for all providers, then the same for each, which wins where it is given.
#define MOCK_ONE(name, key, flags, which, field, fallback, max, unit, help) \
    {"API_PROVIDER_" name, "provider_" key, SETTING_NUMBER, flags, MEMBER(mock[which].field), fallback, 0, max, unit, \
     NULL, FOR_MOCK, help}
#define MOCK(name, key, field, flags, fallback, max, unit, help) \
    MOCK_ONE(name, key, (flags) | SETTING_BOTH_MOCKS, 0, field, fallback, max, unit, help), \
    MOCK_ONE("SMS_" name, "sms_" key, SETTING_WITHOUT_VALUE, PROVIDER_SMS_MMS, field, "", max, unit, \
             "The same for SMS and MMS only"), \
    MOCK_ONE("EMAIL_" name, "email_" key, SETTING_WITHOUT_VALUE, PROVIDER_EMAIL, field, "", max, unit, \
             "The same for email only")

#define MAX_PORT 65535
#define MINUTE_MS INT64_C(60000)
#define DAY_SECS INT64_C(86400)
#define MAX_SEED 9007199254740991 // 2^53 - 1
#define FOR_WORKERS (FOR_DISPATCHER | FOR_PERSISTER)

const struct setting settings_table[] = {
    {"PORT", "port", SETTING_NUMBER, SETTING_ACTIVE, MEMBER(port), "8080", 1, MAX_PORT, "", NULL,
     FOR_INGEST | FOR_SCRIPTS,
     "Port on which ingest listens"},
    TEXT("BIND_ADDRESS", "bind_address", 0, bind_address, "127.0.0.1", "a numeric address", FOR_INGEST | FOR_MOCK,
         "Address on which ingest and the mock provider listen; 0.0.0.0 for all of the machine's"),
    {"HEALTH_PATH", "health_path", SETTING_PATH, SETTING_ACTIVE, MEMBER(health_path), "/healthz", 0, 0, "",
     "a path that begins with /", FOR_INGEST | FOR_SCRIPTS, "Where ingest answers that it is alive"},
    CHOICE("LOG_LEVEL", "log_level", SETTING_ACTIVE, log_level, "info", "debug, info, warn, error", FOR_ALL,
           "Log lines below this level are dropped"),
    CHOICE("LOG_FORMAT", "log_format", 0, log_format, "json", "json, text", FOR_ALL,
           "JSON lines, or text for a person's eyes"),
    TEXT("LOG_FILE", "log_file", 0, log_file, "", "a path", FOR_ALL,
         "File to which the log is appended; unset: standard error"),
    NUMBER("LOG_MAX_BYTES", "log_max_bytes", log_max_bytes, "10485760", 0, INT64_C(1) << 40, "bytes", FOR_ALL,
           "A log file that grows past it is renamed to NAME.1 and started over; 0: never"),
    TEXT("INSTANCE_ID", "instance_id", 0, instance_id, "", "a name, the same at every start", FOR_ALL,
         "What this process is called in logs and consumer groups; unset: made from the host's name"),
    NUMBER("DRAIN_TIMEOUT_SECS", "drain_timeout_secs", drain_timeout_secs, "10", 1, 3600, "seconds", FOR_ALL,
           "How long a process that was told to stop finishes what is in flight"),
    NUMBER("DRAIN_NOTICE_MS", "drain_notice_ms", drain_notice_ms, "0", 0, 60000, "milliseconds", FOR_INGEST,
           "How much of that ingest first goes on as before while /readyz says draining, for a load balancer to see"),
    {"API_CONFIG_FILE", NULL, SETTING_CONFIG, 0, 0, "shared/default.toml", 0, 0, "", "a path",
     FOR_ALL | FOR_SCRIPTS, "File of settings, read below the environment and .env; one that is named must exist"},

    TEXT("REDIS_URL", "redis_url", SETTING_COMPUTED, redis_url, "redis://127.0.0.1:6379",
         "redis://[[user]:password@]host[:port][/db]", FOR_ALL | FOR_SCRIPTS,
         "Redis; unset: the private server on LOCAL_REDIS_PORT"),
    NUMBER("REDIS_TIMEOUT_MS", "redis_timeout_ms", redis_timeout_ms, "1500", 100, 1900, "milliseconds", FOR_ALL,
           "Time-out of connecting to Redis and of each reply; below the 2 seconds within which a send is answered"),
    NUMBER("REDIS_WAIT_REPLICAS", "redis_wait_replicas", redis_wait_replicas, "0", 0, 16, "", FOR_INGEST,
           "How many replicas must have a message before it is accepted; while fewer follow, sends are 503 at once"),
    NUMBER("REDIS_MEMORY_PCT", "redis_memory_pct", redis_memory_pct, "80", 1, 100, "percent",
           FOR_INGEST | FOR_PERSISTER, "Sends are refused while Redis uses more of its maxmemory than this"),
    NUMBER("STREAM_PARTITIONS", "stream_partitions", stream_partitions, "1", 1, 256, "", FOR_INGEST,
           "Streams for each provider; senders are spread over them. It may be changed: repeats under a key are still known, "
           "but two at once, to an old and a new ingest, may both pass"),
    NUMBER("STREAM_MAX_BACKLOG", "stream_max_backlog", stream_max_backlog, "1000000", 1, 1000000000, "entries",
           FOR_INGEST | FOR_WORKERS, "Sends are refused while so many wait in one partition"),
    NUMBER("FEED_MAX_LENGTH", "feed_max_length", feed_max_length, "1000", 10, 1000000, "entries",
           FOR_PERSISTER | FOR_DISPATCHER,
           "What the feed behind GET /api/events keeps, so that a client which was away can resume"),

    TEXT("DATABASE_URL", "database_url", SETTING_COMPUTED, database_url,
         "postgres://messaging_user:messaging_password@127.0.0.1:55432/messaging_service",
         "postgres://[user[:password]@]host[:port]/database", FOR_INGEST | FOR_PERSISTER | FOR_SCRIPTS,
         "Postgres; unset: the private server on LOCAL_POSTGRES_PORT"),
    NUMBER("DATABASE_TIMEOUT_MS", "database_timeout_ms", database_timeout_ms, "5000", 100, 10 * MINUTE_MS,
           "milliseconds", FOR_INGEST | FOR_PERSISTER, "Time-out of connecting to Postgres and of each query or batch"),
    NUMBER("INGEST_DB_CONNECTIONS", "ingest_db_connections", database_connections, "2", 1, 64, "", FOR_INGEST,
           "Connections to Postgres that each of ingest's threads reads over"),

    NUMBER("INGEST_THREADS", "ingest_threads", ingest_threads, "0", 0, 256, "", FOR_INGEST,
           "Threads that serve requests; 0: one a core"),
    NUMBER("MAX_CONNECTIONS", "max_connections", max_connections, "10000", 1, 1000000, "", FOR_INGEST | FOR_MOCK,
           "Client connections held at once; one more, and that which waits longest for a request makes way"),
    NUMBER("MAX_CONNECTIONS_PER_IP", "max_connections_per_ip", max_connections_per_ip, "1000", 1, 1000000, "",
           FOR_INGEST, "Connections of one client address at once, an IPv6 /64 counting as one; not of TRUSTED_PROXIES"),
    NUMBER("REQUEST_TIMEOUT_MS", "request_timeout_ms", request_timeout_ms, "10000", 100, 10 * MINUTE_MS,
           "milliseconds", FOR_INGEST | FOR_MOCK, "Time within which a request's head must be complete, and then its body"),
    NUMBER("MAX_CLIENT_BYTES", "max_client_bytes", max_client_bytes, "134217728", 1 << 20, INT64_C(1) << 40, "bytes",
           FOR_INGEST,
           "What ingest holds for its clients in bodies and unsent answers, one address at most a quarter; at least "
           "8 x API_MAX_BODY_BYTES"),
    TEXT("TRUSTED_PROXIES", "trusted_proxies", 0, trusted_proxies, "127.0.0.0/8,::1",
         "addresses and CIDR blocks joined by commas", FOR_INGEST,
         "Peers whose X-Forwarded-For and X-Real-IP are believed"),
    NUMBER("IDEMPOTENCY_TTL_SECS", "idempotency_ttl_secs", idempotency_ttl_secs, "7200", 1, 30 * DAY_SECS, "seconds",
           FOR_INGEST, "How long an Idempotency-Key is remembered"),
    {"CONVERSATION_SNIPPET_LENGTH", "conversation_snippet_length", SETTING_NUMBER, SETTING_ACTIVE,
     MEMBER(conversation_snippet_length), "64", 1, 4096, "characters", NULL, FOR_INGEST, "Length of message snippets"},
    {"PHONE_REGION", "phone_region", SETTING_REGION, 0, MEMBER(phone_region), "", 0, 0, "",
     "an ISO 3166 code of two letters, such as US", FOR_INGEST | FOR_PERSISTER | FOR_MOCK,
     "Region whose phone numbers may come without + and country code; unset: such digits stay as they are"},
    NUMBER("API_MAX_BODY_BYTES", "max_body_bytes", max_body_bytes, "262144", 1024, 16777216, "bytes", FOR_INGEST,
           "Greatest request body"),
    NUMBER("API_MAX_ATTACHMENTS", "max_attachments", max_attachments, "8", 1, 256, "", FOR_INGEST,
           "Most attachments of a message"),
    NUMBER("API_RATE_LIMIT_PER_IP_PER_MIN", "rate_limit_per_ip_per_min", rate_limit_per_ip_per_min, "120", 1,
           1000000000, "", FOR_INGEST, "Requests that write, per client address and minute"),
    NUMBER("API_RATE_LIMIT_PER_SENDER_PER_MIN", "rate_limit_per_sender_per_min", rate_limit_per_sender_per_min, "60",
           1, 1000000000, "", FOR_INGEST, "Sends, per sender and minute"),
    TEXT("ALLOWED_HOSTS", "allowed_hosts", 0, allowed_hosts, "", "host names joined by commas", FOR_INGEST,
         "Names under which /api is reached; needed where no key is asked for, beside addresses, localhost and names "
         "without a dot"),
    TEXT("CORS_ALLOWED_ORIGINS", "cors_allowed_origins", 0, cors_allowed_origins, "",
         "origins joined by commas, as https://example.com", FOR_INGEST,
         "Other origins whose pages may call this one; unset: none"),
    TEXT("API_KEYS", "keys", SETTING_SECRET, api_keys, "", "name:scope[+scope]:sha256hex, joined by commas", FOR_INGEST,
         "Keys that /api asks for, but for the webhooks; unset, and no API_KEYS_FILE: it asks for none"),
    TEXT("API_KEYS_FILE", "keys_file", 0, api_keys_file, "", "a path", FOR_INGEST,
         "File of such keys, one a line; read again on SIGHUP. bin/api-key.sh makes a key and its line"),
    NUMBER("API_KEY_FAILURES_PER_MIN", "key_failures_per_min", api_key_failures_per_min, "30", 1, 1000000000, "",
           FOR_INGEST, "Wrong keys and signatures, per client address and minute; more are answered 429"),
    TEXT("API_KEY", NULL, SETTING_SECRET, api_key, "", "a key", FOR_SCRIPTS,
         "Key that bin/dead-letters.sh and bin/test.sh send, where the service asks for one"),
    TEXT("WEBHOOK_SMS_SECRET", "webhook_sms_secret", SETTING_SECRET, webhook_secrets[PROVIDER_SMS_MMS][0], "",
         "a shared secret; Twilio's is the account's auth token", FOR_INGEST,
         "What SMS and MMS webhooks must be signed with; unset: they need no signature"),
    TEXT("WEBHOOK_SMS_SECRET_PREVIOUS", "webhook_sms_secret_previous", SETTING_SECRET,
         webhook_secrets[PROVIDER_SMS_MMS][1], "", "a shared secret", FOR_INGEST,
         "A second one that is taken as well, while the provider changes over"),
    TEXT("WEBHOOK_EMAIL_SECRET", "webhook_email_secret", SETTING_SECRET, webhook_secrets[PROVIDER_EMAIL][0], "",
         "a shared secret", FOR_INGEST, "What email webhooks must be signed with; unset: they need no signature"),
    TEXT("WEBHOOK_EMAIL_SECRET_PREVIOUS", "webhook_email_secret_previous", SETTING_SECRET,
         webhook_secrets[PROVIDER_EMAIL][1], "", "a shared secret", FOR_INGEST,
         "A second one that is taken as well, while the provider changes over"),
    NUMBER("WEBHOOK_TOLERANCE_SECS", "webhook_tolerance_secs", webhook_tolerance_secs, "300", 1, DAY_SECS, "seconds",
           FOR_INGEST, "How far the time in X-Signature may be from ours, either way"),
    TEXT("WEBHOOK_PUBLIC_URL", "webhook_public_url", 0, webhook_public_url, "",
         "http:// or https://, a host and perhaps a path", FOR_INGEST,
         "What stands before /api/webhooks/sms in the URL that Twilio calls and signs; needed for X-Twilio-Signature"),
    NUMBER("EVENTS_MAX_CLIENTS", "events_max_clients", events_max_clients, "1000", 0, 100000, "", FOR_INGEST,
           "Clients that GET /api/events serves at once; more get a 503"),
    NUMBER("EVENTS_MAX_UNSENT_BYTES", "events_max_unsent_bytes", events_max_unsent_bytes, "262144", 4096, 67108864,
           "bytes", FOR_INGEST, "A client of GET /api/events for which more than this waits is dropped"),
    NUMBER("EVENTS_HEARTBEAT_SECS", "events_heartbeat_secs", events_heartbeat_secs, "15", 1, 300, "seconds", FOR_INGEST,
           "How often GET /api/events says that it lives"),

    NUMBER("API_WORKER_BATCH_SIZE", "worker_batch_size", worker_batch_size, "2000", 1, 10000, "entries", FOR_PERSISTER,
           "Greatest batch that the persister stores in one transaction"),
    NUMBER("API_WORKER_CLAIM_TIMEOUT_SECS", "worker_claim_timeout_secs", worker_claim_timeout_secs, "60", 1, DAY_SECS,
           "seconds", FOR_WORKERS,
           "An entry held by another process for so long is taken over; at least 2 x PROVIDER_TIMEOUT_MS + 2 s"),
    NUMBER("API_WORKER_MAX_RETRIES", "worker_max_retries", worker_max_retries, "250", 1, 1000, "attempts",
           FOR_DISPATCHER,
           "Failed attempts after which a message has failed; 250 x 150 s, the mean wait, are 10 hours, and hardly ever below 8"),
    NUMBER("API_WORKER_BACKOFF_BASE_MS", "worker_backoff_base_ms", worker_backoff_base_ms, "500", 1, 60 * MINUTE_MS,
           "milliseconds", FOR_DISPATCHER, "Longest wait before the first retry; it doubles with each"),
    NUMBER("API_WORKER_BACKOFF_CAP_MS", "worker_backoff_cap_ms", worker_backoff_cap_ms, "300000", 1,
           1000 * DAY_SECS, "milliseconds", FOR_DISPATCHER, "Longest wait before any retry"),
    NUMBER("API_WORKER_DEADLINE_SECS", "worker_deadline_secs", message_deadline_secs, "259200", 1, 30 * DAY_SECS,
           "seconds", FOR_DISPATCHER, "Time after which a message that was not delivered has failed"),
    NUMBER("API_REPLAY_PER_SECOND", "replay_per_second", replay_per_second, "100", 1, 10000, "dead letters", FOR_INGEST,
           "Pace of a replay of many dead letters that names none"),
    NUMBER("API_REPLAY_MAX_PER_SECOND", "replay_max_per_second", replay_max_per_second, "1000", 1, 10000,
           "dead letters", FOR_INGEST, "Greatest pace that such a replay may name"),
    NUMBER("DISPATCH_MAX_IN_FLIGHT", "dispatch_max_in_flight", dispatch_max_in_flight, "256", 1, 10000, "calls",
           FOR_DISPATCHER, "Calls of one provider at once, per dispatcher"),
    NUMBER("PROVIDER_TIMEOUT_MS", "provider_timeout_ms", provider_timeout_ms, "10000", 50, 5 * MINUTE_MS,
           "milliseconds", FOR_DISPATCHER, "Time-out of a whole call of a provider"),
    NUMBER("PROVIDER_CONNECT_TIMEOUT_MS", "provider_connect_timeout_ms", provider_connect_timeout_ms, "3000", 50,
           5 * MINUTE_MS, "milliseconds", FOR_DISPATCHER, "Time-out of connecting to a provider"),
    NUMBER("API_BREAKER_ERROR_THRESHOLD", "breaker_error_threshold", breaker_error_threshold, "20", 1, 1000000,
           "failures", FOR_DISPATCHER, "Failures in a row that open a provider's breaker"),
    NUMBER("API_BREAKER_OPEN_SECS", "breaker_open_secs", breaker_open_secs, "30", 1, DAY_SECS, "seconds",
           FOR_DISPATCHER, "How long a breaker stays open before it lets probes through"),
    NUMBER("API_BREAKER_PROBES", "breaker_probes", breaker_probes, "3", 1, 1000, "calls", FOR_DISPATCHER,
           "Probes of a half-open breaker, which close it when all succeed"),
    NUMBER("API_BREAKER_HELD_SENDERS", "breaker_held_senders", breaker_held_senders, "3", 1, 100, "senders",
           FOR_DISPATCHER, "Senders held while no sender at all has a success, which open a provider's breaker"),
    NUMBER("API_SENDER_HOLD_MESSAGES", "sender_hold_messages", sender_hold_messages, "5", 1, 100, "messages",
           FOR_DISPATCHER, "Refused messages (402, 403, 404, 405, 410) of a sender without a success that hold it"),
    NUMBER("API_SENDER_HOLD_SECS", "sender_hold_secs", sender_hold_secs, "30", 1, DAY_SECS, "seconds", FOR_DISPATCHER,
           "How long a sender's messages are held before one of them is tried"),
    NUMBER("API_PROVIDER_MAX_PAUSE_SECS", "provider_max_pause_secs", provider_max_pause_secs, "300", 1, DAY_SECS,
           "seconds", FOR_DISPATCHER,
           "Longest pause that a provider's Retry-After is given; what follows a longer one that it asked for is one probe"),
    TEXT("PROVIDER_SMS_URL", "provider_sms_url", SETTING_COMPUTED, provider_sms_url, "http://127.0.0.1:8090", "a URL",
         FOR_DISPATCHER, "SMS and MMS provider, as Twilio's API; unset: the mock on MOCK_PROVIDER_PORT"),
    TEXT("PROVIDER_SMS_ACCOUNT", "provider_sms_account", 0, provider_sms_account,
         "AC00000000000000000000000000000000", "an account SID", FOR_DISPATCHER, "Account at the SMS and MMS provider"),
    TEXT("PROVIDER_SMS_TOKEN", "provider_sms_token", SETTING_SECRET, provider_sms_token, "mock-token", "a token",
         FOR_DISPATCHER, "Its auth token; unset: one that the mock takes"),
    TEXT("PROVIDER_EMAIL_URL", "provider_email_url", SETTING_COMPUTED, provider_email_url, "http://127.0.0.1:8090",
         "a URL", FOR_DISPATCHER, "Email provider, as SendGrid's API; unset: the mock on MOCK_PROVIDER_PORT"),
    TEXT("PROVIDER_EMAIL_TOKEN", "provider_email_token", SETTING_SECRET, provider_email_token, "mock-token", "a token",
         FOR_DISPATCHER, "Its API key; unset: one that the mock takes"),

    NUMBER("MOCK_PROVIDER_PORT", "mock_provider_port", mock_provider_port, "8090", 1, MAX_PORT, "",
           FOR_MOCK | FOR_DISPATCHER | FOR_SCRIPTS, "Port on which the mock provider listens"),
    MOCK("TIMEOUT_PCT", "timeout_pct", timeout_pct, 0, "0", 100, "percent",
         "Share of calls that the mock leaves without an answer"),
    MOCK("ERROR_PCT", "error_pct", error_pct, 0, "0", 100, "percent",
         "Share of calls that the mock answers with a 5xx"),
    MOCK("RATELIMIT_PCT", "ratelimit_pct", ratelimit_pct, 0, "0", 100, "percent",
         "Share of calls that the mock answers with 429; the three shares make at most 100"),
    MOCK("SEED", "seed", seed, SETTING_WITHOUT_VALUE, "", MAX_SEED, "",
         "Makes the mock's sequence of outcomes the same at every start; unset: random"),
    MOCK("LATENCY_MS", "latency_ms", latency_ms, 0, "0", MINUTE_MS, "milliseconds",
         "How long the mock takes for an answer"),
    MOCK("RETRY_AFTER_SECS", "retry_after_secs", retry_after_secs, 0, "1", DAY_SECS, "seconds",
         "Retry-After of the mock's 429"),

    TEXT("MOCK_LEDGER_FILE", "mock_ledger_file", 0, mock_ledger_file, "", "a path", FOR_MOCK,
         "File to which the mock appends a line for each call before it answers; unset: none"),

    TEXT("RUN_DIR", "run_dir", 0, run_dir, ".run", "a folder", FOR_SCRIPTS,
         "Data of the private servers, logs and process ids"),
    NUMBER("STATUS_MAX_AGE_SECS", "status_max_age_secs", status_max_age_secs, "60", 1, DAY_SECS, "seconds",
           FOR_INGEST | FOR_SCRIPTS,
           "What waits for longer is stuck: /readyz, /metrics, the console and bin/status.sh say so"),
    NUMBER("LOCAL_REDIS_PORT", "local_redis_port", local_redis_port, "6379", 1, MAX_PORT, "", FOR_SCRIPTS,
           "Port of the private Redis"),
    NUMBER("LOCAL_POSTGRES_PORT", "local_postgres_port", local_postgres_port, "55432", 1, MAX_PORT, "", FOR_SCRIPTS,
           "Port of the private Postgres"),
    {"API_ENABLE_INMEMORY_FALLBACK", "enable_inmemory_fallback", SETTING_BOOL, 0, MEMBER(in_memory), "false", 0, 0, "",
     "true, false", FOR_SCRIPTS,
     "Keep the private Redis and Postgres in memory only, as bin/start.sh --ephemeral does"},
};

const size_t settings_table_count = sizeof settings_table / sizeof *settings_table;
