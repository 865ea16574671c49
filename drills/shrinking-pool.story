# Events that must happen in the drill shrinking-pool, in this order. Blank lines separate chapters; within one the order is free.
# Lines after "?" depend on the load of the machine.

# The full database is found first, with what fills it.
first alert: database.main

# One incident about it, one page.
incident 1 opens
a page opens for incident 1
ana is paged
incident 1 has the cause: database.main

# She acknowledges; meanwhile the pool has fallen.
ana acknowledges incident 1
incident 2 opens
incident 2 has the cause: pool.api
