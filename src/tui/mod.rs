//! The screens: pure functions of a snapshot and a little view state.
