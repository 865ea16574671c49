//! Turns the text of mainstay.toml into a Plan, or tells every Problem with its span.
