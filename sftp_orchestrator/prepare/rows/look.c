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

static bool ask_screen(const Plan *plan, const Screen *screen, Found *found, size_t first, size_t last)
{
    if (plan->time && screen->stop == stop_time && screen->position == plan->time->position) {
        return stop_time_noting(screen, &found->form, first, last, found->is_stopped, &found->earliest);
    }
    return screen->stop(screen, &found->form, first, last, found->is_stopped);
}

static void ask_screens(const Plan *plan, Found *found)
{
    size_t count = found->form.row_count;
    for (size_t first = 0; first < count; first += ROWS_AT_ONCE) {
        size_t last = count - first < ROWS_AT_ONCE ? count : first + ROWS_AT_ONCE;
        for (uint32_t number = 0; number < plan->screen_count; number++) {
            found->has_stopped[number] |= ask_screen(plan, &plan->screens[number], found, first, last);
        }
    }
}

/* Whether a screen notes the times. */
static bool is_time_screened(const Plan *plan)
{
    for (uint32_t number = 0; number < plan->screen_count; number++) {
        if (plan->screens[number].stop == stop_time && plan->screens[number].position == plan->time->position) {
            return true;
        }
    }
    return false;
}

static void find_earliest(const Screen *time, Found *found)
{
    for (size_t row = 0; row < found->form.row_count; row++) {
        note_time(&found->earliest, get_cell(time, &found->form, row, time->position));
    }
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
    if (plan->time && !is_time_screened(plan)) {
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
