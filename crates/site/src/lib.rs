//! The public board, the team's console and the HTTP API.
