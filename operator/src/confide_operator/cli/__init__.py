"""The operators' commands under `confide tee`."""
