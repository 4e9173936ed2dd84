//! What is looked for in the log, and what comes of it.

use crate::domain::log::{LogFound, LogSearch, LogSeek, LogWords};
use crate::tui::format;
use crate::tui::text;

use super::Logs;

/// What is looked for.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) words: LogWords,
    /// What is being looked for now.
    seek: Option<LogSeek>,
    /// The line that was found last.
    pub(super) hit: Option<u64>,
    /// Lines that are hits, and where the log ended when they were counted.
    count: Option<(u32, u64)>,
    counting: bool,
}

impl Search {
    /// Forgets what was found: it is another log, or another form of it.
    pub(super) fn anew(&mut self) {
        self.hit = None;
        self.seek = None;
        self.count = None;
        self.counting = true;
    }

    /// What is looked for, and how often it is there.
    pub(super) fn shown(&self) -> String {
        let words = text::clean(self.words.as_str());
        let words = text::fit(&words, 20);
        let state = match self.count {
            _ if self.seek.is_some() => "searching…".to_owned(),
            Some((LogSeek::MOST.., _)) => format!("{}+ hits", LogSeek::MOST),
            Some((count, _)) => format::plural(count as usize, "hit", "hits"),
            None => "counting…".to_owned(),
        };
        format!("“{words}” {state}")
    }
}

impl Logs {
    /// What was looked for last.
    pub(crate) fn words(&self) -> &str {
        self.search
            .as_ref()
            .map_or("", |search| search.words.as_str())
    }

    /// Looks for words: from the end back while following, else from here on. Nothing ends it.
    pub(crate) fn look_for(&mut self, words: &str) {
        self.search = LogWords::new(words).map(|words| Search {
            words,
            seek: None,
            hit: None,
            count: None,
            counting: true,
        });
        let seek = if self.follow {
            LogSeek::Previous(u64::MAX)
        } else {
            LogSeek::Next(self.top)
        };
        if let Some(search) = &mut self.search {
            search.seek = Some(seek);
        }
    }

    /// Looks for the next hit, further down or up; `false` if nothing is looked for.
    pub(crate) fn look_on(&mut self, down: bool) -> bool {
        let shown = self.on_screen();
        let first = shown.first().map_or(self.top, |line| line.offset);
        let hit = self.search.as_ref().and_then(|search| search.hit);
        let hit = hit.filter(|hit| shown.iter().any(|line| line.offset == *hit));
        let end = self.end;
        let Some(search) = &mut self.search else {
            return false;
        };
        search.seek = Some(match (down, hit) {
            (true, Some(hit)) => LogSeek::Next(hit + 1),
            (true, None) => LogSeek::Next(first),
            (false, Some(hit)) => LogSeek::Previous(hit),
            (false, None) => LogSeek::Previous(first),
        });
        search.counting |= search.count.is_none_or(|(_, counted)| counted != end);
        true
    }

    pub(super) fn count_anew(&mut self) {
        if let Some(search) = &mut self.search {
            search.count = None;
            search.counting = true;
        }
    }

    /// Whether something is looked for.
    pub(crate) const fn is_searched(&self) -> bool {
        self.search.is_some()
    }

    /// Looks for nothing any more; `false` if it did not before.
    pub(crate) fn end_search(&mut self) -> bool {
        self.search.take().is_some()
    }

    /// What is to be looked for in the whole log.
    pub(crate) fn searches(&self) -> Vec<LogSearch> {
        let Some(search) = &self.search else {
            return Vec::new();
        };
        let count = search.counting.then_some(LogSeek::Count);
        let seeks = search.seek.into_iter().chain(count);
        seeks.map(|seek| self.look(search, seek)).collect()
    }

    fn look(&self, search: &Search, seek: LogSeek) -> LogSearch {
        LogSearch {
            process: self.process,
            form: self.form,
            choice: self.choice,
            words: search.words.clone(),
            seek,
        }
    }

    /// Takes what was found, `None` if the log cannot be read; says what a person must know.
    pub(crate) fn found(&mut self, done: &LogSearch, found: Option<LogFound>) -> Option<String> {
        let asked = self.search.as_ref();
        if asked.is_none_or(|search| self.look(search, done.seek) != *done) {
            return None;
        }
        let end = self.end;
        let search = self.search.as_mut()?;
        if done.seek == LogSeek::Count {
            search.counting = false;
            if let Some(LogFound::Count(count)) = found {
                search.count = Some((count, end));
            }
            return None;
        }
        if search.seek != Some(done.seek) {
            return None;
        }
        search.seek = None;
        let words = &search.words;
        match found {
            Some(LogFound::Line(offset)) => {
                search.hit = Some(offset);
                self.show(offset);
                None
            }
            Some(_) => {
                let words = text::clean(words.as_str());
                Some(match done.seek {
                    LogSeek::Previous(u64::MAX) => format!("“{words}” is nowhere in this log."),
                    LogSeek::Previous(_) => {
                        format!("“{words}” is not further up; n looks further down.")
                    }
                    _ => format!("“{words}” is not further down; N looks further up."),
                })
            }
            None => Some("The log cannot be read; the instance's own log says why.".to_owned()),
        }
    }

    /// Brings a line onto the screen, a third of it below the top, unless it is there already.
    fn show(&mut self, offset: u64) {
        if self.on_screen().iter().any(|line| line.offset == offset) {
            self.stay();
            return;
        }
        self.follow = false;
        self.top = offset;
        self.skip = 0;
        self.raise = self.height / 3;
    }
}
