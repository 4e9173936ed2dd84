//! Arguments that are laid out when their command is called.

use std::ops::Deref;

use clap::builder::{Resettable, StyledStr};
use clap::{ArgMatches, Args, Command, Error, FromArgMatches, Subcommand};

/// The arguments or the subcommands of one command, which the others need not pay for: most of what a call of the
/// command line costs would be the layout of what it does not use.
#[derive(Debug, Clone, Copy)]
pub struct Later<T>(pub T);

impl<T> Deref for Later<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: FromArgMatches> FromArgMatches for Later<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches(matches).map(Self)
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches_mut(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }

    fn update_from_arg_matches_mut(&mut self, matches: &mut ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches_mut(matches)
    }
}

/// Lays arguments out and leaves what the command says of itself as it is: the words of the struct are for whoever reads
/// the source.
fn with_arguments<T: Args>(command: Command) -> Command {
    let (about, long) = words_of(&command);
    T::augment_args(command).about(about).long_about(long)
}

fn with_subcommands<T: Subcommand>(command: Command) -> Command {
    let (about, long) = words_of(&command);
    T::augment_subcommands(command)
        .about(about)
        .long_about(long)
}

fn words_of(command: &Command) -> (Resettable<StyledStr>, Resettable<StyledStr>) {
    let about = command.get_about().cloned();
    (about.into(), command.get_long_about().cloned().into())
}

impl<T: Args> Args for Later<T> {
    fn augment_args(command: Command) -> Command {
        command.defer(with_arguments::<T>)
    }

    fn augment_args_for_update(command: Command) -> Command {
        command.defer(T::augment_args_for_update)
    }
}

impl<T: Subcommand> Subcommand for Later<T> {
    fn augment_subcommands(command: Command) -> Command {
        command.defer(with_subcommands::<T>)
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        command.defer(T::augment_subcommands_for_update)
    }

    fn has_subcommand(name: &str) -> bool {
        T::has_subcommand(name)
    }
}
