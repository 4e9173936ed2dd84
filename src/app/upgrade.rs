//! Whether this program can take over from the instance that runs, found out before it does.

use crate::app::engine;
use crate::app::instance::InstanceError;
use crate::app::place::StateFolder;
use crate::runtime::{self, Folders};

/// Reads configuration and state as an instance would; changes nothing.
///
/// # Errors
/// What an instance of this build would end with.
pub fn check(place: &StateFolder) -> Result<(), InstanceError> {
    let (_, catalogue, _) = engine::configuration(place)?;
    runtime::understands(&Folders::of(place.path()), catalogue).map_err(InstanceError::Runtime)
}
