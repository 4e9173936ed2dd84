//! Faults as a person meets them: the built program, its instance, and what goes wrong around them.

mod churn;
mod configuration;
mod disk;
mod employee;
#[path = "../support/instance.rs"]
mod instance;
mod output;
mod scarce;
#[path = "../terminal_support/mod.rs"]
mod terminal_support;
mod why;

use std::process::Output;

/// What a command printed as its errors.
fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
