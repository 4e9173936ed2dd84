//! What is wrong in `roles.toml`: every mistake at once, each with its place and what to write instead.
//!
//! One value serves three readers: a terminal ([`Mistakes::fancy`]), a log or screen without colour
//! ([`Mistakes::plain`]), and programs ([`Mistakes::list`]).

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode,
};
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

/// One mistake, its place given in bytes of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    message: String,
    span: Option<Range<usize>>,
    label: String,
    also: Option<(Range<usize>, String)>,
    help: Option<String>,
}

impl Mistake {
    /// Says what is wrong with the text at `span`.
    pub(super) fn at(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            span: Some(span),
            ..Self::of_the_file(message)
        }
    }

    /// Says what is wrong with the file as a whole.
    pub(super) fn of_the_file(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            span: None,
            label: "here".to_owned(),
            also: None,
            help: None,
        }
    }

    /// Says under the offending text what it is.
    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Points at a second place that has to do with it.
    pub(super) fn also(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.also = Some((span, label.into()));
        self
    }

    /// Says what to write instead.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same, where there may be nothing to say.
    pub(super) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Mistake {}

impl Diagnostic for Mistake {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let first = self.span.clone().map(|span| (span, self.label.clone()));
        let labels = first.into_iter().chain(self.also.clone());
        Some(Box::new(labels.map(|(span, label)| {
            LabeledSpan::new_with_span(Some(label), span)
        })))
    }
}

/// Where the readers put what they find.
#[derive(Debug, Default)]
pub(super) struct Report(RefCell<Vec<Mistake>>);

impl Report {
    /// Adds a mistake, unless the same is known: a default is looked at once for each role that has it.
    pub(super) fn add(&self, mistake: Mistake) {
        let mut known = self.0.borrow_mut();
        let same = |other: &Mistake| other.span == mistake.span && other.message == mistake.message;
        if !known.iter().any(same) {
            known.push(mistake);
        }
    }

    /// Whether nothing is wrong so far.
    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Ends the reading: nothing, or all mistakes in the order of the file.
    pub(super) fn finish(self, path: &Path, text: &str) -> Result<(), Mistakes> {
        let mut list = self.0.into_inner();
        if list.is_empty() {
            return Ok(());
        }
        list.sort_by_key(|mistake| mistake.span.as_ref().map_or(0, |span| span.start));
        let text = displayable(text);
        Err(Mistakes {
            source: Box::new(NamedSource::new(path.display().to_string(), text)),
            path: path.to_owned(),
            list,
        })
    }
}

/// Everything that is wrong with one `roles.toml`, at least one mistake.
#[derive(Clone)]
pub struct Mistakes {
    path: PathBuf,
    /// The file's text, with control characters made harmless.
    source: Box<NamedSource<String>>,
    list: Vec<Mistake>,
}

/// One mistake as data, for screens and programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MistakeEntry {
    /// The file.
    pub path: PathBuf,
    /// Counted from 1; `None` where the file as a whole is meant.
    pub line: Option<usize>,
    /// Counted from 1, in characters.
    pub column: Option<usize>,
    /// What is wrong, a lower-case fragment.
    pub message: String,
    /// What to write instead, where there is something to say.
    pub help: Option<String>,
}

impl Mistakes {
    /// The mistakes of a file whose content cannot be used at all.
    pub(super) fn of_the_file(path: &Path, mistake: Mistake) -> Self {
        Self {
            path: path.to_owned(),
            source: Box::new(NamedSource::new(path.display().to_string(), String::new())),
            list: vec![mistake],
        }
    }

    /// Returns how many mistakes there are; never zero.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Returns the file that they are in.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the mistakes as data, in the order of the file.
    #[must_use]
    pub fn list(&self) -> Vec<MistakeEntry> {
        let entry = |mistake: &Mistake| {
            let place = mistake
                .span
                .as_ref()
                .map(|span| Place::of(self.source.inner(), span));
            MistakeEntry {
                path: self.path.clone(),
                line: place.as_ref().map(|place| place.line),
                column: place.as_ref().map(|place| place.column),
                message: mistake.message.clone(),
                help: mistake.help.clone(),
            }
        };
        self.list.iter().map(entry).collect()
    }

    /// Draws the mistakes for a terminal of this width, with colours and box drawing if `colour`.
    #[must_use]
    pub fn fancy(&self, colour: bool, width: usize) -> String {
        let theme = if colour {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::none()
        };
        let mut drawn = String::new();
        match GraphicalReportHandler::new_themed(theme)
            .with_width(width.max(40))
            .render_report(&mut drawn, self)
        {
            Ok(()) => drawn,
            Err(fmt::Error) => self.plain(),
        }
    }

    /// Writes the mistakes as plain text: `path:line:column: message`, the line, a mark below it, help.
    #[must_use]
    pub fn plain(&self) -> String {
        let mut out = String::new();
        for mistake in &self.list {
            // Writing to a String cannot fail.
            let _ = self.write_plain(&mut out, mistake);
        }
        out
    }

    fn write_plain(&self, out: &mut String, mistake: &Mistake) -> fmt::Result {
        let path = self.path.display();
        match &mistake.span {
            None => writeln!(out, "{path}: {}", mistake.message)?,
            Some(span) => {
                let place = Place::of(self.source.inner(), span);
                let number = place.line.to_string();
                let gutter = " ".repeat(number.len());
                writeln!(out, "{path}:{number}:{}: {}", place.column, mistake.message)?;
                writeln!(out, "  {number} | {}", place.text)?;
                writeln!(
                    out,
                    "  {gutter} | {}{} {}",
                    place.indent, place.mark, mistake.label
                )?;
            }
        }
        if let Some((span, label)) = &mistake.also {
            writeln!(
                out,
                "  line {}: {label}",
                Place::of(self.source.inner(), span).line
            )?;
        }
        if let Some(help) = &mistake.help {
            writeln!(out, "  help: {help}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.list.len() {
            1 => write!(f, "1 mistake in {path}"),
            many => write!(f, "{many} mistakes in {path}"),
        }
    }
}

/// The file's text is left out: it may hold secrets.
impl fmt::Debug for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mistakes")
            .field("path", &self.path)
            .field("list", &self.list)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Mistakes {}

impl Diagnostic for Mistakes {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.source.as_ref())
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(
            self.list.iter().map(|mistake| mistake as &dyn Diagnostic),
        ))
    }
}

/// Where a span begins, and how to mark it below its line.
struct Place<'a> {
    line: usize,
    column: usize,
    text: &'a str,
    indent: String,
    mark: String,
}

impl<'a> Place<'a> {
    fn of(text: &'a str, span: &Range<usize>) -> Self {
        let start = boundary(text, span.start);
        let end = boundary(text, span.end).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let before = &text[line_start..start];
        let marked = &text[start..end.min(line_end)];
        Self {
            line: text[..start].matches('\n').count() + 1,
            column: before.chars().count() + 1,
            text: text[line_start..line_end].trim_end_matches('\r'),
            // Tabs stay tabs, so that the mark stands below its text whatever a tab's width is.
            indent: before
                .chars()
                .map(|c| {
                    if c == '\t' {
                        "\t".to_owned()
                    } else {
                        " ".repeat(UnicodeWidthStr::width(c.to_string().as_str()))
                    }
                })
                .collect(),
            mark: "^".repeat(UnicodeWidthStr::width(marked).max(1)),
        }
    }
}

fn boundary(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The text with control characters made harmless, each byte kept in its place.
fn displayable(text: &str) -> String {
    let harmless = |c: char| !c.is_control() || matches!(c, '\n' | '\t' | '\r');
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if harmless(c) {
            out.push(c);
        } else {
            out.extend(std::iter::repeat_n('?', c.len_utf8()));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_keep_their_place_and_lose_their_power() {
        assert_eq!(displayable("a\u{1b}[1mb\u{85}c\n\td"), "a?[1mb??c\n\td");
    }

    #[test]
    fn a_place_counts_characters_and_survives_any_span() {
        let text = "one\ntwö = 3\n";
        let place = Place::of(text, &(9..10));
        assert_eq!((place.line, place.column, place.text), (2, 5, "twö = 3"));
        for start in 0..20 {
            for end in 0..20 {
                let _ = Place::of(text, &(start..end));
            }
        }
    }

    #[test]
    fn the_same_mistake_is_said_once() {
        let report = Report::default();
        report.add(Mistake::at(0..1, "twice"));
        report.add(Mistake::at(0..1, "twice"));
        let mistakes = report.finish(Path::new("roles.toml"), "x").unwrap_err();
        assert_eq!(mistakes.len(), 1);
        assert_eq!(mistakes.to_string(), "1 mistake in roles.toml");
    }
}
