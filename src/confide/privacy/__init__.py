"""Differential privacy: exact noise, accounting, and the ledger of what was spent."""
