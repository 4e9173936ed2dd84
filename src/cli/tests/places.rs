//! Where a company is, by arguments and environment.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use crate::cli::args::PlaceArgs;
use crate::cli::exit::Code;
use crate::cli::process::is_text;
use crate::cli::tests::{Desk, never};
use crate::serve::fixture::company;

#[test]
fn an_empty_variable_is_none_and_an_argument_goes_before_it() {
    let none = PlaceArgs {
        workspace: None,
        state: Some(PathBuf::from("/given")),
        demo: true,
    };
    for (value, workspace) in [("", None), ("/w", Some(PathBuf::from("/w")))] {
        let read = none.or_else(|_| Some(OsString::from(value)));
        assert_eq!(read.workspace, workspace);
        assert_eq!(read.state, Some(PathBuf::from("/given")));
        assert!(read.demo);
    }
}

#[tokio::test]
async fn a_workspace_that_is_no_text_is_told_all_the_same() {
    let mut snapshot = company();
    snapshot.workspace = OsStr::from_bytes(b"/home/me/caf\xe9").into();
    let desk = Desk::open(snapshot, never);
    let said = desk.run("status").await;
    assert!(said.contains("/home/me/caf\u{fffd}"), "{said}");
    assert!(said.ends_with("[exit 0]"), "{said}");
    let refused = is_text(OsStr::from_bytes(b"/home/me/caf\xe9").as_ref()).unwrap_err();
    assert_eq!(refused.code(), Code::Usage);
}
