//! The screens. Each draws itself from a scene and a little state; none knows another.

pub(crate) mod logs;
pub(crate) mod processes;
