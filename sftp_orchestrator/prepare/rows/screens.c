#include "screens.h"

#include "words.h"

/* White space as Unicode knows it, and what Python strips besides; returns how many bytes the one at `p` has, or 0. */
static size_t measure_space(const uint8_t *p)
{
    if (p[0] <= 0x20) {
        return (p[0] >= 0x09 && p[0] <= 0x0D) || p[0] >= 0x1C;
    }
    switch (p[0]) {
    case 0xC2: /* U+0085, U+00A0 */
        return p[1] == 0x85 || p[1] == 0xA0 ? 2 : 0;
    case 0xE1: /* U+1680 */
        return p[1] == 0x9A && p[2] == 0x80 ? 3 : 0;
    case 0xE2: /* U+2000 to U+200A, U+2028, U+2029, U+202F, U+205F */
        return (p[1] == 0x80 && (p[2] <= 0x8A || p[2] == 0xA8 || p[2] == 0xA9 || p[2] == 0xAF))
                       || (p[1] == 0x81 && p[2] == 0x9F)
                   ? 3
                   : 0;
    case 0xE3: /* U+3000 */
        return p[1] == 0x80 && p[2] == 0x80 ? 3 : 0;
    default:
        return 0;
    }
}

static bool begins_with_space(Cell cell)
{
    return cell.size > 0 && measure_space(cell.start) > 0;
}

static bool ends_with_space(Cell cell)
{
    for (uint32_t size = 1; size <= 3 && size <= cell.size; size++) {
        if (measure_space(cell.start + cell.size - size) == size) {
            return true;
        }
    }
    return false;
}

static inline bool is_ascii(Cell cell)
{
    uint64_t all = 0;
    for (uint32_t at = 0; at < cell.size; at += WORD_BYTES) {
        all |= load_word(cell.start + at) & keep_bytes(cell.size - at);
    }
    return !(all & EIGHT(0x80));
}

/* Whether a letter is in it that is one of ASCII when case is ignored: the long s, or the sign of Kelvin. */
static bool has_letter_like_ascii(Cell cell)
{
    for (uint32_t at = 0; at + 1 < cell.size; at++) {
        const uint8_t *p = cell.start + at;
        if ((p[0] == 0xC5 && p[1] == 0xBF) || (p[0] == 0xE2 && p[1] == 0x84 && p[2] == 0xAA)) {
            return true;
        }
    }
    return false;
}

/* Whether the cell is a value of as many bytes, of which the first eight are known to be the same. */
static inline bool has_same_rest(Cell cell, const Value *value, bool ignores_case)
{
    for (uint32_t at = WORD_BYTES; at < cell.size; at += WORD_BYTES) {
        uint64_t next = load_word(cell.start + at) & keep_bytes(cell.size - at);
        if ((ignores_case ? lower_word(next) : next) != load_word(value->text.start + at)) {
            return false;
        }
    }
    return true;
}

static inline bool is_a_value(const Screen *screen, Cell cell, bool ignores_case)
{
    if (cell.size >= 64 || !(screen->value_sizes >> cell.size & 1)) {
        return false;
    }
    uint64_t word = load_word(cell.start) & keep_bytes(cell.size);
    word = ignores_case ? lower_word(word) : word;
    bool is_found = false;
    if (cell.size <= WORD_BYTES) {
        /* All are compared, whether it is found or not: which one it is the processor would guess wrongly. */
        for (uint32_t number = 0; number < screen->value_count; number++) {
            const Value *value = &screen->values[number];
            is_found |= ((cell.size ^ value->text.size) | (word ^ value->word)) == 0;
        }
        return is_found;
    }
    for (uint32_t number = 0; number < screen->value_count && !is_found; number++) {
        const Value *value = &screen->values[number];
        is_found = cell.size == value->text.size && word == value->word && has_same_rest(cell, value, ignores_case);
    }
    return is_found;
}

/* Writes a `Stop` that calls `is_bad` for each cell of the screen's column that holds something. */
#define STOP_CELLS(NAME, IS_BAD)                                                                                       \
    bool NAME(const Screen *screen, const Form *form, size_t first, size_t last, uint8_t *is_stopped)                   \
    {                                                                                                                  \
        bool any = false;                                                                                              \
        for (size_t row = first; row < last; row++) {                                                                  \
            Cell cell = get_cell(screen, form, row, screen->position);                                                 \
            bool is_bad = cell.size > 0 ? IS_BAD(screen, cell) : screen->stops_empty;                                                       \
            is_stopped[row] |= is_bad;                                                                                 \
            any |= is_bad;                                                                                             \
        }                                                                                                              \
        return any;                                                                                                    \
    }

/* Whether a cell is a value when letters like those of ASCII are taken for these: each has three bytes at most. */
static inline bool may_be_a_value(const Screen *screen, Cell cell)
{
    return is_a_value(screen, cell, true)
           || (cell.size <= 3 * screen->longest_value && !is_ascii(cell) && has_letter_like_ascii(cell));
}

static inline bool is_like_reserved(const Screen *screen, Cell cell)
{
    if (measure_space(cell.start) || (cell.start[cell.size - 1] >= 0x80 && ends_with_space(cell))
        || cell.start[cell.size - 1] <= ' ') {
        return true;
    }
    return may_be_a_value(screen, cell);
}

static inline bool is_no_value(const Screen *screen, Cell cell)
{
    return !is_a_value(screen, cell, screen->ignores_case);
}

static inline bool is_foreign(const Screen *screen, Cell cell)
{
    if (cell.size > screen->max_bytes) {
        return true;
    }
    bool is_good = true;
    for (uint32_t at = 0; at < cell.size; at++) {
        is_good &= screen->is_allowed[cell.start[at]];
    }
    return !is_good;
}

static const uint64_t POWERS[WORD_BYTES + 1] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

/* Reads 1 to 19 digits, which 64 bits without a sign hold. */
static inline bool read_unsigned(Cell cell, uint64_t *value)
{
    if (cell.size == 0 || cell.size > 19) {
        return false;
    }
    uint64_t found = 0;
    const uint8_t *p = cell.start;
    uint32_t left = cell.size;
    for (; left >= WORD_BYTES; left -= WORD_BYTES, p += WORD_BYTES) {
        uint64_t word = load_word(p);
        if (!are_digits(word)) {
            return false;
        }
        found = found * POWERS[WORD_BYTES] + read_digits(word);
    }
    if (left) {
        uint64_t word = (load_word(p) << (8 * (WORD_BYTES - left))) | (EIGHT('0') & keep_bytes(WORD_BYTES - left));
        if (!are_digits(word)) {
            return false;
        }
        found = found * POWERS[left] + read_digits(word);
    }
    *value = found;
    return true;
}

bool read_whole(Cell cell, int64_t *value)
{
    uint32_t is_negative = cell.size > 0 && cell.start[0] == '-';
    uint64_t found;
    if (!read_unsigned((Cell){.start = cell.start + is_negative, .size = cell.size - is_negative}, &found)
        || found > (uint64_t)INT64_MAX) {
        return false;
    }
    *value = is_negative ? -(int64_t)found : (int64_t)found;
    return true;
}

static inline bool is_time(const Screen *screen, Cell cell, int64_t *seconds)
{
    uint64_t number;
    if (cell.size > screen->max_bytes || !read_unsigned(cell, &number)) {
        return false;
    }
    *seconds = (int64_t)number;
    return *seconds >= screen->lowest && *seconds <= screen->highest;
}

static inline bool is_no_time(const Screen *screen, Cell cell)
{
    int64_t seconds;
    return !is_time(screen, cell, &seconds);
}

static inline bool is_not_whole(const Screen *screen, Cell cell)
{
    int64_t value;
    uint32_t is_negative = cell.start[0] == '-';
    return cell.size > screen->digits + is_negative || !read_whole(cell, &value) || value < screen->lowest
           || value > screen->highest;
}

/* Marks, in the lowest bit of each byte, those of eight that are a point. */
static inline uint64_t find_points(uint64_t word)
{
    uint64_t other = word ^ EIGHT('.');
    return ~(((other & EIGHT(0x7F)) + EIGHT(0x7F)) | other) >> 7 & EIGHT(0x01);
}

static inline bool is_no_decimal(const Screen *screen, Cell cell)
{
    uint32_t is_negative = cell.start[0] == '-', size = cell.size - is_negative;
    const uint8_t *p = cell.start + is_negative;
    if (size == 0 || size > screen->max_bytes || p[0] == '.' || p[size - 1] == '.') {
        return true;
    }
    uint64_t points = 0;
    bool are_all_digits = true;
    for (uint32_t at = 0; at < size; at += WORD_BYTES) {
        uint64_t kept = keep_bytes(size - at), word = (load_word(p + at) & kept) | (EIGHT('0') & ~kept);
        uint64_t found = find_points(word);
        are_all_digits &= are_digits(word ^ (found * ('.' ^ '0')));
        points += found * EIGHT(0x01) >> (8 * (WORD_BYTES - 1));
    }
    return !are_all_digits || points > 1;
}

static inline bool is_no_phone(const Screen *screen, Cell cell)
{
    (void)screen;
    uint64_t number;
    return cell.start[0] != '+' || cell.size < 8 || cell.size > 16 || cell.start[1] == '0'
           || !read_unsigned((Cell){.start = cell.start + 1, .size = cell.size - 1}, &number);
}

static inline bool is_no_email(const Screen *screen, Cell cell)
{
    (void)screen;
    uint32_t signs = 0, sign_at = 0;
    bool has_point = false;
    for (uint32_t at = 0; at < cell.size; at++) {
        uint8_t byte = cell.start[at];
        if (byte <= ' ' || byte > '~') {
            return true;
        }
        if (byte == '@') {
            signs++;
            sign_at = at;
        } else if (byte == '.') {
            has_point |= signs == 1 && at > sign_at + 1 && at + 1 < cell.size;
        }
    }
    return signs != 1 || sign_at == 0 || !has_point;
}

static inline uint32_t read_pair(const uint8_t *p)
{
    return (uint32_t)(p[0] & 0x0F) * 10 + (p[1] & 0x0F);
}

static uint32_t read_month_name(const uint8_t *p)
{
    static const char NAMES[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (uint32_t month = 0; month < 12; month++) {
        if (memcmp(p, NAMES + (size_t)3 * month, 3) == 0) {
            return month + 1;
        }
    }
    return 0;
}

static inline bool is_no_date(const Screen *screen, Cell cell)
{
    /* By month; for 29 February a calendar is asked. */
    static const uint8_t DAYS[] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (cell.size != screen->max_bytes) {
        return true;
    }
    for (uint32_t at = 0; at < screen->max_bytes; at += WORD_BYTES) {
        /* Where the date has ended, the lowest byte is 0 and the highest 0x7F: made to fit by keeping zeros. */
        uint64_t word = load_word(cell.start + at) & keep_bytes(screen->max_bytes - at);
        if (!are_within(word, load_word(screen->lowest_bytes + at), load_word(screen->highest_bytes + at))) {
            return true;
        }
    }
    uint32_t month = screen->has_month_name ? read_month_name(cell.start + screen->month_at)
                                            : read_pair(cell.start + screen->month_at);
    uint32_t day = read_pair(cell.start + screen->day_at), century = read_pair(cell.start + screen->year_at);
    return month < 1 || month > 12 || day < 1 || day > DAYS[month] || century < 19 || century > 20
           || (screen->has_hour && read_pair(cell.start + screen->hour_at) > 23);
}

STOP_CELLS(stop_reserved, is_like_reserved)
STOP_CELLS(stop_other, is_no_value)
STOP_CELLS(stop_foreign, is_foreign)
STOP_CELLS(stop_time, is_no_time)
STOP_CELLS(stop_whole, is_not_whole)
STOP_CELLS(stop_decimal, is_no_decimal)
STOP_CELLS(stop_phone, is_no_phone)
STOP_CELLS(stop_email, is_no_email)
STOP_CELLS(stop_date, is_no_date)

void note_time(Earliest *earliest, Cell cell)
{
    int64_t seconds;
    if (read_whole(cell, &seconds) && (!earliest->is_known || seconds < earliest->seconds)) {
        *earliest = (Earliest){.is_known = true, .seconds = seconds};
    }
}

bool stop_time_noting(
    const Screen *screen, const Form *form, size_t first, size_t last, uint8_t *is_stopped, Earliest *earliest)
{
    bool any = false;
    int64_t least = INT64_MAX;
    for (size_t row = first; row < last; row++) {
        Cell cell = get_cell(screen, form, row, screen->position);
        int64_t seconds;
        if (is_time(screen, cell, &seconds)) {
            least = seconds < least ? seconds : least;
        } else if (cell.size > 0) {
            is_stopped[row] = true;
            any = true;
            note_time(earliest, cell);
        }
    }
    if (least != INT64_MAX && (!earliest->is_known || least < earliest->seconds)) {
        *earliest = (Earliest){.is_known = true, .seconds = least};
    }
    return any;
}

bool stop_any_long(const Screen *screen, const Form *form, size_t first, size_t last, uint8_t *is_stopped)
{
    size_t from = first * screen->width, until = last * screen->width;
    const uint32_t *separators = form->separators;
    uint32_t longest = from < until ? separators[from] - (uint32_t)get_start(form, first) : 0;
    for (size_t place = from + 1; place < until; place++) {
        uint32_t size = separators[place] - separators[place - 1] - 1;
        longest = size > longest ? size : longest;
    }
    if (longest <= screen->max_bytes) {
        return false;
    }
    bool any = false;
    for (size_t row = first; row < last; row++) {
        for (uint32_t position = 0; position < screen->width; position++) {
            /* Without its quotes it may be short enough. */
            bool is_bad = get_cell(screen, form, row, position).size > screen->max_bytes;
            is_stopped[row] |= is_bad;
            any |= is_bad;
        }
    }
    return any;
}

/* Whether a cell begins with the prefix and goes on with anything but a number within the span. */
static bool has_odd_rest(const Screen *screen, Cell cell)
{
    Cell prefix = screen->values[0].text;
    if (cell.size < prefix.size || memcmp(cell.start, prefix.start, prefix.size) != 0) {
        return false;
    }
    Cell rest = {.start = cell.start + prefix.size, .size = cell.size - prefix.size};
    int64_t number;
    return rest.size > screen->digits || !read_whole(rest, &number) || number < screen->lowest
           || number > screen->highest;
}

bool stop_prefix(const Screen *screen, const Form *form, size_t first, size_t last, uint8_t *is_stopped)
{
    Cell prefix = screen->values[0].text;
    size_t start = get_start(form, first), end = get_start(form, last);
    if (memchr(form->content + start, prefix.start[0], end - start) == NULL) {
        return false;
    }
    bool any = false;
    for (size_t row = first; row < last; row++) {
        bool is_bad = false;
        for (uint32_t number = 0; number < screen->position_count; number++) {
            is_bad |= has_odd_rest(screen, get_cell(screen, form, row, screen->positions[number]));
        }
        is_stopped[row] |= is_bad;
        any |= is_bad;
    }
    return any;
}

bool stop_nobody(const Screen *screen, const Form *form, size_t first, size_t last, uint8_t *is_stopped)
{
    bool any = false;
    for (size_t row = first; row < last; row++) {
        bool is_nobody = true;
        for (uint32_t number = 0; number < screen->position_count; number++) {
            Cell cell = get_cell(screen, form, row, screen->positions[number]);
            is_nobody &= cell.size == 0 || begins_with_space(cell);
        }
        is_stopped[row] |= is_nobody;
        any |= is_nobody;
    }
    return any;
}

bool is_suspicious_name(const Screen *screen, Cell name)
{
    if (name.size == 0 || name.size > screen->max_bytes || begins_with_space(name) || ends_with_space(name)) {
        return true;
    }
    bool is_good = true;
    for (uint32_t at = 0; at < name.size; at++) {
        is_good &= screen->is_allowed[name.start[at]];
    }
    return !is_good || may_be_a_value(screen, name);
}
