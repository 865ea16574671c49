//! English for the facts in the engine's views. The console shows it, and the API has it as `text` beside each fact:
//! the command line prints what the API says, so that every sentence is written once.
//!
//! | module | contents |
//! |---|---|
//! | [`timeline`] | what happened during an incident |
//! | [`paging`] | what happened to its pages |
//! | [`self_problem`] | problems of mainstay itself |
//! | [`headline`](mod@headline) | the state of all services |
//! | [`resource`] | names of resources |

pub(crate) mod headline;
pub(crate) mod paging;
pub(crate) mod resource;
pub(crate) mod self_problem;
pub(crate) mod timeline;
