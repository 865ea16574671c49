# Events that must happen in the drill power-cut, in this order. Blank lines separate chapters; within one the order is free.
# Lines after "?" depend on the load of the machine, and may be missing.

# Before the cut: the backup is too old, which wakes no one.
first alert: database.main
incident 1 opens
incident 1 has the cause: database.main

# The loss of the primary has the same cause, and now there is a page. Whether it is the same incident depends on whether the
# new backup is a minute old when mainstay is back: then the first one is over.
ana is paged
? a page opens for incident *
? ana acknowledges incident *

# The update after a minute, the wrong connection, the slow crash and the maintenance.
? incident *
