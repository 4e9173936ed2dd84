//! How a terminal calls its person when something newly needs one: bell, notification, title.
//!
//! Which of them a terminal understands cannot be asked; its name tells a little, and
//! `HEADCOUNT_NOTIFY` in the client's environment has the last word.

use std::time::Duration;

use tokio::time::Instant;

use crate::terminal::wire::Environment;

/// Nobody is called more often than this; what comes in between is said when it is over.
const CALM: Duration = Duration::from_secs(5);
/// Characters of a notification.
const LONGEST: usize = 200;

/// The ways that are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ways {
    pub(crate) bell: bool,
    pub(crate) title: bool,
    /// A notification as iTerm2 and kitty take it.
    pub(crate) osc9: bool,
    /// A notification as urxvt and VTE take it.
    pub(crate) osc777: bool,
}

impl Ways {
    /// Those of a client: what it names, else what its terminal may understand. Some take both
    /// kinds of notification and would show it twice; those get one.
    pub(crate) fn of(environment: &Environment) -> Self {
        let named: Vec<&str> = environment
            .notify
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .collect();
        if !named.is_empty() {
            let has = |word| named.contains(&word);
            return Self {
                bell: has("bell"),
                title: has("title"),
                osc9: has("osc9"),
                osc777: has("osc777"),
            };
        }
        let term = environment.term.as_str();
        let one_of = |names: &[&str]| names.iter().any(|name| term.contains(name));
        let is_plain =
            term.is_empty() || term == "dumb" || term == "linux" || term.starts_with("vt");
        let takes_both = one_of(&["kitty", "ghostty", "wezterm", "foot"]);
        let is_rxvt = one_of(&["rxvt"]);
        Self {
            bell: true,
            title: true,
            osc9: !is_plain && !is_rxvt,
            osc777: !is_plain && !takes_both,
        }
    }
}

/// The calls of one terminal.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    waiting: Option<String>,
    last: Option<Instant>,
}

impl Calls {
    /// Has a person called; the newest words count.
    pub(crate) fn call(&mut self, text: String) {
        self.waiting = Some(text);
    }

    /// When the next call is due, if one waits.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        self.waiting.as_ref()?;
        Some(self.last.map_or(now, |last| last + CALM))
    }

    /// The bytes of a call that is due.
    pub(crate) fn take(&mut self, ways: Ways, now: Instant) -> Option<String> {
        if self.due(now)? > now {
            return None;
        }
        self.last = Some(now);
        let text = harmless(&self.waiting.take()?);
        let mut bytes = String::new();
        if ways.osc9 {
            bytes += &format!("\x1b]9;{text}\x07");
        }
        if ways.osc777 {
            bytes += &format!("\x1b]777;notify;headcount;{text}\x07");
        }
        if ways.bell {
            bytes.push('\x07');
        }
        Some(bytes)
    }
}

/// A text that cannot end the sequence it stands in, nor begin another field of it.
fn harmless(text: &str) -> String {
    let text = text.chars().filter(|char| !char.is_control());
    text.map(|char| if char == ';' { ',' } else { char })
        .take(LONGEST)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terminal_and_its_person_choose_the_ways() {
        for (term, notify, expected) in [
            ("xterm-256color", "", [true, true, true, true]),
            ("xterm-kitty", "", [true, true, true, false]),
            ("rxvt-unicode-256color", "", [true, true, false, true]),
            ("linux", "", [true, true, false, false]),
            ("", "", [true, true, false, false]),
            ("xterm-kitty", "off", [false; 4]),
            ("linux", "title, osc9", [false, true, true, false]),
        ] {
            let environment = Environment {
                term: term.to_owned(),
                notify: notify.to_owned(),
                ..Environment::default()
            };
            let ways = Ways::of(&environment);
            let ways = [ways.bell, ways.title, ways.osc9, ways.osc777];
            assert_eq!(ways, expected, "{term} {notify}");
        }
    }

    #[test]
    fn a_notification_cannot_say_anything_else() {
        let hostile = "Ada asks;\x1b]52;c;eA==\x07\n\u{9d}";
        assert_eq!(harmless(hostile), "Ada asks,]52,c,eA==");
        assert_eq!(harmless(&"x".repeat(9_000)).len(), LONGEST);
    }
}
