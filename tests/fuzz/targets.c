// SPDX-License-Identifier: MIT
#include "tests/fuzz/targets.h"

const struct fuzz_target fuzz_targets[] = {
    {"payload", fuzz_payload}, {"address", fuzz_address},   {"link", fuzz_link},
    {"snippet", fuzz_snippet}, {"headers", fuzz_headers},   {"settings", fuzz_settings},
    {"entry", fuzz_entry},     {"answer", fuzz_answer},     {"host", fuzz_host},
    {"framing", fuzz_framing}, {"html", fuzz_html},         {"segments", fuzz_segments},
    {"form", fuzz_form},       {"receipts", fuzz_receipts}, {"multipart", fuzz_multipart},
    {"mail", fuzz_mail},       {"charset", fuzz_charset},   {"event_key", fuzz_event_key},
    {"list", fuzz_list},
};

const size_t fuzz_target_count = sizeof fuzz_targets / sizeof *fuzz_targets;
