//! The screens: pure functions of a snapshot and a little view state.
//!
//! A [`View`] belongs to one terminal. Keys become [`Action`]s, actions become orders, orders change
//! the company, the next snapshot shows it. Nothing here knows the runtime, a socket or a clock.

mod act;
mod action;
mod ascii;
mod bookmark;
mod chrome;
mod control;
mod dialogs;
mod filter;
mod format;
mod keys;
mod look;
mod movement;
mod notice;
mod offer;
mod order;
mod queue;
mod scene;
mod screens;
mod task_order;
mod teams;
#[cfg(test)]
mod tests;
mod text;
mod view;
mod widgets;
mod work;

pub use action::Action;
pub use bookmark::Bookmark;
pub use format::Present;
pub use look::{Capabilities, ColourDepth};
pub use view::View;
