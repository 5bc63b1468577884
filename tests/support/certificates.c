// SPDX-License-Identifier: MIT
#include "tests/support/certificates.h"

#include "tests/support/child.h"

// `openssl ca` dates a certificate as one likes, other than `openssl x509`.
static const char script[] =
    "set -eu; new='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'\n"
    "here=DNS:localhost,IP:127.0.0.1,IP:::1\n"
    "touch index.txt; echo unique_subject=no >index.txt.attr\n"
    "cat >ca.conf <<'CONF'\n"
    "[ca]\ndefault_ca=one\n[one]\ndatabase=index.txt\nnew_certs_dir=.\ndefault_md=sha256\npolicy=any\nrand_serial=yes\n"
    "[any]\ncommonName=supplied\n"
    "CONF\n"
    "for ca in authority stranger; do\n"
    "  openssl req -x509 $new -days 2 -subj /CN=$ca -keyout $ca.key -out $ca.pem\n"
    "done\n"
    "openssl req -x509 $new -days 2 -subj /CN=self -addext subjectAltName=$here -keyout self.key -out self.pem\n"
    "issue() { # CA NAME ALTERNATIVE_NAMES FROM UNTIL\n"
    "  openssl req $new -subj \"/CN=$2\" -keyout \"$2.key\" -out \"$2.csr\"\n"
    "  echo \"${3:+subjectAltName=$3}\" >\"$2.ext\"\n"
    "  openssl ca -batch -config ca.conf -cert \"$1.pem\" -keyfile \"$1.key\" -startdate \"$(date -ud \"$4\" "
    "+%Y%m%d%H%M%SZ)\""
    " -enddate \"$(date -ud \"$5\" +%Y%m%d%H%M%SZ)\" -extfile \"$2.ext\" -in \"$2.csr\" -out \"$2.pem\" -notext\n"
    "}\n"
    "issue authority good $here '1 hour ago' tomorrow\n"
    "issue authority other DNS:other.example '1 hour ago' tomorrow\n"
    "issue authority plain '' '1 hour ago' tomorrow\n"
    "issue authority expired $here '2 hours ago' '1 hour ago'\n"
    "issue authority early $here '1 day' '2 days'\n"
    "issue authority client DNS:client.example '1 hour ago' tomorrow\n"
    "issue stranger visitor DNS:visitor.example '1 hour ago' tomorrow\n";

void certificates_make(const char *folder) {
    child_run(&(struct child_options){.name = "certificates",
                                      .folder = folder,
                                      .argv = (const char *const[]){"bash", "-c", script, NULL}},
              20000);
}
