//! One thing that was looked at.

use serde::Serialize;

use crate::cli::format::safe;

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// Works, with a drawback.
    Warn,
    /// Does not work.
    Fail,
}

/// What was looked at, how it is, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    /// What was looked at.
    pub(super) name: &'static str,
    /// How it is.
    #[serde(rename = "state")]
    pub(super) verdict: Verdict,
    /// What was found.
    pub(super) detail: String,
    /// What to do about it.
    pub(super) cure: Option<String>,
}

impl Check {
    /// All is well.
    pub(super) fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Ok,
            detail: detail.into(),
            cure: None,
        }
    }

    /// It works, with a drawback.
    pub(super) fn warn(
        name: &'static str,
        detail: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self {
            name,
            verdict: Verdict::Warn,
            detail: detail.into(),
            cure: Some(cure.into()),
        }
    }

    /// It does not work.
    pub(super) fn fail(
        name: &'static str,
        detail: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self {
            verdict: Verdict::Fail,
            ..Self::warn(name, detail, cure)
        }
    }

    /// Sign and word, name, what was found; below it what to do.
    pub(super) fn draw(&self, colour: bool) -> String {
        let (word, style) = match self.verdict {
            Verdict::Ok => ("✓ ok  ", "32"),
            Verdict::Warn => ("! warn", "33"),
            Verdict::Fail => ("✕ fail", "31"),
        };
        let word = if colour {
            format!("\x1b[{style}m{word}\x1b[0m")
        } else {
            word.to_owned()
        };
        let mut text = String::new();
        let detail = safe(&self.detail);
        let mut lines = detail.lines();
        let first = lines.next().unwrap_or("");
        text.push_str(&format!("{word}  {:<13}  {first}\n", self.name));
        for line in lines {
            text.push_str(&format!("{:23}{line}\n", ""));
        }
        for line in self.cure.iter().flat_map(|cure| cure.lines()) {
            text.push_str(&format!("{:23}try: {}\n", "", safe(line)));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_says_sign_word_finding_and_cure() {
        let text = [
            Check::ok("workspace", "/home/me/shop"),
            Check::warn("lingering", "off", "loginctl enable-linger"),
            Check::fail(
                "agent",
                "`claude` is not on the PATH",
                "install Claude Code",
            ),
        ]
        .iter()
        .map(|check| check.draw(false))
        .collect::<String>();
        insta::assert_snapshot!(text, @r"
        ✓ ok    workspace      /home/me/shop
        ! warn  lingering      off
                               try: loginctl enable-linger
        ✕ fail  agent          `claude` is not on the PATH
                               try: install Claude Code
        ");
    }
}
