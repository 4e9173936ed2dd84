//! What must survive a crash: SQLite on one thread.
