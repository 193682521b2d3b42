"""Proposes a feed entry: ``evidence`` counts, ``choice`` decides, ``closer`` looks again, ``rendering`` writes."""
