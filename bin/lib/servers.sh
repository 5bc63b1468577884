# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# common.sh, and besides what the scripts share that start, stop or look at the programs and the private servers.
# Sourced, never run.

# shellcheck source=bin/lib/common.sh
. "${BASH_SOURCE[0]%/*}/common.sh"
# shellcheck source=bin/lib/process.sh
. bin/lib/process.sh
# shellcheck source=bin/lib/memory.sh
. bin/lib/memory.sh
# shellcheck source=bin/lib/redis.sh
. bin/lib/redis.sh
# shellcheck source=bin/lib/postgres.sh
. bin/lib/postgres.sh
