// SPDX-License-Identifier: MIT
#ifndef TESTS_BENCH_COST_H
#define TESTS_BENCH_COST_H

#include <sys/types.h>

// What a process has cost so far, by /proc.

// Processor time in µs, user and system, its ended children's included.
double cost_cpu_us(pid_t pid);
// The same and that of its children that run, as Postgres's.
double cost_family_cpu_us(pid_t pid);
// Memory that is resident, in MB of 10^6 bytes.
double cost_rss_mb(pid_t pid);

#endif
