//! One module per kind of answer: free functions from an answer, and what is known from before, to a verdict.
//!
//! | module | judges |
//! |---|---|
//! | `response` | answers to `http`, `tcp` and `tls` probes |
//! | `baseline` | the learned status code where none is declared |
//! | `addresses` | addresses behind one name of which some fail |
//! | `certificate` | served certificate chains |
//! | `delegation` | delegation, name servers and their agreement |
//! | `registration` | registrations: dates, status codes, name servers |
//! | `database` | rounds of databases |
//! | `pool` | looks at pools behind other load balancers |
//! | `restarts` | hosts, databases and members of pools that restart again and again |
//! | `ups` | states of uninterruptible power supplies |
//! | `intermittent` | the share of bad answers |

pub(crate) mod addresses;
pub(crate) mod baseline;
pub(crate) mod certificate;
pub(crate) mod database;
pub(crate) mod delegation;
pub(crate) mod intermittent;
pub(crate) mod pool;
pub(crate) mod registration;
pub(crate) mod response;
pub(crate) mod restarts;
pub(crate) mod ups;
