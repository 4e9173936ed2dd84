//! What shells and `man` are told of the command line; both are made from its arguments.

use std::fs;
use std::path::Path;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::args::Cli;
use crate::cli::error::CliError;
use crate::cli::output::Output;

/// Prints what a shell needs to complete commands and options.
pub(super) fn completions(shell: Shell, output: &mut Output) -> Result<(), CliError> {
    output.bytes(&script(shell))
}

fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "headcount", &mut script);
    script
}

/// Prints the page of the program, or writes the pages of all commands into a folder.
pub(super) fn man(folder: Option<&Path>, output: &mut Output) -> Result<(), CliError> {
    let Some(folder) = folder else {
        let pages = pages()?;
        let first = pages.first().map_or(&[][..], |(_, page)| page);
        return output.bytes(first);
    };
    let failed = |path: &Path, source| CliError::WriteFile {
        path: path.to_owned(),
        source,
    };
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for (name, page) in pages()? {
        let path = folder.join(format!("{name}.1"));
        fs::write(&path, page).map_err(|error| failed(&path, error))?;
        output.line(format_args!("wrote {}", path.display()))?;
    }
    Ok(())
}

/// A page for the program and for each command, by name.
fn pages() -> Result<Vec<(String, Vec<u8>)>, CliError> {
    // `help` is one of them, and tells what the pages do.
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    add_pages(&command, &mut pages)?;
    Ok(pages)
}

fn add_pages(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> Result<(), CliError> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let mut page = Vec::new();
    let man = Man::new(command.clone().version(env!("CARGO_PKG_VERSION")));
    man.render(&mut page).map_err(CliError::Write)?;
    pages.push((name.to_owned(), page));
    for below in command.get_subcommands() {
        add_pages(below, pages)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{self, Stdio};

    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_is_told_of_every_command_and_of_the_options_below() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell)).unwrap();
            for word in ["cluster", "templates", "own-branch", "workspace"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }

    #[test]
    fn a_shell_can_read_what_it_is_told() {
        let bash = process::Command::new("bash")
            .arg("-n")
            .stdin(Stdio::piped())
            .spawn();
        let Ok(mut bash) = bash else {
            println!("skipped: there is no bash");
            return;
        };
        let mut input = bash.stdin.take().unwrap();
        input.write_all(&script(Shell::Bash)).unwrap();
        drop(input);
        assert!(bash.wait().unwrap().success());
    }

    #[test]
    fn there_is_a_page_for_each_command_that_says_what_it_does() {
        let pages = pages().unwrap();
        for (name, words) in [
            ("headcount", "process manager for AI employees"),
            ("headcount-up", "Start the instance without a screen"),
            ("headcount-task", "Work with the task queue"),
            ("headcount-task-add", "Put work into the queue"),
            ("headcount-cluster-scale", "Bring roles of it to numbers"),
        ] {
            let page = pages.iter().find(|(page, _)| page == name);
            let (_, text) = page.unwrap_or_else(|| panic!("no page {name}"));
            let text = String::from_utf8_lossy(text);
            assert!(text.contains(words), "{name}: {text}");
        }
        let folder = tempfile::tempdir().unwrap();
        let (mut output, written) = crate::cli::output::test::output();
        man(Some(&folder.path().join("man1")), &mut output).unwrap();
        assert_eq!(written.text().lines().count(), pages.len());
        assert!(folder.path().join("man1/headcount-task-add.1").is_file());
    }
}
