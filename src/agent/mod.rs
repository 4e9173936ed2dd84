//! Drivers: how an agent is launched, told, and understood.

pub mod simulated;
