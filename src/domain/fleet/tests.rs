//! The fleet by its inputs and effects: no runtime, no sleep.

mod automation;
mod chronicle;
mod clock;
mod cluster;
mod continuing;
mod cut;
mod graph;
mod health;
mod hire;
mod lifecycle;
mod model;
mod overnight;
mod property;
mod queue;
mod recorder;
mod restart;
mod rig;
mod say;
mod scaling;
mod schedules;
mod storage;
mod update;
mod waiting;
mod worktree;
