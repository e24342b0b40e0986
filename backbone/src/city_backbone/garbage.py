"""Python's cyclic garbage collector, set for a process that handles batches of events.

What is there at the start lives to the end, and a batch is a few thousand objects that end without
a cycle: by default the collector walks through both again and again, a third of the stream's time.
"""

import gc

# Allocations more than deallocations until a collection of the youngest; ten of them, one of the
# middle. Measured in loadtests/peers: more brings nothing.
_YOUNGEST = 50_000


def settle() -> None:
    """Once, when all is made and nothing has begun: it takes a fifth of a second."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNGEST, 10, 10)
