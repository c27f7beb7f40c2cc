"""One append-only log with signed heads: what was said stays said, and anybody can check it."""
