//! What must survive a crash: SQLite, written by one thread.
//!
//! Documents of the fleet are stored as they are; the columns beside them are for people who look
//! into the file and for indices. A batch is one transaction, and what waits together is written
//! together: one `fsync` for all.

mod backup;
mod events;
mod schema;
mod thread;

pub use events::{Events, EventsError};
pub use schema::OpenError;
pub use thread::{Store, Written};
