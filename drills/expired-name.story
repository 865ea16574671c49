# What must happen in the drill expired-name, in this order. Blank lines separate chapters; within one the order is free.

# The registry or the parent zone gives it away, not a visitor's error.
found: acme.app

# One incident with the right cause and one page, decided in one batch.
incident 1 opens
incident 1 has its cause: domain.acme.app
a page opens for incident 1

# The call goes out ...
ana is asked

# ... and a human answers it.
ana answers for incident 1

# After a minute of outage the status page says it in words.
the status page tells of incident 1

# The name is renewed; cached answers still lead to the parking page.
incident 1 mends

# Every name was asked and is well. The other domain was never in it.
incident 1 is over
incident 1 affected: service.auth, service.tenants
incident 1 spared: service.well
the status page says that incident 1 is over
