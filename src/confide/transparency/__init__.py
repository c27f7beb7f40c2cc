"""One append-only log with signed heads: whether an entry was changed can be checked."""
