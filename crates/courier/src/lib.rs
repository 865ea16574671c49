//! Carries what is owed to people: ntfy, signed webhooks, with retry and failover.
