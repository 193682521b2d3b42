#include "look.h"

#include <stdlib.h>
#include <string.h>

/* So many rows are looked at by all screens, one after the other, while their bytes are in the processor's cache. */
#define ROWS_AT_ONCE 128

static size_t count_ragged(const Form *form, uint32_t width)
{
    size_t count = 0, separator = 0;
    for (size_t row = 0; row < form->row_count; row++) {
        count += count_fields(form, row, &separator) != width;
    }
    return count;
}

static bool reserve_places(const Plan *plan, Found *found)
{
    found->is_stopped = calloc(found->form.row_count + 1, sizeof *found->is_stopped);
    found->has_stopped = calloc(plan->screen_count + 1, sizeof *found->has_stopped);
    found->names = plan->names ? calloc(1, sizeof *found->names) : NULL;
    return found->is_stopped && found->has_stopped && (found->names || !plan->names);
}

static void ask_screens(const Plan *plan, Found *found)
{
    const Form *form = &found->form;
    for (size_t first = 0; first < form->row_count; first += ROWS_AT_ONCE) {
        size_t left = form->row_count - first, last = first + (left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE);
        for (uint32_t number = 0; number < plan->screen_count; number++) {
            const Screen *screen = &plan->screens[number];
            found->has_stopped[number] |= screen->stop(screen, form, first, last, found->is_stopped);
        }
    }
}

static void find_earliest(const Screen *time, Found *found)
{
    int64_t earliest = INT64_MAX;
    for (size_t row = 0; row < found->form.row_count; row++) {
        int64_t value;
        if (read_whole(get_cell(time, &found->form, row, time->position), &value)) {
            found->has_earliest = true;
            earliest = value < earliest ? value : earliest;
        }
    }
    found->earliest = earliest;
}

void look(const Plan *plan, const Piece *piece, Found *found)
{
    *found = (Found){0};
    Form *form = &found->form;
    read_form(piece, &plan->shape, form);
    if (form->fault != SOUND) {
        return;
    }
    if (!form->is_regular) {
        found->ragged_count = count_ragged(form, plan->shape.width);
        return;
    }
    if (!reserve_places(plan, found)) {
        form->fault = NO_MEMORY;
        return;
    }
    /* Names first: where they are only counted, they stop no row. */
    if (plan->names) {
        found->has_stopped[plan->screen_count] = stop_names(found->names, plan->names, form, found->is_stopped);
        if (!plan->stops_names) {
            memset(found->is_stopped, 0, form->row_count);
        }
    }
    ask_screens(plan, found);
    if (plan->time) {
        find_earliest(plan->time, found);
    }
    for (size_t row = 0; row < form->row_count; row++) {
        found->stopped_count += found->is_stopped[row];
    }
}

void forget(Found *found)
{
    free_form(&found->form);
    free(found->is_stopped);
    free(found->has_stopped);
    free(found->names);
}
