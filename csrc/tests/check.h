/* check.h: assertions for the C tests. One executable a file; its main ends with
 * `return check_summary("name");`. Checks may run on any thread. */
#ifndef FC_TESTS_CHECK_H
#define FC_TESTS_CHECK_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static atomic_long check_count, check_failures;

/* A broken kernel fails at every element; the first few say enough, or the first alone where nobody reads
 * them: FC_TEST_FIRST=1 ends the test there. */
#define CHECK_PRINTED 20

__attribute__((format(printf, 5, 6))) static inline bool
check_report(bool good, const char *condition, const char *file, int line, const char *format,
             ...) {
    atomic_fetch_add(&check_count, 1);
    if (good || atomic_fetch_add(&check_failures, 1) >= CHECK_PRINTED) return good;
    char details[512] = "";
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(details, sizeof details, format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s:%d: CHECK(%s) failed%s%s\n", file, line, condition, *details ? ": " : "",
            details);
    if (getenv("FC_TEST_FIRST")) _Exit(1);
    return false;
}

/* Counts, prints file:line when the condition is false, carries on; its value is the condition. */
#define CHECK(condition) check_report((condition), #condition, __FILE__, __LINE__, "%s", "")
/* The same with a printf format and arguments that say which case it was. */
#define CHECK_AT(condition, ...)                                                                   \
    check_report((condition), #condition, __FILE__, __LINE__, __VA_ARGS__)

/* Whether a sweep's case is run: each is, unless FC_TEST_SHARE=I/N, for emulators, asks for the Ith of N parts. */
static inline bool check_share(long number) {
    const char *asked = getenv("FC_TEST_SHARE");
    long share, shares;
    if (!asked || sscanf(asked, "%ld/%ld", &share, &shares) != 2 || shares < 1) return true;
    return number % shares == share % shares;
}

/* The exit status: 0 when every check held. */
static inline int check_summary(const char *name) {
    long failures = atomic_load(&check_failures);
    printf("%s: %ld checks, %ld failed\n", name, atomic_load(&check_count), failures);
    return failures != 0;
}

#endif
