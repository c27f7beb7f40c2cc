"""What operators of attested machines do: build images, keep a registry, fetch collateral.

Parties that only verify need none of it. `confide` finds the commands by their entry points.
"""
