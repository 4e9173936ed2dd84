//! Reads `roles.toml`, prompts, tools and environments into a checked catalogue.
