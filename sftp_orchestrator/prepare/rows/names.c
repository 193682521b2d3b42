#include "names.h"

#include "hash.h"

static inline bool is_same(const Name *known, Cell name, uint64_t hash)
{
    if (known->hash != hash || known->name.size != name.size) {
        return false;
    }
    uint64_t differing = 0;
    for (uint32_t at = 0; at < name.size; at += WORD_BYTES) {
        differing |= (load_word(known->name.start + at) ^ load_word(name.start + at)) & keep_bytes(name.size - at);
    }
    return differing == 0;
}

/* Judges a name; one that there is no place left for is judged each time that it is seen, and so is one that is too long
 * to be remembered. */
static bool judge(Names *names, const Screen *screen, Cell name)
{
    if (name.size > screen->max_bytes) {
        return is_suspicious_name(screen, name);
    }
    uint64_t hash = hash_text(name);
    size_t slot = hash >> 32 & (NAME_SLOTS - 1);
    for (; names->slots[slot]; slot = (slot + 1) & (NAME_SLOTS - 1)) {
        const Name *known = &names->names[names->slots[slot] - 1];
        if (is_same(known, name, hash)) {
            return known->is_suspicious;
        }
    }
    bool is_suspicious = is_suspicious_name(screen, name);
    if (names->count < MAX_NAMES) {
        names->names[names->count++] = (Name){.name = name, .hash = hash, .is_suspicious = is_suspicious};
        names->slots[slot] = (uint16_t)names->count;
    }
    return is_suspicious;
}

bool stop_names(Names *names, const Screen *screen, const Form *form, uint8_t *is_stopped)
{
    bool any = false;
    for (size_t row = 0; row < form->row_count; row++) {
        bool is_suspicious = judge(names, screen, get_cell(screen, form, row, screen->position));
        is_stopped[row] |= is_suspicious;
        any |= is_suspicious;
    }
    return any;
}
