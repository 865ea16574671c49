//! The program as people meet it: its command line, its files, its ends.

mod check;
mod docs;
mod hostile;
mod house;
mod life;
