#include "walk_body.h"

bool walk(const Piece *piece, uint8_t delimiter, Form *form, Walked *walked)
{
    return walk_blocks(piece, delimiter, form, walked);
}
