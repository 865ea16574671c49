# Events that must happen in the drill shrinking-pool, in this order. Blank lines separate chapters; within one the order is free.
# Lines after "?" depend on the load of the machine, and may be missing.

# The full database is found first, with what fills it.
first alert: database.main
incident 1 opens
a page opens for incident 1
ana is paged

ana acknowledges incident 1

# The pool is an incident of its own, or part of the first one; reconnects, failing names and idle replicas join it or not.
? incident *
? a page opens for incident *
? ana acknowledges incident *
