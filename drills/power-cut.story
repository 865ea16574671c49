# Events that must happen in the drill power-cut, in this order. Blank lines separate chapters; within one the order is free.
# Lines after "?" depend on the load of the machine, and may be missing.

# Before the cut: the backup is too old, which wakes no one.
first alert: database.main
incident 1 opens
incident 1 has the cause: database.main

# The loss of the primary has the same cause, and now there is a page.
a page opens for incident 1
ana is paged

ana acknowledges incident 1

# The service has failed for a minute.
incident 1: update published

# The wrong connection, the slow crash and the maintenance are parts of it, or incidents of their own.
? incident *
? a page opens for incident *
? ana acknowledges incident *
