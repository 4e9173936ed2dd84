//! The company that ships in the binary: `roles.toml` and its prompts.

/// Where `roles.toml` stands in messages about the embedded copy.
pub(super) const NAME: &str = "roles.toml (built in)";

/// The embedded `roles.toml`.
pub const ROLES: &str = include_str!("../../roles.toml");

macro_rules! prompts {
    ($($path:literal),* $(,)?) => {
        /// The embedded prompts, by their paths from the folder of `roles.toml`.
        pub const PROMPTS: &[(&str, &str)] = &[$((
            concat!("corporate-prompts/", $path),
            include_str!(concat!("../../corporate-prompts/", $path)),
        )),*];
    };
}

prompts![
    "development/junior-developer.md",
    "development/qa-engineer.md",
    "development/senior-developer.md",
    "development/test-engineer.md",
    "executive/project-manager.md",
    "executive/qa-director.md",
    "executive/technical-lead.md",
    "operations/devops-engineer.md",
    "operations/security-engineer.md",
    "operations/sre.md",
    "support/build-engineer.md",
    "support/technical-writer.md",
    "support/ui-ux-designer.md",
    "support/utility-worker.md",
];

/// Returns the embedded prompt of this path.
pub(super) fn prompt(path: &str) -> Option<&'static str> {
    PROMPTS
        .iter()
        .find(|(name, _)| *name == path)
        .map(|(_, text)| *text)
}
