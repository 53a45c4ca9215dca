"""Memory: what runs taught, kept in ledgers that are the truth and in an index that is derived."""
