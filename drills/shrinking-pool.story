# Events that must happen in the drill shrinking-pool, in this order. Blank lines separate chapters; within one the order is free.
first alert: database.main
