//! What a client's terminal can show, from what its environment says; the terminal is not asked.

use crate::terminal::wire::Environment;
use crate::tui::{Capabilities, ColourDepth};

/// Reads the environment.
pub(crate) fn capabilities(environment: &Environment) -> Capabilities {
    Capabilities {
        colour: colour(environment),
        // The console's fonts have few signs beside letters.
        unicode: environment.unicode && environment.term != "linux",
        dark: !is_light(&environment.colour_pair),
        home: (!environment.home.as_os_str().is_empty()).then(|| environment.home.clone()),
        working_directory: environment.working_directory.clone(),
        editor: true,
    }
}

fn colour(environment: &Environment) -> ColourDepth {
    let term = environment.term.as_str();
    let one_of = |names: &[&str]| names.iter().any(|name| term.contains(name));
    if environment.no_colour || term.starts_with("vt") || term.ends_with("-mono") {
        ColourDepth::None
    } else if matches!(environment.colour_term.as_str(), "truecolor" | "24bit")
        || one_of(&[
            "-direct",
            "kitty",
            "alacritty",
            "foot",
            "wezterm",
            "ghostty",
        ])
    {
        ColourDepth::True
    } else if one_of(&["256"]) {
        ColourDepth::TwoFiftySix
    } else {
        ColourDepth::Sixteen
    }
}

/// `COLORFGBG` is `foreground;background` or has a third part between; 7 and the upper eight but for
/// dark grey are light.
fn is_light(pair: &str) -> bool {
    pair.rsplit(';')
        .next()
        .and_then(|background| background.parse::<u8>().ok())
        .is_some_and(|background| background == 7 || (9..=15).contains(&background))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_tells_the_colours() {
        for (term, colour_term, no_colour, depth) in [
            ("xterm-256color", "truecolor", false, ColourDepth::True),
            ("xterm-256color", "", false, ColourDepth::TwoFiftySix),
            ("xterm", "", false, ColourDepth::Sixteen),
            ("linux", "", false, ColourDepth::Sixteen),
            ("xterm-kitty", "", false, ColourDepth::True),
            ("vt100", "", false, ColourDepth::None),
            ("xterm-256color", "truecolor", true, ColourDepth::None),
        ] {
            let environment = Environment {
                term: term.to_owned(),
                colour_term: colour_term.to_owned(),
                no_colour,
                ..Environment::default()
            };
            assert_eq!(colour(&environment), depth, "{term} {colour_term}");
        }
    }

    #[test]
    fn the_background_is_dark_unless_the_terminal_says_otherwise() {
        for (pair, light) in [
            ("15;0", false),
            ("0;15", true),
            ("0;default;7", true),
            ("", false),
        ] {
            assert_eq!(is_light(pair), light, "{pair}");
        }
    }
}
