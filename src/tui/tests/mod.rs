//! Tests of whole views: pictures, keys, logs, sizes, over companies with fixed names and times.

mod diff;
mod fits;
pub(crate) mod fixture;
mod keys;
mod logs;
mod pictures;
mod queue;
mod says;
mod screens;
mod sizes;
mod teams;
mod why;
