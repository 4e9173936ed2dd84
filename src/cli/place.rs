//! Which workspace, which state folder, which socket; and the instance, started if none runs.

use std::io::{self, Write as _};
use std::path::Path;

use crate::app;
use crate::app::instance::InstanceOptions;
use crate::app::place::StateFolder;
use crate::app::screen::{self, ScreenError, ScreenOptions};
use crate::app::start::{self, Found, StartError};
use crate::cli::args::PlaceArgs;
use crate::cli::client::Client;
use crate::config::{self, FindError, Origin, Source};
use crate::os::folder_lock;

/// Why there is no workspace or no instance.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlaceError {
    /// The folder the command runs in cannot be told.
    #[error("cannot tell the current folder")]
    Here(#[source] std::io::Error),
    /// No workspace.
    #[error(transparent)]
    Find(#[from] FindError),
    /// No state folder.
    #[error(transparent)]
    State(#[from] app::place::PlaceError),
    /// No instance.
    #[error(transparent)]
    Start(#[from] StartError),
    /// No screen.
    #[error(transparent)]
    Screen(#[from] ScreenError),
}

impl PlaceError {
    /// Whether the instance said no: to an employee, mostly.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Screen(error) if error.is_refusal())
    }

    /// What to do about it.
    pub(super) fn remedy(&self) -> Option<String> {
        match self {
            Self::Here(_) => Some("change to a folder that exists".to_owned()),
            Self::Find(_) => None,
            Self::State(error) => error.remedy().map(ToOwned::to_owned),
            Self::Start(error) => error.remedy(),
            Self::Screen(error) => error.remedy(),
        }
    }
}

/// Where one company is.
#[derive(Debug)]
pub(super) struct Place {
    source: Source,
    base: StateFolder,
    state: StateFolder,
    demo: bool,
}

impl Place {
    /// The state folder that an instance holds: the workspace's own, or that of its demonstration.
    pub(super) fn folder_of(&self, instance: u32) -> Option<std::path::PathBuf> {
        [&self.state, &self.base, &self.base.demo()]
            .into_iter()
            .map(|state| state.path())
            .find(|path| folder_lock::holder(path) == Some(instance))
            .map(std::path::Path::to_owned)
    }

    /// The state folder that an instance holds, as a place.
    pub(super) fn holder_of(&self, instance: u32) -> Option<StateFolder> {
        [self.state.clone(), self.base.clone(), self.base.demo()]
            .into_iter()
            .find(|state| folder_lock::holder(state.path()) == Some(instance))
    }

    /// Finds it from the arguments and the current folder.
    pub(super) fn find(args: &PlaceArgs) -> Result<Self, PlaceError> {
        let args = args.or_else(|name| std::env::var_os(name));
        let here = std::env::current_dir().map_err(PlaceError::Here)?;
        let source = config::find(&here, args.workspace.as_deref())?;
        if source.origin() != Origin::Workspace {
            // The user's default workspace is nobody else's to make; if it cannot be made, that it
            // is not there is the error that a person understands.
            drop(std::fs::create_dir_all(source.workspace()));
        }
        let base = StateFolder::locate(source.workspace(), args.state.as_deref())?;
        let state = if args.demo { base.demo() } else { base.clone() };
        Ok(Self {
            source,
            base,
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
        self.state.path()
    }

    /// What `--state` names, or the user's own folder for state.
    pub(super) fn base(&self) -> &Path {
        self.base.base()
    }

    /// Whether the simulated agent was asked for.
    pub(super) const fn demo(&self) -> bool {
        self.demo
    }

    /// The client of the instance, whether it runs or not: the workspace's own, or that of its
    /// demonstration where that was asked for or is the only one that runs.
    pub(super) async fn client(&self) -> Client {
        let own = self.own_client();
        if self.demo || own.is_reached().await {
            return own;
        }
        let demo = Client::new(&self.base.demo().api_socket(), self.workspace());
        if demo.is_reached().await { demo } else { own }
    }

    /// Whether an instance that runs knows that it is to stay without a terminal.
    pub(super) fn is_kept(&self) -> bool {
        self.state.keep_mark().exists()
    }

    /// The client of the instance that [`Place::start`] starts.
    pub(super) fn own_client(&self) -> Client {
        Client::new(&self.state.api_socket(), self.workspace())
    }

    /// Opens the screen; with `foreground`, the instance runs in this very process.
    pub(super) fn screen(&self, foreground: bool) -> Result<(), PlaceError> {
        let options = ScreenOptions {
            place: self.base.clone(),
            demo: self.demo,
        };
        let left = if foreground {
            screen::open_in_foreground(options)?
        } else {
            screen::open(options)?
        };
        if let Some(sentence) = left.sentence() {
            // A terminal that is gone need not be told.
            drop(writeln!(io::stderr(), "{sentence}"));
        }
        Ok(())
    }

    /// Starts an instance if none runs; returns when it answers. It stays until it is told to end.
    pub(super) async fn start(&self) -> Result<Found, PlaceError> {
        let options = InstanceOptions {
            place: self.state.clone(),
            demo: self.demo,
            keep: true,
        };
        let found = tokio::task::spawn_blocking(move || start::ensure_running(&options))
            .await
            .map_err(|error| PlaceError::Here(io::Error::other(error)))??;
        Ok(found)
    }
}
