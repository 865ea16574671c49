//! Signed links, session cookies and machine tokens.
