/* What RFC 4180 text must look like. */

#include "rows.h"
#include "walk.h"

#include <stdlib.h>

static bool walk_best(const Piece *piece, uint8_t delimiter, Form *form, Walked *walked)
{
#if HAS_WALK_AVX2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2")
        && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("popcnt")) {
        return walk_avx2(piece, delimiter, form, walked);
    }
#endif
    return walk(piece, delimiter, form, walked);
}

/* Whether each row has `width` fields; then the line breaks are found without a list of their own. */
static bool is_regular(const Form *form, uint32_t width)
{
    if (form->separator_count != form->record_count * width) {
        return false;
    }
    /* As many line breaks as rows: where each row ends with one, none is elsewhere. */
    for (size_t place = width - 1; place < form->separator_count; place += width) {
        if (form->content[form->separators[place]] != '\n') {
            return false;
        }
    }
    return true;
}

static bool find_ends(Form *form, uint32_t width)
{
    form->is_regular = is_regular(form, width);
    if (form->is_regular) {
        form->ends = form->separators + width - 1;
        form->stride = width;
        return true;
    }
    form->own_ends = malloc((form->record_count + 1) * sizeof *form->own_ends);
    if (form->own_ends == NULL) {
        return false;
    }
    size_t count = 0;
    for (size_t place = 0; place < form->separator_count; place++) {
        if (form->content[form->separators[place]] == '\n') {
            form->own_ends[count++] = form->separators[place];
        }
    }
    form->ends = form->own_ends;
    form->stride = 1;
    return true;
}

static void blame(Form *form, Fault fault, size_t at)
{
    if (form->fault == SOUND && at != NOWHERE) {
        form->fault = fault;
        form->fault_at = at;
    }
}

static size_t find_last_quote(const Piece *piece)
{
    size_t at = piece->size;
    while (at > 0 && piece->content[at - 1] != '"') {
        at--;
    }
    return at - 1;
}

static void blame_quotes(Form *form, const Piece *piece, const Walked *walked)
{
    /* What follows a closing quote is noted at the byte behind it. */
    size_t followed = walked->first_followed == NOWHERE ? NOWHERE : walked->first_followed - 1;
    if (walked->first_within < followed) {
        blame(form, QUOTE_WITHIN, walked->first_within);
    }
    blame(form, QUOTE_FOLLOWED, followed);
    if (walked->is_inside) {
        blame(form, QUOTE_NEVER_ENDS, find_last_quote(piece));
    }
}

/* Every record ends as the header does. */
static void blame_breaks(Form *form, bool is_crlf)
{
    for (size_t row = 0; row < form->record_count; row++) {
        size_t end = get_end(form, row);
        if ((end > 0 && form->content[end - 1] == '\r') != is_crlf) {
            blame(form, BREAK_OF_OTHER_KIND, end);
            return;
        }
    }
}

/* Measures records, and finds out where blank lines are: nowhere but at the end, which `row_count` leaves out. */
static void measure_records(Form *form, const Piece *piece, const Shape *shape)
{
    size_t break_size = shape->is_crlf ? 2 : 1, start = 0, too_long = NOWHERE, blank = NOWHERE, between = NOWHERE;
    for (size_t row = 0; row < form->record_count; row++) {
        size_t after = get_end(form, row) + 1, size = after - start;
        size_t own = row + 1 == form->record_count ? size - piece->added : size;
        form->longest = own > form->longest ? own : form->longest;
        if (own > shape->max_record_bytes && too_long == NOWHERE) {
            too_long = start;
        }
        if (size == break_size) {
            blank = blank == NOWHERE ? start : blank;
        } else {
            form->row_count = row + 1;
            between = blank;
        }
        start = after;
    }
    blame(form, RECORD_TOO_LONG, too_long);
    blame(form, BLANK_BETWEEN, between);
}

/* Without blank lines at the end, rows may be regular after all. */
static void leave_out_blanks(Form *form, uint32_t width)
{
    if (form->row_count == form->record_count) {
        return;
    }
    size_t last = form->row_count ? get_end(form, form->row_count - 1) : 0, kept = 0;
    while (form->row_count && kept < form->separator_count && form->separators[kept] <= last) {
        kept++;
    }
    form->separator_count = kept;
    size_t separator = 0;
    form->is_regular = true;
    for (size_t row = 0; row < form->row_count && form->is_regular; row++) {
        form->is_regular = count_fields(form, row, &separator) == width;
    }
}

uint32_t count_fields(const Form *form, size_t row, size_t *separator)
{
    size_t first = *separator, end = get_end(form, row);
    while (form->separators[*separator] != end) {
        ++*separator;
    }
    ++*separator;
    return (uint32_t)(*separator - first);
}

void read_form(const Piece *piece, const Shape *shape, Form *form)
{
    *form = (Form){.content = piece->content};
    Walked walked = {
        .first_nul = NOWHERE,
        .first_within = NOWHERE,
        .first_followed = NOWHERE,
        .first_alone = NOWHERE,
    };
    if (!walk_best(piece, shape->delimiter, form, &walked)) {
        blame(form, NO_MEMORY, 0);
        return;
    }
    blame(form, NUL_BYTE, walked.first_nul);
    if (!walked.is_utf8) {
        blame(form, NOT_UTF8, find_not_utf8(piece->content));
    }
    blame_quotes(form, piece, &walked);
    if (form->fault != SOUND) {
        return;
    }
    if (!find_ends(form, shape->width)) {
        blame(form, NO_MEMORY, 0);
        return;
    }
    if (walked.has_returns || shape->is_crlf) {
        blame_breaks(form, shape->is_crlf);
        blame(form, RETURN_ALONE, walked.first_alone == NOWHERE ? NOWHERE : walked.first_alone - 1);
    }
    measure_records(form, piece, shape);
    leave_out_blanks(form, shape->width);
}

void free_form(Form *form)
{
    free(form->separators);
    free(form->own_ends);
}
