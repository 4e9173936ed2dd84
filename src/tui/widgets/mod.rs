//! Parts that several screens are made of. A widget knows no screen.

pub(crate) mod cluster;
pub(crate) mod cursor;
pub(crate) mod field;
pub(crate) mod log_lines;
pub(crate) mod peek;
pub(crate) mod pen;
pub(crate) mod process_row;
pub(crate) mod request;
pub(crate) mod sheet;
pub(crate) mod sparkline;
pub(crate) mod status;
pub(crate) mod task_facts;
pub(crate) mod tree;
