//! Walks a TOML document and reports everything that does not fit, instead of stopping at the first.
//!
//! The code that reads a table is its schema: a key that nobody asked for is unknown, and the keys that
//! somebody asked for are what it is compared with.

use std::cell::RefCell;
use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::domain::schedule::Schedule;
use crate::domain::written::{self, Unreadable};

use super::mistakes::{Mistake, Report};
use super::nearest::{either, meant};
use super::values;

/// A table being read; [`Table::finish`] reports the keys that nobody asked for.
pub(super) struct Table<'a> {
    name: String,
    entries: &'a DeTable<'a>,
    report: &'a Report,
    asked: RefCell<Vec<&'static str>>,
}

/// A value with its place and its full name, `roles.sre.tools`.
pub(super) struct Value<'a> {
    name: String,
    inner: &'a Spanned<DeValue<'a>>,
    report: &'a Report,
}

/// An entry of a table whose keys are chosen by the user.
pub(super) struct Entry<'a> {
    pub(super) key: Spanned<&'a str>,
    pub(super) value: Value<'a>,
}

impl<'a> Table<'a> {
    /// Begins at the top of a document.
    pub(super) fn root(entries: &'a DeTable<'a>, report: &'a Report) -> Self {
        Self::named(String::new(), entries, report)
    }

    fn named(name: String, entries: &'a DeTable<'a>, report: &'a Report) -> Self {
        Self {
            name,
            entries,
            report,
            asked: RefCell::default(),
        }
    }

    /// The value of a key, if it is there.
    pub(super) fn get(&self, key: &'static str) -> Option<Value<'a>> {
        self.asked.borrow_mut().push(key);
        let inner = self.entries.get(key)?;
        Some(self.value(key, inner))
    }

    /// Whether a key that is needed is not there; a wrong value is reported where it is read.
    pub(super) fn lacks(&self, key: &str) -> bool {
        !self.entries.contains_key(key)
    }

    /// The value of a key read as `read` says, with its place; `None` if absent or wrong.
    pub(super) fn read<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> Option<Spanned<T>> {
        let value = self.get(key)?;
        read(&value).map(|read| Spanned::new(value.span(), read))
    }

    /// The table of a key, if it is there and is one.
    pub(super) fn table(&self, key: &'static str) -> Option<Table<'a>> {
        self.get(key)?.table()
    }

    /// Everything in this table, in the order of the file, for keys that the user chooses.
    pub(super) fn entries(&self) -> Vec<Entry<'a>> {
        let mut entries: Vec<Entry<'a>> = self
            .entries
            .iter()
            .map(|(key, inner)| Entry {
                key: Spanned::new(key.span(), key.get_ref().as_ref()),
                value: self.value(key.get_ref(), inner),
            })
            .collect();
        entries.sort_by_key(|entry| entry.key.span().start);
        entries
    }

    /// Ends the reading of this table: what was not asked for is unknown.
    pub(super) fn finish(self) {
        let asked = self.asked.into_inner();
        for (key, _) in self.entries {
            let name = key.get_ref().as_ref();
            if !asked.contains(&name) {
                let place = match self.name.as_str() {
                    "" => "at the top of the file".to_owned(),
                    table => format!("in `{table}`"),
                };
                let mistake =
                    Mistake::at(key.span(), format!("unknown key `{}` {place}", shown(name)))
                        .label("not a key here")
                        .help(format!("the keys here are {}", either_of(&asked)))
                        .maybe_help(meant(name, asked.iter().copied()));
                self.report.add(mistake);
            }
        }
    }

    fn value(&self, key: &str, inner: &'a Spanned<DeValue<'a>>) -> Value<'a> {
        let name = match self.name.as_str() {
            "" => shown(key),
            table => format!("{table}.{}", shown(key)),
        };
        Value {
            name,
            inner,
            report: self.report,
        }
    }
}

impl fmt::Debug for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<'a> Value<'a> {
    /// Where it stands.
    pub(super) fn span(&self) -> Range<usize> {
        self.inner.span()
    }

    /// Whether it is this very text.
    pub(super) fn is_text(&self, word: &str) -> bool {
        matches!(self.inner.get_ref(), DeValue::String(text) if text == word)
    }

    /// Any text, also empty.
    pub(super) fn any_text(&self) -> Option<String> {
        match self.inner.get_ref() {
            DeValue::String(text) => Some(text.clone().into_owned()),
            _ => self.expected("text in quotes"),
        }
    }

    /// Text that can be shown: not empty, no control characters.
    pub(super) fn text(&self) -> Option<String> {
        let text = self.any_text()?;
        if text.trim().is_empty() {
            return self.wrong(
                "is empty",
                "nothing in it",
                "write something, or leave the key out",
            );
        }
        if text.chars().any(char::is_control) {
            return self.wrong(
                "holds a control character",
                "not readable text",
                "leave line breaks and escapes out",
            );
        }
        Some(text)
    }

    /// Text of several lines: not empty, no control characters but line breaks and tabs.
    pub(super) fn lines(&self) -> Option<String> {
        let text = self.any_text()?;
        if text.trim().is_empty() {
            return self.wrong(
                "is empty",
                "nothing in it",
                "write something, or leave the key out",
            );
        }
        if text
            .chars()
            .any(|c| c.is_control() && c != '\n' && c != '\t')
        {
            return self.wrong(
                "holds a control character",
                "not readable text",
                "leave escapes other than line breaks out",
            );
        }
        Some(text)
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self) -> Option<bool> {
        self.inner
            .get_ref()
            .as_bool()
            .or_else(|| self.expected("true or false"))
    }

    /// A whole number within a range.
    pub(super) fn whole(&self, range: RangeInclusive<u32>) -> Option<u32> {
        let DeValue::Integer(number) = self.inner.get_ref() else {
            return self.expected("a whole number");
        };
        let read = i64::from_str_radix(number.as_str(), number.radix()).ok();
        let fits = read
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| range.contains(number));
        fits.or_else(|| {
            let bounds = match (range.start(), range.end()) {
                (low, &u32::MAX) => format!("write a whole number from {low} up"),
                (low, high) => format!("write a whole number from {low} to {high}"),
            };
            self.wrong("is out of range", "out of range", bounds)
        })
    }

    /// A number above zero, with or without decimals.
    pub(super) fn number(&self, most: f64) -> Option<f64> {
        let text = match self.inner.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            _ => return self.expected("a number"),
        };
        let read = text
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite() && *number > 0.0 && *number <= most);
        read.or_else(|| {
            self.wrong(
                "is out of range",
                "out of range",
                format!("write a number above 0, at most {most}"),
            )
        })
    }

    /// A duration such as `"30s"`.
    pub(super) fn duration(&self) -> Option<Duration> {
        self.spelled("a duration such as \"30s\"", written::duration)
    }

    /// A duration above zero: what comes round again must not come round at once.
    pub(super) fn interval(&self) -> Option<Duration> {
        let length = self.duration()?;
        if length.is_zero() {
            return self.wrong("is zero", "no time at all", "write for example \"30s\"");
        }
        Some(length)
    }

    /// A size such as `"512MB"`, in bytes.
    pub(super) fn size(&self) -> Option<u64> {
        self.spelled("a size such as \"512MB\"", values::size)
    }

    /// A schedule such as `"every 30m"`.
    pub(super) fn schedule(&self) -> Option<Schedule> {
        self.spelled("a schedule such as \"every 30m\"", str::parse)
    }

    /// One of a few words, for which the caller has values.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let text = self.any_text()?;
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let message = format!("`{}` cannot be `{}`", self.name, shown(&text));
        self.report.add(
            Mistake::at(self.span(), message)
                .label("not one of the words")
                .help(format!("write {}", either(&words))),
        );
        None
    }

    /// A list, each item read as `read` says; items that are wrong are reported and left out.
    pub(super) fn list<T>(
        &self,
        read: impl Fn(&Value<'a>) -> Option<T>,
    ) -> Option<Vec<Spanned<T>>> {
        let DeValue::Array(items) = self.inner.get_ref() else {
            return self.expected("a list in square brackets");
        };
        let read_item = |inner: &'a Spanned<DeValue<'a>>| {
            let item = Value {
                name: self.name.clone(),
                inner,
                report: self.report,
            };
            read(&item).map(|value| Spanned::new(item.span(), value))
        };
        Some(items.iter().filter_map(read_item).collect())
    }

    /// A list of text.
    pub(super) fn texts(&self) -> Option<Vec<Spanned<String>>> {
        self.list(Value::text)
    }

    /// A table, with a header or in braces.
    pub(super) fn table(&self) -> Option<Table<'a>> {
        match self.inner.get_ref() {
            DeValue::Table(entries) => Some(Table::named(self.name.clone(), entries, self.report)),
            _ => self.expected("a table"),
        }
    }

    /// Reports what is wrong with this value; always `None`, so that it can end an expression.
    pub(super) fn wrong<T>(&self, what: &str, label: &str, help: impl Into<String>) -> Option<T> {
        let message = format!("`{}` {what}", self.name);
        self.report
            .add(Mistake::at(self.span(), message).label(label).help(help));
        None
    }

    fn expected<T>(&self, what: &str) -> Option<T> {
        let message = format!("`{}` must be {what}", self.name);
        let is = match self.inner.get_ref() {
            DeValue::String(_) => "this is text",
            DeValue::Integer(_) | DeValue::Float(_) => "this is a number",
            DeValue::Boolean(_) => "this is true or false",
            DeValue::Datetime(_) => "this is a date or time",
            DeValue::Array(_) => "this is a list",
            DeValue::Table(_) => "this is a table",
        };
        self.report.add(Mistake::at(self.span(), message).label(is));
        None
    }

    fn spelled<T>(
        &self,
        what: &str,
        read: impl FnOnce(&str) -> Result<T, Unreadable>,
    ) -> Option<T> {
        let text = match self.inner.get_ref() {
            DeValue::String(text) => text.as_ref(),
            // The reader of the text says best what a number lacks.
            DeValue::Integer(number) => number.as_str(),
            _ => return self.expected(what),
        };
        read(text)
            .map_err(|unreadable| {
                self.wrong::<()>(&format!("must be {what}"), unreadable.why, unreadable.help)
            })
            .ok()
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Value")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A piece of the file, fit for a message: escaped and not too long.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let mut shown: String = text
        .chars()
        .take(MOST)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}

fn either_of(asked: &[&'static str]) -> String {
    let mut names = asked.to_vec();
    names.sort_unstable();
    names.dedup();
    either(&names)
}
