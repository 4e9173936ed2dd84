//! Carries effects out and reports what happened: the hub, its handle, one actor a process.

pub mod clean;
pub mod handle;
pub mod logs;
