"""Proposes a feed entry: ``samples`` opens, ``evidence`` counts, ``choice`` decides, ``closer`` looks again."""
