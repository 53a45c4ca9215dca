"""Search-based repair: no model, only templates, mutations and the checks as judge."""
