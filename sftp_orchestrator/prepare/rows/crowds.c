/* Whether one identity may get too many values in one column: counted about, in memory that does not grow with the file.
 *
 * Counters are found by a hash, so several identities may share one: it says never too little, and perhaps too much.
 * Where one passes the limit the file is looked at exactly, elsewhere. All pieces of a file share them, so they are the
 * only thing that is changed by several threads at the same time; nothing else hangs on their order.
 */

#include "crowds.h"

#include <stdlib.h>

#include "hash.h"

#define AT_ONCE 64

struct Counters {
    _Atomic uint8_t of[COUNTERS];
};

Counters *make_counters(void)
{
    return calloc(1, sizeof(Counters));
}

void free_counters(Counters *counters)
{
    free(counters);
}

static Cell find_who(const Screen *screen, const Form *form, size_t row)
{
    Cell who = {0};
    for (uint32_t number = 0; number < screen->position_count && who.size == 0; number++) {
        who = get_cell(screen, form, row, screen->positions[number]);
    }
    return who;
}

static inline bool adds(const Screen *screen, Cell operation)
{
    uint64_t word = load_word(operation.start) & keep_bytes(operation.size);
    for (uint32_t number = 0; number < screen->value_count; number++) {
        if (word == screen->values[number].word && operation.size == screen->values[number].text.size) {
            return true;
        }
    }
    return false;
}

/* Returns the counter of each row that adds a value, from `*row` on, until there are enough of them. Memory is told of
 * each beforehand: it is far from the one before, and to wait for it takes longer than all else. */
static size_t find_counters(const Screen *screen, const Form *form, size_t *row, size_t last, _Atomic uint8_t **found)
{
    size_t count = 0;
    for (; *row < last && count < AT_ONCE; ++*row) {
        if (get_cell(screen, form, *row, screen->position).size == 0
            || !adds(screen, get_cell(screen, form, *row, screen->operation))) {
            continue;
        }
        Cell who = find_who(screen, form, *row);
        if (who.size > 0) {
            uint64_t place = ((hash_text(who) ^ screen->position) * HASH_FACTOR) >> (64 - COUNTER_BITS);
            found[count] = &screen->counters->of[place];
            __builtin_prefetch((const void *)found[count++], 1);
        }
    }
    return count;
}

/* Counts one more; returns whether the limit is passed. Beyond it nothing is counted, so that no counter begins anew:
 * threads that do so at the same time are far fewer than what is left up to 255. */
static bool count_value(_Atomic uint8_t *counter, uint32_t most)
{
    return atomic_load_explicit(counter, memory_order_relaxed) > most
           || atomic_fetch_add_explicit(counter, 1, memory_order_relaxed) + 1U > most;
}

bool stop_crowd(const Screen *screen, const Form *form, size_t first, size_t last, uint8_t *is_stopped)
{
    (void)is_stopped;
    _Atomic uint8_t *found[AT_ONCE];
    bool any = false;
    for (size_t row = first; row < last;) {
        size_t count = find_counters(screen, form, &row, last, found);
        for (size_t number = 0; number < count; number++) {
            any |= count_value(found[number], screen->most);
        }
    }
    return any;
}
