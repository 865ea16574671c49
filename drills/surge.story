# Events that must happen in the drill surge, in this order. Blank lines separate chapters; within one the order is free.

# The edge detects it before any probe.
first alert: service.auth

# One incident, attributed to the flood while it lasts; one page, decided in one batch.
incident 1 opens
incident 1 is attributed to a surge on service.auth
a page opens for incident 1

# The page is delivered ...
ana is paged

# ... and acknowledged.
ana acknowledges incident 1

# The flood has ended. Sign-in still fails, or fails again after half a minute in which the edge kept the calls below the limit: the
# same incident with its true cause, no further page. After one minute of outage an update is published. It recovers once the client
# is named in a header, and in that half minute too.
incident 1 is attributed to service.api rejecting its own caller auth-web
incident 1 has the cause: service.api
incident 1: update published
incident 1 recovers

incident 1 is resolved
incident 1 affected: service.api, service.auth
incident 1 did not affect: service.shop
incident 1: resolved update published
