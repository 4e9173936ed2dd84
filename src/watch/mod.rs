//! Watches prompts and configuration on disk.
