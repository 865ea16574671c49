//! Turns incidents into pages: rotas, ladders, until a human has answered.
