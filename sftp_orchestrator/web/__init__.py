"""Status page, JSON, metrics, health: the same query as ``status``, over HTTP."""
