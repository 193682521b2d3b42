/* Which edges of the C were passed: gcc calls this at each of them where it compiles with -fsanitize-coverage=trace-pc. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EDGES 65536
#define VISIBLE __attribute__((visibility("default")))

static uint8_t passed[EDGES], known[EDGES];

/* Hidden, so that the one in the sanitizer's own library is not called in its place. */
__attribute__((visibility("hidden"))) void __sanitizer_cov_trace_pc(void)
{
    uintptr_t here = (uintptr_t)__builtin_return_address(0) - (uintptr_t)&passed;
    passed[(here ^ (here >> 16)) % EDGES] = 1;
}

/* Returns how many edges were passed since the last call that never were before. */
VISIBLE size_t count_new_edges(void)
{
    size_t count = 0;
    for (size_t edge = 0; edge < EDGES; edge++) {
        if (passed[edge] && !known[edge]) {
            known[edge] = 1;
            count++;
        }
    }
    memset(passed, 0, sizeof passed);
    return count;
}
