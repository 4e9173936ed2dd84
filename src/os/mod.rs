//! What the operating system does for us: the shim, pipes and pseudo-terminals, control groups, usage.

pub mod ancestry;
