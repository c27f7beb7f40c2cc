"""Tools for operators of attested machines: build images, keep a registry, fetch collateral.

Parties that only verify do not need them. `confide` finds the commands by their entry points.
"""
