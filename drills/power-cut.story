# Events that must happen in the drill power-cut, in this order. Blank lines separate chapters; within one the order is free.
? *
