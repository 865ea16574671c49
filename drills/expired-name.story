# Events that must happen in the drill expired-name, in this order. Blank lines separate chapters; within one the order is free.

# The first alert comes from registry or parent zone, not from an error of a client.
first alert: acme.app

# One incident with the right cause and one page, decided in one batch.
incident 1 opens
incident 1 has the cause: domain.acme.app
a page opens for incident 1

# The page is delivered ...
ana is paged

# ... and acknowledged.
ana acknowledges incident 1

# After one minute of outage an update is published.
incident 1: update published

# The domain is renewed; cached answers still lead to the parking page.
incident 1 recovers

# Every name was probed and is healthy. The other domain was not affected.
incident 1 is resolved
incident 1 affected: service.auth, service.cloud, service.management, service.tenants
incident 1 did not affect: service.well
incident 1: resolved update published
