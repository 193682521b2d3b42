/* Where records end, and nothing else: line breaks outside of quotes. */

#include "blocks.h"
#include "rows.h"

#include <string.h>

typedef struct {
    uint64_t inside;
    uint64_t ends;
} Ends;

static inline Ends walk_ends(const uint8_t *content, size_t size, size_t at, uint64_t inside)
{
    uint8_t last[BLOCK] = {0};
    const uint8_t *start = content + at;
    if (size - at < BLOCK) {
        memcpy(last, start, size - at);
        start = last;
    }
    Bytes bytes = load(start);
    uint64_t within = prefix_xor(match(&bytes, '"')) ^ inside;
    return (Ends){.inside = (uint64_t)((int64_t)within >> (BLOCK - 1)), .ends = match(&bytes, '\n') & ~within};
}

static size_t count_quotes(const uint8_t *content, size_t size)
{
    size_t count = 0, at = 0;
    /* In small numbers, of which the compiler makes sixteen sums at once. */
    for (; at + 2 * BLOCK <= size; at += 2 * BLOCK) {
        uint8_t some = 0;
        for (size_t byte = 0; byte < (size_t)2 * BLOCK; byte++) {
            some = (uint8_t)(some + (content[at + byte] == '"'));
        }
        count += some;
    }
    for (; at < size; at++) {
        count += content[at] == '"';
    }
    return count;
}

static size_t find_last_break(const uint8_t *content, size_t size)
{
    while (size > 0 && content[size - 1] != '\n') {
        size--;
    }
    return size;
}

size_t find_cut(const uint8_t *content, size_t size, bool *is_inside)
{
    bool was_inside = *is_inside;
    *is_inside ^= count_quotes(content, size) & 1;
    size_t cut = find_last_break(content, size);
    if (cut == 0 || *is_inside == (count_quotes(content + cut, size - cut) & 1)) {
        return cut;
    }
    /* The last line break is within quotes: the one before it that is not is looked for. */
    uint64_t inside = was_inside ? UINT64_MAX : 0;
    cut = 0;
    for (size_t at = 0; at < size; at += BLOCK) {
        Ends found = walk_ends(content, size, at, inside);
        inside = found.inside;
        if (found.ends) {
            cut = at + last_bit(found.ends) + 1;
        }
    }
    return cut;
}

size_t find_record_ends(const uint8_t *content, size_t size, int64_t offset, int64_t *ends, size_t capacity)
{
    uint64_t inside = 0;
    size_t count = 0;
    for (size_t at = 0; at < size; at += BLOCK) {
        Ends found = walk_ends(content, size, at, inside);
        inside = found.inside;
        for (uint64_t left = found.ends; left; left &= left - 1, count++) {
            if (count < capacity) {
                ends[count] = offset + (int64_t)(at + first_bit(left) + 1);
            }
        }
    }
    return count;
}
