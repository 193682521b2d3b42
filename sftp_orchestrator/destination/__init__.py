"""What a receiver demands: CleverTap's limits, names, manifest and order."""
