//! The screens. Each draws itself from a scene and a little state; none knows another.

pub(crate) mod details;
pub(crate) mod diff;
pub(crate) mod inbox;
pub(crate) mod logs;
pub(crate) mod processes;
pub(crate) mod roles;
pub(crate) mod task;
pub(crate) mod tasks;
