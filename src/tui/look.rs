//! What a terminal can show, and the one palette: every style has a meaning, never just a colour.
//!
//! Meaning is always in a shape or a word as well, so that nothing is lost without colours.

use std::path::PathBuf;

use ratatui::style::{Color, Modifier, Style};

/// How many colours a terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum ColourDepth {
    /// None at all: bold, dim and reverse must do.
    None,
    /// The sixteen of the terminal's own theme.
    #[default]
    Sixteen,
    /// The palette of 256.
    TwoFiftySix,
    /// All of them.
    True,
}

/// What one terminal can do, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// How many colours it shows.
    pub colour: ColourDepth,
    /// Whether it shows more than ASCII.
    pub unicode: bool,
    /// Whether its background is dark.
    pub dark: bool,
    /// The user's home folder, shown as `~`.
    pub home: Option<PathBuf>,
    /// Where the terminal was opened: proposed for hiring.
    pub working_directory: PathBuf,
    /// Whether it can open an editor on our request.
    pub editor: bool,
}

/// Styles by meaning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Palette {
    /// The usual text.
    pub(crate) plain: Style,
    /// What is usual or secondary.
    pub(crate) dim: Style,
    /// Lines that divide.
    pub(crate) rule: Style,
    /// Names and headings.
    pub(crate) strong: Style,
    /// What is selected, what has the focus, keys.
    pub(crate) accent: Style,
    /// Does well.
    pub(crate) good: Style,
    /// Degraded, or waits for a person.
    pub(crate) warn: Style,
    /// Failed.
    pub(crate) bad: Style,
    /// The row under the cursor, over its own colours.
    pub(crate) selected: Style,
    /// A badge that must not be missed.
    pub(crate) badge: Style,
}

impl Palette {
    fn new(depth: ColourDepth, dark: bool) -> Self {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        let dim = plain.add_modifier(Modifier::DIM);
        let reversed = plain.add_modifier(Modifier::REVERSED);
        // Colours and dimness within a reversed row would be patches.
        let selected = reversed.fg(Color::Reset).remove_modifier(Modifier::DIM);
        let colours = |accent, good, warn, bad| Self {
            plain,
            dim,
            rule: dim,
            strong: bold,
            accent: plain.fg(accent),
            good: plain.fg(good),
            warn: plain.fg(warn),
            bad: plain.fg(bad),
            selected,
            badge: plain
                .fg(warn)
                .add_modifier(Modifier::REVERSED | Modifier::BOLD),
        };
        match (depth, dark) {
            (ColourDepth::None, _) => Self {
                accent: bold,
                good: plain,
                warn: bold,
                bad: bold,
                badge: reversed.add_modifier(Modifier::BOLD),
                ..colours(Color::Reset, Color::Reset, Color::Reset, Color::Reset)
            },
            (ColourDepth::Sixteen, _) => {
                colours(Color::Cyan, Color::Green, Color::Yellow, Color::Red)
            }
            (ColourDepth::TwoFiftySix, true) => Self {
                selected: plain.bg(Color::Indexed(237)),
                dim: plain.fg(Color::Indexed(245)),
                rule: plain.fg(Color::Indexed(239)),
                ..colours(
                    Color::Indexed(110),
                    Color::Indexed(108),
                    Color::Indexed(179),
                    Color::Indexed(174),
                )
            },
            (ColourDepth::TwoFiftySix, false) => Self {
                selected: plain.bg(Color::Indexed(254)),
                dim: plain.fg(Color::Indexed(243)),
                rule: plain.fg(Color::Indexed(250)),
                ..colours(
                    Color::Indexed(25),
                    Color::Indexed(28),
                    Color::Indexed(130),
                    Color::Indexed(124),
                )
            },
            (ColourDepth::True, true) => Self {
                selected: plain.bg(Color::Rgb(0x2b, 0x31, 0x3c)),
                dim: plain.fg(Color::Rgb(0x8a, 0x8f, 0x98)),
                rule: plain.fg(Color::Rgb(0x45, 0x4b, 0x57)),
                ..colours(
                    Color::Rgb(0x7a, 0xb0, 0xdf),
                    Color::Rgb(0x86, 0xb4, 0x7c),
                    Color::Rgb(0xdc, 0xae, 0x5a),
                    Color::Rgb(0xe0, 0x7a, 0x72),
                )
            },
            (ColourDepth::True, false) => Self {
                selected: plain.bg(Color::Rgb(0xe4, 0xe9, 0xf2)),
                dim: plain.fg(Color::Rgb(0x6a, 0x70, 0x7a)),
                rule: plain.fg(Color::Rgb(0xbc, 0xc2, 0xcc)),
                ..colours(
                    Color::Rgb(0x1f, 0x5f, 0x9e),
                    Color::Rgb(0x2c, 0x73, 0x2c),
                    Color::Rgb(0x96, 0x5f, 0x00),
                    Color::Rgb(0xb0, 0x2a, 0x24),
                )
            },
        }
    }
}

/// How one terminal is drawn.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    /// What it can do.
    pub(crate) caps: Capabilities,
    /// Its styles.
    pub(crate) palette: Palette,
}

impl Look {
    pub(crate) fn new(caps: Capabilities) -> Self {
        Self {
            palette: Palette::new(caps.colour, caps.dark),
            caps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colours_no_style_has_one() {
        let palette = Palette::new(ColourDepth::None, true);
        for style in [
            palette.plain,
            palette.dim,
            palette.rule,
            palette.strong,
            palette.accent,
            palette.good,
            palette.warn,
            palette.bad,
            palette.selected,
            palette.badge,
        ] {
            assert!(matches!(style.fg, None | Some(Color::Reset)), "{style:?}");
            assert!(matches!(style.bg, None | Some(Color::Reset)), "{style:?}");
        }
    }

    #[test]
    fn with_colours_good_warning_and_bad_differ() {
        for depth in [
            ColourDepth::Sixteen,
            ColourDepth::TwoFiftySix,
            ColourDepth::True,
        ] {
            for dark in [true, false] {
                let palette = Palette::new(depth, dark);
                assert_ne!(palette.good, palette.warn);
                assert_ne!(palette.warn, palette.bad);
                assert_ne!(palette.accent, palette.good);
            }
        }
    }
}
