//! From the instance's options to a running company.

use std::collections::HashMap;
use std::time::Duration;

use bytesize::ByteSize;

use crate::app::instance::{InstanceError, InstanceOptions};
use crate::app::place::StateFolder;
use crate::config;
use crate::domain::role::Catalogue;
use crate::runtime::handle::Handle;
use crate::runtime::{self, Folders, Rotation, Running, RuntimeOptions};

/// How long runs go on while no instance is there.
const ADOPT_WITHIN: Duration = Duration::from_secs(10 * 60);
/// Sets another time, for example `30s`.
const ADOPT_WITHIN_VARIABLE: &str = "HEADCOUNT_ADOPT_WITHIN";
/// Sets how large a file of a log becomes, for example `16MiB`.
const LOG_SIZE_VARIABLE: &str = "HEADCOUNT_LOG_SIZE";
/// A smaller file would be rotated with every few lines.
const SMALLEST_LOG: u64 = 4096;
/// Sets how many files of a log are kept besides the one that grows.
const LOG_FILES_VARIABLE: &str = "HEADCOUNT_LOG_FILES";

/// Reads the configuration and starts the hub. `open_files` is the limit that agents get back.
pub(super) fn start(
    options: &InstanceOptions,
    open_files: Option<u64>,
    hand_over: bool,
) -> Result<(Handle, Running), InstanceError> {
    let place = &options.place;
    let (source, catalogue, environment) = configuration(place)?;
    let exe = std::env::current_exe().map_err(InstanceError::Setup)?;
    runtime::start(RuntimeOptions {
        folders: Folders::of(place.path()),
        source,
        catalogue,
        demo: options.demo,
        adopt_within: adopt_within(&environment)?,
        rotation: rotation(&environment)?,
        environment,
        exe,
        open_files,
        hand_over,
    })
    .map_err(InstanceError::Runtime)
}

/// Reads the configuration, and the environment that it may refer to.
pub(super) fn configuration(
    place: &StateFolder,
) -> Result<(config::Source, Catalogue, HashMap<String, String>), InstanceError> {
    let environment: HashMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let parent = |name: &str| environment.get(name).cloned();
    let source = config::find(place.workspace(), Some(place.workspace()))
        .map_err(InstanceError::Workspace)?;
    let loaded = config::load(&source, &parent)
        .map_err(|mistakes| InstanceError::Configuration(mistakes.plain()))?;
    Ok((source, loaded.catalogue, environment))
}

fn adopt_within(environment: &HashMap<String, String>) -> Result<Duration, InstanceError> {
    let Some(text) = environment.get(ADOPT_WITHIN_VARIABLE) else {
        return Ok(ADOPT_WITHIN);
    };
    text.parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|wait| Duration::try_from(wait).ok())
        .filter(|wait| !wait.is_zero())
        .ok_or_else(|| {
            InstanceError::Variable(format!(
                "{ADOPT_WITHIN_VARIABLE} is `{text}`; write a time such as 10m or 30s"
            ))
        })
}

fn rotation(environment: &HashMap<String, String>) -> Result<Rotation, InstanceError> {
    let mut rotation = Rotation::default();
    if let Some(text) = environment.get(LOG_SIZE_VARIABLE) {
        let size = text.parse::<ByteSize>().ok().map(|size| size.as_u64());
        rotation.size = size.filter(|size| *size >= SMALLEST_LOG).ok_or_else(|| {
            InstanceError::Variable(format!(
                "{LOG_SIZE_VARIABLE} is `{text}`; write a size of at least 4KiB, such as 64MiB"
            ))
        })?;
    }
    if let Some(text) = environment.get(LOG_FILES_VARIABLE) {
        rotation.kept = text.parse().map_err(|_| {
            InstanceError::Variable(format!(
                "{LOG_FILES_VARIABLE} is `{text}`; write a number such as 10"
            ))
        })?;
    }
    Ok(rotation)
}
