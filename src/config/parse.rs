//! Reads the bytes of `roles.toml` and parses them as TOML.

use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::DeTable;

use super::mistakes::{Mistake, Mistakes, Report};
use super::reader::shown;

/// A longer file is no `roles.toml`.
const LARGEST: u64 = 1 << 20;

/// Reads the whole file.
pub(super) fn read_text(path: &Path) -> Result<String, Mistakes> {
    let whole = |message: String, help: &str| {
        Mistakes::of_the_file(path, Mistake::of_the_file(message).help(help))
    };
    let unreadable = |error: std::io::Error| {
        whole(
            format!("cannot be read: {error}"),
            "make it readable for the user that runs headcount",
        )
    };
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(whole(
            "is not a regular file".to_owned(),
            "put a text file here",
        ));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(whole(
            "is larger than 1 MiB".to_owned(),
            "a roles.toml has some hundred lines; is this the right file?",
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        whole(format!("is not UTF-8 in line {line}"), "save it as UTF-8")
    })
}

/// Parses the file. Syntax errors end here, all of them; what stands twice is a mistake like any other.
pub(super) fn parse<'t>(
    path: &Path,
    text: &'t str,
    report: &Report,
) -> Result<Spanned<DeTable<'t>>, Mistakes> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let (twice, syntax): (Vec<_>, Vec<_>) = errors
        .iter()
        .partition(|error| error.message() == "duplicate key");
    let alone = Report::default();
    for error in syntax {
        alone.add(Mistake::at(error.span().unwrap_or(0..0), error.message()).label("not TOML"));
    }
    alone.finish(path, text)?;

    let twice: Vec<Range<usize>> = twice.iter().filter_map(|error| error.span()).collect();
    let headers: Vec<&Range<usize>> = twice.iter().filter(|span| in_header(text, span)).collect();
    for span in &twice {
        // Within a table that is there twice, each of its keys would be said to be so as well.
        let follows = headers
            .iter()
            .any(|header| header.end < span.start && !text[header.end..span.start].contains("\n["));
        if !follows {
            report.add(duplicate(text, span));
        }
    }
    Ok(root)
}

/// A table or a key that stands twice. The parser merges the two, so the first is looked for in the text.
fn duplicate(text: &str, span: &Range<usize>) -> Mistake {
    let line_start = line_start(text, span);
    let beginning = &text[line_start..span.end];
    let section = if in_header(text, span) {
        0
    } else {
        text[..line_start].rfind("\n[").map_or(0, |at| at + 1)
    };
    let mut at = section;
    let first = text[section..line_start]
        .split_inclusive('\n')
        .find_map(|line| {
            let begins_at = at;
            at += line.len();
            let rest = line.strip_prefix(beginning)?;
            let ends = !rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-'));
            let key = begins_at + (span.start - line_start);
            ends.then_some(key..key + span.len())
        });
    let mistake = Mistake::at(
        span.clone(),
        format!("`{}` is there twice", shown(&text[span.clone()])),
    )
    .label("again here")
    .help("keep one of the two, or give the second another name");
    match first {
        Some(first) => mistake.also(first, "first here"),
        None => mistake,
    }
}

fn in_header(text: &str, span: &Range<usize>) -> bool {
    text[line_start(text, span)..span.start].starts_with('[')
}

fn line_start(text: &str, span: &Range<usize>) -> usize {
    text[..span.start].rfind('\n').map_or(0, |at| at + 1)
}
