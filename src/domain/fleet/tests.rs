//! The fleet by its inputs and effects.
