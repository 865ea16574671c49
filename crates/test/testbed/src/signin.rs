//! The two services of the surge: a sign-in front end, rendered on the server, and the API that it asks.
//!
//! Each is well made by itself. The front end's API client limits itself and tries again when it is refused; the API
//! limits each address. But the API sees all clients at the few addresses of the front end, and counts rejected calls
//! too: once a flood has carried the calls over the limit, the client's own repetitions keep them there, and both
//! refuse people at the most ordinary traffic until something is fixed.

pub mod api;
pub mod budget;
pub mod front;
pub mod window;

pub use api::{Api, ApiSettings, Client};
pub use budget::Bounds;
pub use front::{FrontEnd, FrontSettings};

/// The header in which an edge names the client of a request.
pub const CLIENT: &str = "mainstay-client";
/// The header by which a service of one's own says who it is.
pub const CALLER: &str = "mainstay-caller";
