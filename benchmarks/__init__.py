"""Measurements of confide, and of its peers on the same work in the same run."""
