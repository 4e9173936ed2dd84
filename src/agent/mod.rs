//! Drivers: how an agent is launched, told, and understood.
