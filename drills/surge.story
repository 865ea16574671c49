# What must happen in the drill surge, in this order. Blank lines separate chapters; within one the order is free.

# The edge sees it before any probe does.
found: service.auth

# One incident, named after the flood while it lasts; one page, decided in one batch.
incident 1 opens
incident 1 is put down to a surge on service.auth
a page opens for incident 1

# The call goes out ...
ana is asked

# ... and a human answers it.
ana answers for incident 1

# The flood is over and sign-in is still dead: the same incident, its true cause, nobody woken again.
incident 1 is put down to service.api refusing its own caller auth-web
incident 1 has its cause: service.api

# After a minute of outage the status page says it in words.
the status page tells of incident 1

# The visitor is passed on.
incident 1 mends

incident 1 is over
incident 1 affected: service.api, service.auth
incident 1 spared: service.shop
the status page says that incident 1 is over
