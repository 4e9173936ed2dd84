//! The table of layers in docs/ARCHITECTURE.md, checked from the source.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each layer and what it may import. The same table stands in docs/ARCHITECTURE.md.
const LAYERS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("config", &["domain"]),
    ("os", &["domain"]),
    ("agent", &["os", "domain"]),
    ("store", &["domain"]),
    ("watch", &["domain"]),
    (
        "runtime",
        &["agent", "os", "store", "watch", "config", "domain"],
    ),
    ("tui", &["domain"]),
    ("terminal", &["tui", "runtime", "domain"]),
    ("serve", &["runtime", "domain"]),
    (
        "app",
        &[
            "serve", "terminal", "tui", "runtime", "agent", "os", "store", "watch", "config",
            "domain",
        ],
    ),
    ("cli", &["app", "serve", "config", "domain", "agent", "os"]),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)
        .expect("a folder of the source")
        .flatten()
    {
        let path = entry.path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The modules of ours that a file names, by `crate::NAME`.
fn named(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| {
            rest.chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        })
        .collect()
}

#[test]
fn imports_point_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (layer, may) in LAYERS {
        for file in sources(&root.join(layer)) {
            let text = fs::read_to_string(&file).expect("a source file");
            for name in named(&text) {
                let known = LAYERS.iter().any(|(layer, _)| *layer == name);
                if known && name != *layer && !may.contains(&name.as_str()) {
                    wrong.push(format!("{} imports {name}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_part_of_the_domain_imports_the_fleet() {
    let domain = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/domain");
    for file in sources(&domain) {
        let inside = file.starts_with(domain.join("fleet"));
        let text = fs::read_to_string(&file).expect("a source file");
        let names = text.lines().any(|line| {
            !line.trim_start().starts_with("//") && line.contains("crate::domain::fleet")
        });
        assert!(inside || !names, "{} imports the fleet", file.display());
    }
}

#[test]
fn a_screen_never_imports_a_screen() {
    let screens = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tui/screens");
    for file in sources(&screens) {
        if file.file_name().is_some_and(|name| name == "mod.rs") {
            continue;
        }
        let text = fs::read_to_string(&file).expect("a source file");
        assert!(
            !text.contains("tui::screens::"),
            "{} imports a screen",
            file.display()
        );
    }
}

#[test]
fn unsafe_code_stands_in_os_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in sources(&root) {
        let text = fs::read_to_string(&file).expect("a source file");
        let uses = text.lines().any(|line| {
            let line = line.trim_start();
            !line.starts_with("//") && (line.contains("unsafe {") || line.contains("unsafe fn"))
        });
        assert!(
            !uses || file.starts_with(root.join("os")),
            "{} is unsafe",
            file.display()
        );
    }
}

#[test]
fn the_domain_reads_no_clock_and_does_no_input_or_output() {
    let domain = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/domain");
    for file in sources(&domain) {
        let text = fs::read_to_string(&file).expect("a source file");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in [
            "Timestamp::now",
            "Instant::now",
            "std::fs",
            "std::io",
            "tokio",
            "std::env",
            "rand::",
        ] {
            assert!(!code.contains(word), "{} has {word}", file.display());
        }
    }
}
