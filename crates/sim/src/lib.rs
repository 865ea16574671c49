//! A world in a box: virtual time, journals that fail, phones nobody answers.
