"""Tells people when they are needed, and when they are not any more: what, of whom, and never the same all day long.

`conditions` says what is so now, `telling` decides purely what of it is told, `wording` finds the words, `channels` and
`dead_man` carry them out of the house, and `alerting` is the station that puts these together.
"""
